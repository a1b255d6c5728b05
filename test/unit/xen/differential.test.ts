// SPDX-License-Identifier: GPL-2.0-only
// What Xen's own C code does in rare situations the recordings do not reach. Each fact was found by
// running both on scenarios of our own, and fails without the behaviour it states.
import { describe, expect, it } from 'vitest';
import { classifyInsn } from '../../../src/cpu/classify.ts';
import { string_reps } from '../../../src/xen/hvm/emulate_rep.ts';
import { REVISIONS } from '../../../src/xen/hvm/revision.ts';
import { INSN_MEM_ACCESS, type StringOp } from '../../../src/xen/hvm/x86_emulate.ts';
import { ReplayMachine } from '../../conformance/machine.ts';
import { realCpu } from '../../conformance/real-cpu.ts';
import { bytesOf, type JsonObject, type Operation } from '../../conformance/scenario.ts';
import { MMIO, PORT, RIP, Rig } from './rig.ts';

/** One instruction at RIP with the registers it needs. */
function insn(rig: Rig, bytes: string, exit: string, regs: JsonObject = {}): JsonObject {
  rig.do('set_regs', { vcpu: 0, rip: RIP, ...regs });
  return rig.do('insn', { vcpu: 0, bytes, exit, gpa: MMIO, write: 1, gla_valid: 0 });
}

describe('handlers inside the monitor', () => {
  it('moved with a size of 0 are emptied where they are, and not found', () => {
    const rig = new Rig('fixed');
    rig.do('portio_register', { port: 0x60, size: 4, kind: 0 });
    expect(rig.do('portio_relocate', { old: 0x60, new: 0x70, size: 0 }).ret).toBe(0);
    for (const port of [0x60, 0x70]) {
      rig.do('pio', { vcpu: 0, port, size: 1, dir: 'in', len: 1 });
      expect(rig.events('int_pio')).toHaveLength(0);
    }
    rig.do('portio_register', { port: 0x60, size: 4, kind: 0 });
    expect(rig.do('portio_relocate', { old: 0x60, new: 0x70, size: 2 }).ret).toBe(1);
  });

  it('crash the domain when there is one too many, and only then', () => {
    const rig = new Rig('fixed');
    const crashes = Array.from({ length: 34 }, (_, i) => {
      rig.do('portio_register', { port: 0x400 + i, size: 1, kind: 0 });
      return rig.events('crash').length;
    });
    // The one for port 0xcf8 is there from the start.
    expect(crashes.indexOf(1)).toBe(31);
    expect(crashes.reduce((sum, n) => sum + n)).toBe(1);
  });
});

describe('a single OUTS', () => {
  /** How often a request was tried while the slot holds a state that no request may meet. */
  const tried = (bytes: string, regs: JsonObject): number => {
    const rig = new Rig('fixed');
    rig.do('dm', { server: 0, vcpu: 0, state: 15 });
    expect(insn(rig, bytes, 'pio_string', regs).ret).toBe(false);
    return rig.events('send').length;
  };

  it('whose write nobody takes ends there; an INS is tried as a batch and once more', () => {
    expect(tried('6f', { rdx: PORT, rsi: 0x20000 })).toBe(1);
    expect(tried('f36f', { rdx: PORT, rsi: 0x20000, rcx: 1 })).toBe(1);
    expect(tried('6d', { rdx: PORT, rdi: 0x20000 })).toBe(3);
  });

  it('whose memory operand nobody reads has it read once more', () => {
    expect(tried('6f', { rdx: PORT, rsi: MMIO })).toBe(2);
    // Over a page end the second part is not reached.
    expect(tried('6f', { rdx: PORT, rsi: MMIO + 0xffe })).toBe(2);
  });
});

it('an instruction met by a request that Xen no longer waits for is an assertion', () => {
  const rig = new Rig('fixed');
  insn(rig, 'a1000000f0', 'mmio');
  // The shutdown spares the vCPU, which defers; the crash for the weird state then finds a shutdown.
  rig.do('shutdown', { reason: 1 });
  rig.do('dm', { server: 0, vcpu: 0, state: 4, notify: 1 });
  expect(rig.run()).toBe('in_guest');
  expect(rig.state().vcpus['0'].vio.io_req.state).toBe(1);
  insn(rig, 'a1000000f0', 'mmio');
  expect(rig.events('assert')).toEqual([{ e: 'assert', fn: '_hvm_emulate_one' }]);
});

