// SPDX-License-Identifier: GPL-2.0-only
// REP MOVS and REP STOS: as many elements at once as nobody can tell. The same instruction in one run, in a few runs of
// any length, and stopped behind each element must leave the same behind.
import { expect, test } from 'vitest';
import {
  EXIT_BUDGET,
  EXIT_HLT,
  EXIT_MMIO,
  RAX,
  RCX,
  RDI,
  RSI,
  SEG_CS,
  SEG_DS,
  SEG_ES,
  SEG_SS,
} from '../../src/cpu/backend.ts';
import type { RamSegment } from '../../src/cpu/unicorn.ts';
import { Random } from '../../src/util/random.ts';
import { CODE, DEVICE, DEVICE_END, Machine, MIB, TF } from './machine.ts';

const ROM = 0x90000;
const ROM_END = 0x91000;
const SEGMENTS: readonly RamSegment[] = [
  { gpa: 0, bytes: ROM, offset: 0, writable: true },
  { gpa: ROM, bytes: ROM_END - ROM, offset: ROM, writable: false },
  { gpa: ROM_END, bytes: DEVICE - ROM_END, offset: ROM_END, writable: true },
  { gpa: DEVICE_END, bytes: MIB - DEVICE_END, offset: DEVICE_END, writable: true },
];

interface Scenario {
  readonly wide: boolean;
  readonly code: number[];
  readonly bases: { readonly es: number; readonly ds: number; readonly ss: number };
  readonly limit: number;
  readonly down: boolean;
  readonly a20: boolean;
  readonly regs: {
    readonly ax: number;
    readonly cx: number;
    readonly si: number;
    readonly di: number;
  };
}

/** Elements of all kinds, where something may end: page, segment, RAM, ROM, the instruction's own code. */
function scenario(random: Random): Scenario {
  const wide = random.below(3) === 0;
  const address32 = wide !== (random.below(4) === 0);
  const op = random.pick([0xa4, 0xa5, 0xaa, 0xab]);
  const code = [
    ...(wide === address32 ? [] : [0x67]),
    ...(random.below(3) === 0 ? [0x66] : []),
    ...(random.below(4) === 0 ? [random.pick([0x26, 0x2e, 0x36, 0x3e])] : []),
    random.pick([0xf3, 0xf3, 0xf2]),
    op,
    0xf4, // hlt
  ];
  const places = [0x20000, 0x2fff0, 0x30ffe, ROM - 64, ROM_END - 64, DEVICE - 24, DEVICE_END - 24];
  const near = random.pick([...places, CODE + 0x40, 0xffff0]);
  const linear = (): number => Math.max(0, near + random.below(random.pick([8, 200, 9000])) - 40);
  const [source, destination] = [linear(), random.below(3) === 0 ? random.pick(places) : linear()];
  // In real mode a linear address is a base and at most 16 bits of offset; often near the end of its segment.
  const baseFor = (at: number): number => {
    if (wide) return random.below(3) === 0 ? random.below(at + 1) : 0;
    const offset = random.below(3) === 0 ? 0xffff - random.below(300) : random.below(0x10000);
    return Math.max(0, (at - offset) & ~15);
  };
  const [es, ds] = [baseFor(destination), baseFor(source)];
  const offset = (at: number, base: number): number =>
    address32 ? at - base : Math.min(at - base, 0xffff);
  return {
    wide,
    code,
    bases: { es, ds, ss: random.below(2) * 16 },
    limit: wide ? random.pick([0xffffffff, 0xffffffff, 0x2ffff]) : 0xffff,
    down: random.below(3) === 0,
    a20: random.below(8) !== 0,
    regs: {
      ax: random.next(),
      cx: random.below(4) === 0 ? random.below(12) : random.below(1500),
      si: offset(source, ds),
      di: offset(destination, es),
    },
  };
}

function begin(m: Machine, s: Scenario, filling: number): void {
  const { cpu, ram } = m;
  const random = new Random(filling);
  for (let at = 0; at < MIB; at += 4) ram.write(at, 4, random.next());
  const code = Uint8Array.from(s.code);
  if (s.wide) m.flat32(code, { flags: s.down ? 0x402 : 2 });
  else m.real(code, s.down ? 0x402 : 2);
  cpu.a20 = s.a20;
  const bases = [
    [SEG_ES, s.bases.es],
    [SEG_DS, s.bases.ds],
    [SEG_SS, s.bases.ss],
  ] as const;
  for (const [index, base] of bases) {
    const old = cpu.regs.segment(index);
    cpu.regs.setSegment(index, {
      ...old,
      selector: s.wide ? old.selector : base >>> 4,
      base,
      limit: s.limit,
    });
  }
  cpu.regs.setGpr(RAX, s.regs.ax);
  // What is above 16 bits of an index or count must stay.
  cpu.regs.setGpr(RCX, s.regs.cx);
  cpu.regs.setGpr(RSI, s.regs.si);
  cpu.regs.setGpr(RDI, s.regs.di);
  cpu.takeDirty(() => undefined);
}

