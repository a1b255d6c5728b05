// SPDX-License-Identifier: GPL-2.0-only
// The cells of the exactness matrix as cases for a second CPU: run here through the whole machine, port of Xen included.
import { SEG_CS, SEG_DS, SEG_ES, SEG_FS, SEG_GS, SEG_SS } from '../../src/cpu/backend.ts';
import { Machine } from '../../src/machine/machine.ts';
import { RunLoop } from '../../src/machine/run-loop.ts';
import {
  type Cell,
  cell,
  DEVICES_END,
  ECHO,
  FIRST_DEVICE,
  PORT_ECHO,
  SECOND_DEVICE,
  STACK,
} from '../../src/toolstack/exactness/cell.ts';
import { matrixCells } from '../../src/toolstack/exactness/cells.ts';
import type { Code } from '../../src/toolstack/exactness/code.ts';
import { devicesFor, positionAnswer } from '../../src/toolstack/exactness/device.ts';
import { enterMode, guestOf } from '../../src/toolstack/exactness/layout.ts';
import { type Outcome, runTrial } from '../../src/toolstack/exactness/trial.ts';
import { type Case, inRam, POWER_ON_FPU, type Run } from './case.ts';
import type { OracleAccess, OracleRange, OracleRequest } from './helper.ts';

/** Line 0. */
const VECTOR = 8;
const REGISTERS = 'EAX ECX EDX EBX ESP EBP ESI EDI EIP EFLAGS'.split(' ');

const devicesOf = (cell: Cell): ReturnType<typeof devicesFor> =>
  devicesFor(
    cell,
    () => {},
    (device) => device,
  );

/** Every cell of a default run, and some that only this comparison has. */
export function cellCases(): Case[] {
  return [...matrixCells(false), ...cellsBeside()].map(cellCase);
}

/** One instruction and two devices, in an order that its registers decide; parts that are no power of two. */
export function cellsBeside(): Cell[] {
  const [ECX, EDX, ESP, ESI, EDI] = [1, 2, 4, 6, 7];
  return ([16, 32] as const).flatMap((bits) => {
    const beside = (name: string, body: (code: Code) => void): Cell =>
      cell('beside the matrix', name, bits, body, { answers: [1, 1, 1, 2, 2, 2] });
    const compare = (from: number, to: number) => (c: Code) =>
      c.set(ECX, 3).set(ESI, from).set(EDI, to).raw(0xfc, 0xf3).wide(4).raw(0xa7);
    const pushAll = (top: number, size: 2 | 4) => (c: Code) =>
      c.set(EDX, 2).set(ESP, top).wide(size).raw(0x60).set(ESP, STACK);
    return [
      beside('repe cmps 4 of two devices', compare(FIRST_DEVICE, SECOND_DEVICE)),
      beside('repe cmps 4 of two devices, the other way', compare(SECOND_DEVICE, FIRST_DEVICE)),
      beside(
        'repe cmps 4 over two devices and into RAM',
        compare(SECOND_DEVICE - 1, DEVICES_END - 2),
      ),
      beside('pusha 4 over two devices', pushAll(SECOND_DEVICE + 10, 4)),
      beside('pusha 2 from a device into RAM', pushAll(FIRST_DEVICE + 7, 2)),
      beside('load 4, three bytes in the next page', (c) =>
        c.memory([0x8b], 0, FIRST_DEVICE + 0xfff, 4),
      ),
      beside('store 4, three bytes in the next page', (c) =>
        c.memory([0x89], 3, FIRST_DEVICE + 0xfff, 4),
      ),
      ...(bits === 16 ? [beside('IP wraps', wrapped)] : []),
    ];
  });
}

// FFFE: nop; nop. 0: inc bx; jmp back
function wrapped(c: Code): Code {
  c.set(0, 0x9090).memory([0x89], 0, 0xfffe, 2);
  const back = c.here + 6 + 5 + 3;
  c.set(0, (back - 4) * 0x10000 + 0xe943)
    .memory([0x89], 0, 0, 4)
    .raw(0xe9);
  const distance = 0xfffe - (c.here + 2);
  return c.raw(distance & 255, distance >> 8).memory([0x8a], 0, FIRST_DEVICE, 1);
}

/** One cell, run here. */
export function cellCase(cell: Cell): Case {
  const specs = devicesOf(cell);
  const ranges = specs.map(({ range }, stream) => {
    const echo = range.space === 'pio' ? PORT_ECHO : ECHO;
    return { ...range, stream, echo };
  });
  const starts = new Map(specs.map(({ factory, range }) => [factory.name, range]));
  const { fields, ram, accesses } = runTrial(cell, { revision: 'exact' });
  const ours: Run = {
    accesses: accesses.map((text) => parseAccess(text, starts)),
    stopped: endOf(fields),
    registers: REGISTERS.map((name) => Number(fields[name])),
    ram,
  };
  const request = requestOf(cell, ranges, ours.accesses.length);
  const { name, family, bits } = cell;
  return { name, family, bits, ours, request, inRam: inRam(request, ours) };
}

// A known cell that finds something wrong complains where no device is.
function endOf({ end, unclaimed }: Outcome['fields']): string | null {
  if (unclaimed !== 0) return `${unclaimed} accesses where no device is`;
  return end === 'dead' ? null : String(end);
}

function parseAccess(
  text: string,
  devices: ReadonlyMap<string, Pick<OracleRange, 'space' | 'start'>>,
): OracleAccess {
  const [, direction, size, name = '', offset = '', high = '0', low = '0'] =
    /^([rw])(\d)@([^+]+)\+([0-9a-f]+)(?:=([0-9a-f]+):([0-9a-f]+))?$/.exec(text) ?? [];
  const device = devices.get(name);
  if (device === undefined) throw new Error(`'${text}' in the log of the devices`);
  return {
    read: direction === 'r',
    size: Number(size),
    space: device.space,
    at: device.start + Number.parseInt(offset, 16),
    data: (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`),
  };
}

// From the machine itself, as a cell finds it.
function requestOf(cell: Cell, ranges: readonly OracleRange[], accesses: number): OracleRequest {
  using machine = new Machine({ guest: guestOf(cell), devices: devicesOf(cell) });
  enterMode(machine, cell);
  const { regs } = machine.cpu;
  // Enough for a CPU that asks somewhat more often.
  const answers = Array.from({ length: 2 * accesses + 16 }, (_, n) =>
    positionAnswer(cell.answers, n),
  );
  const request = {
    gpr: Array.from({ length: 8 }, (_, i) => regs.gpr(i)),
    rip: regs.rip,
    rflags: regs.rflags,
    cr0: regs.control(0),
    cr3: regs.control(3),
    cr4: regs.control(4),
    ...POWER_ON_FPU,
    segments: [SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS].map((s) => regs.segment(s)),
    gdt: regs.table('gdt'),
    idt: regs.table('idt'),
    interrupt: null,
    writesCount: false,
    ranges,
    streams: ranges.map(() => answers),
    ram: machine.ram.bytes.slice(),
  };
  if (cell.irqAt === undefined) return request;
  // Where the CPU stands when the line gets its edge: the code is straight, so the address says when.
  const loop = new RunLoop(machine);
  loop.deadline = cell.irqAt;
  loop.run();
  const at = regs.segment(SEG_CS).base + regs.rip;
  return { ...request, interrupt: { at, vector: VECTOR } };
}