it('the count of an answer taken in by the wrong access stays for its further pieces', () => {
  const rig = new Rig('fixed');
  const write = { vcpu: 0, mmio: 1, addr: MMIO, size: 8, dir: 'w', hex: '00'.repeat(8) };
  rig.do('fn_do_io_buffer', { ...write, reps: 8 });
  rig.do('dm_answer', { server: 0, vcpu: 0 });
  rig.run();
  rig.do('fn_linear_mmio', { vcpu: 0, addr: MMIO, size: 12, dir: 'w', hex: '00'.repeat(12) });
  expect(rig.events('crash')).toHaveLength(1);
  expect(rig.events('send')[0]).toMatchObject({ size: 4, count: 8 });
});

it('a memory range below its own start is an assertion for each server asked', () => {
  const rig = new Rig('fixed');
  rig.machine.recorder.events = [];
  const batch = { type: 1, addr: 0, size: 4, count: 3, df: 1 };
  // The last range is found for the first address, and holds the last address as well.
  expect(rig.do('select', batch).ret).toBe(0);
  expect(rig.events('assert')).toEqual([{ e: 'assert', fn: 'rangeset_contains_range' }]);
});

it('a cached part that is longer than the piece asked for is an assertion', () => {
  const rig = new Rig('fixed');
  const access = { vcpu: 0, addr: MMIO + 0xff9, dir: 'r', hex: '00'.repeat(64) };
  rig.do('mmio_register', { start: MMIO, size: 0x3000, kind: 3, n: 1, val: 7 });
  rig.do('fn_linear_mmio', { ...access, size: 2 });
  rig.do('fn_linear_mmio', { ...access, size: 32 });
  expect(rig.events('assert')).toEqual([
    { e: 'assert', fn: 'hvmemul_phys_mmio_access' },
    { e: 'assert', fn: 'hvmemul_phys_mmio_access' },
  ]);
});

it('REP STOS from index 0 is one batch; the others take one element first', () => {
  const op: StringOp = {
    op: 'stos',
    size: 2,
    rep: true,
    count: 8,
    df: false,
    port: 0,
    addrSize: 2,
    srcBase: 0,
    srcIndex: 0x100,
    dstBase: 0xa0000,
    dstIndex: 0,
    length: 2,
  };
  expect(string_reps(op)).toBe(8);
  expect(string_reps({ ...op, op: 'ins' })).toBe(1);
  expect(string_reps({ ...op, op: 'movs' })).toBe(1);
});

it.each([
  ['cc', 'INT3', false],
  ['cd10', 'INT', false],
  ['cf', 'IRET', false],
  ['cb', 'RETF', true],
  ['8fc0', 'POP EAX by its long form', true],
  ['ffd0', 'CALL EAX', true],
  ['fff0', 'PUSH EAX by its long form', true],
  ['ffe0', 'JMP EAX', false],
  ['ffc0', 'INC EAX', false],
  ['0ff7c1', 'MASKMOVQ', true],
  ['8d00', 'LEA', false],
])('%s (%s): memory access %s', (bytes, _name, expected) => {
  const code = bytesOf(bytes);
  const found = classifyInsn((offset) => code[offset] ?? -1);
  expect((found & INSN_MEM_ACCESS) !== 0).toBe(expected);
});

describe('on the real CPU', () => {
  /** Programs of one instruction without any server: accesses go nowhere. */
  const alone = (setup: [string, JsonObject][], bytes: string, regs: JsonObject) => {
    using machine = new ReplayMachine({ op: 'config' } as Operation, REVISIONS.fixed, realCpu);
    const run = (op: string, args: JsonObject) => machine.execute({ op, ...args } as Operation);
    for (const [op, args] of setup) run(op, args);
    run('run', { vcpu: 0 });
    run('set_regs', { vcpu: 0, rip: RIP, ...regs });
    const result = run('insn', { vcpu: 0, bytes, exit: 'mmio', gpa: MMIO, write: 1, gla_valid: 1 });
    return { result, events: machine.recorder.events };
  };

  it('the last repetition moves RIP, also when the memory map has just changed', () => {
    const changed: [string, JsonObject][] = [['set_p2m', { gfn: 0x20, n: 1, type: 15 }]];
    for (const setup of [[], changed]) {
      const { result } = alone(setup, 'f3ab', { rdi: MMIO, rcx: 1 });
      expect(result).toMatchObject({ ret: true, rip_advanced: true });
    }
  });

  it('CMPXCHG that finds another value writes nothing, over a page end either', () => {
    const device: [string, JsonObject][] = [
      ['mmio_register', { start: MMIO, size: 0x3000, kind: 0, val: '0x0123456789abcdef' }],
    ];
    for (const address of ['000000f0', 'fd0f00f0', 'fe0f00f0', 'ff0f00f0']) {
      const { events } = alone(device, `0fb10d${address}`, { rax: 5 });
      const accesses = events.filter(({ e }) => e === 'int_mmio');
      expect(accesses.length).toBeGreaterThan(0);
      expect(accesses.filter(({ dir }) => dir === 0)).toEqual([]);
    }
  });
});