interface End {
  readonly exit: number;
  readonly icount: number;
  readonly regs: readonly number[];
  readonly accesses: readonly string[];
  readonly dirty: readonly number[];
  readonly ram: Uint8Array;
}

/** Runs to HLT, to a handler's report, or to `most` instructions, stopped where `stride` says. */
function finish(m: Machine, most: number, stride: () => number): End {
  const { cpu } = m;
  const accesses: string[] = [];
  const start = cpu.icount;
  let exit = EXIT_BUDGET as number;
  while (cpu.icount - start < most) {
    cpu.deadline = Math.min(start + most, cpu.icount + stride());
    exit = cpu.run();
    if (exit === EXIT_MMIO) {
      accesses.push(`${cpu.exitDir} ${cpu.exitAddr.toString(16)} ${cpu.exitSize} ${cpu.exitData}`);
      cpu.answer(accesses.length * 0x01010101, 0);
    } else if (exit !== EXIT_BUDGET) break;
  }
  const { regs } = cpu;
  const all = Array.from({ length: 8 }, (_, i) => regs.gpr(i));
  const dirty: number[] = [];
  cpu.takeDirty((page) => dirty.push(page));
  const icount = cpu.icount - start;
  const segments = [SEG_CS, SEG_ES].map((i) => regs.segment(i).base);
  return {
    exit,
    icount,
    regs: [...all, regs.rip, regs.rflags, ...segments],
    accesses,
    dirty,
    ram: Uint8Array.from(m.ram.bytes),
  };
}

const SCENARIOS = 250;

test.each([1, 2, 3, 4])('seed %i: in one run, in a few, and element by element', (seed) => {
  using m = new Machine(MIB, SEGMENTS);
  const random = new Random(seed);
  let whole = 0;
  for (let i = 0; i < SCENARIOS; i++) {
    const s = scenario(random);
    const most = random.below(3) === 0 ? 1 + random.below(1000) : 4000;
    const [single, few, atOnce] = [() => 1, () => 1 + random.below(700), () => 1e6].map(
      (stride) => {
        begin(m, s, seed);
        return finish(m, most, stride);
      },
    );
    const what = `seed ${seed}, number ${i}: ${JSON.stringify(s)}`;
    expect({ ...few, ram: null }, what).toEqual({ ...single, ram: null });
    expect({ ...atOnce, ram: null }, what).toEqual({ ...single, ram: null });
    expect(Buffer.compare(few?.ram ?? Buffer.alloc(0), single?.ram ?? Buffer.alloc(1)), what).toBe(
      0,
    );
    expect(
      Buffer.compare(atOnce?.ram ?? Buffer.alloc(0), single?.ram ?? Buffer.alloc(1)),
      what,
    ).toBe(0);
    if (single?.exit === EXIT_HLT && s.regs.cx > 100) whole++;
  }
  // Not all of them fault or meet a device.
  expect(whole).toBeGreaterThan(SCENARIOS / 8);
});

test('a destination that follows the source closely repeats its beginning', () => {
  using m = new Machine();
  m.real(Uint8Array.of(0xf3, 0xa4, 0xf4));
  m.ram.writeBytes(0x20000, Uint8Array.of(1, 2, 3));
  for (const index of [SEG_ES, SEG_DS]) {
    m.cpu.regs.setSegment(index, { ...m.cpu.regs.segment(index), selector: 0x2000, base: 0x20000 });
  }
  m.cpu.regs.setGpr(RCX, 300);
  m.cpu.regs.setGpr(RSI, 0);
  m.cpu.regs.setGpr(RDI, 3);
  m.runTo(EXIT_HLT);
  const expected = Uint8Array.from({ length: 303 }, (_, i) => (i % 3) + 1);
  expect([...m.ram.bytes.subarray(0x20000, 0x20000 + 303)]).toEqual([...expected]);
});

test('with TF every element is followed by its debug exception', () => {
  using m = new Machine();
  m.real(Uint8Array.of(0xf3, 0xaa, 0xf4), 2 | TF);
  m.cpu.regs.setGpr(RCX, 50);
  m.cpu.regs.setGpr(RDI, 0x4000);
  expect(m.toHandler()).toBe(1);
  expect([m.cpu.regs.gpr(RCX), m.cpu.regs.gpr(RDI)]).toEqual([49, 0x4001]);
});

test('an interrupt held off by STI comes behind the first element', () => {
  using m = new Machine();
  m.real(Uint8Array.of(0xfb, 0xf3, 0xaa, 0xf4));
  m.cpu.regs.setGpr(RCX, 50);
  m.cpu.regs.setGpr(RDI, 0x4000);
  m.cpu.irq = 0x20;
  expect(m.toHandler()).toBe(0x20);
  expect([m.cpu.regs.gpr(RCX), m.cpu.regs.gpr(RDI)]).toEqual([49, 0x4001]);
});
