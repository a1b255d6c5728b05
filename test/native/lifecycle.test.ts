// SPDX-License-Identifier: GPL-2.0-only
// A CPU's life: disposed at every stage, used afterwards, collected, restored from what is no state; many in many threads.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  EXIT_BOUNDARY,
  EXIT_BUDGET,
  EXIT_HLT,
  EXIT_KICK,
  EXIT_MMIO,
  EXIT_PIO,
  EXIT_PIO_STRING,
  EXIT_SHUTDOWN,
  EXIT_UNSUPPORTED,
  RCX,
} from '../../src/cpu/backend.ts';
import { UnicornCpu } from '../../src/cpu/unicorn.ts';
import { GuestRam } from '../../src/mem/guest-ram.ts';
import { HvmError } from '../../src/util/errors.ts';
import { asm16 } from '../helpers/guest-code.ts';
import { Machine, MIB } from './machine.ts';

let m: Machine;
beforeEach(() => {
  m = new Machine();
});
afterEach(() => m[Symbol.dispose]());

const RMW = asm16('b800d08ed8ff060000f4', 'mov ax,0xd000; mov ds,ax; inc word [0]; hlt');
const STAGES: Record<string, () => void> = {
  fresh: () => undefined,
  'with registers written': () => m.cpu.regs.setGpr(RCX, 5),
  'at a port access': () => {
    m.real(asm16('e460f4', 'in al,0x60; hlt'));
    m.runTo(EXIT_PIO);
  },
  'at a port access that is answered': () => {
    m.real(asm16('e460f4', 'in al,0x60; hlt'));
    m.port();
  },
  'in the middle of REP INS': () => {
    m.real(asm16('b90500f36cf4', 'mov cx,5; rep insb; hlt'));
    m.runTo(EXIT_PIO_STRING);
    m.cpu.answer(1, 0);
    m.runTo(EXIT_PIO_STRING);
  },
  'at the write of a read-modify-write, in a step': () => {
    m.real(RMW);
    m.runTo(EXIT_MMIO);
    m.runTo(EXIT_MMIO, () => m.cpu.finish(1, 0));
  },
  'behind a step': () => {
    m.real(RMW);
    m.runTo(EXIT_BOUNDARY, () => m.cpu.step());
  },
  'rolled back': () => {
    m.real(RMW);
    m.runTo(EXIT_MMIO);
    m.cpu.rollback();
  },
  'at a deadline': () => {
    m.real(asm16('ebfe', 'l: jmp l'));
    m.cpu.deadline = 1000;
    m.runTo(EXIT_BUDGET);
  },
  kicked: () => {
    m.real(asm16('ebfe', 'l: jmp l'));
    m.cpu.kick();
    m.runTo(EXIT_KICK);
  },
  'with a kick on its way': () => m.cpu.kick(),
  halted: () => {
    m.real(asm16('f4', 'hlt'));
    m.runTo(EXIT_HLT);
  },
  'after a triple fault': () => {
    m.real(asm16('0f0b', 'ud2'));
    m.cpu.regs.setTable('idt', 0, 0);
    m.cpu.regs.setControl(0, 0x60000011);
    m.runTo(EXIT_SHUTDOWN);
  },
  'at something that is not supported': () => m.runTo(EXIT_UNSUPPORTED),
};

describe('dispose', () => {
  for (const [stage, reach] of Object.entries(STAGES)) {
    test(`${stage}; twice; and afterwards everything says so`, () => {
      reach();
      const state = m.cpu.save.bind(m.cpu);
      m.cpu[Symbol.dispose]();
      m.cpu[Symbol.dispose]();
      const { cpu } = m;
      const uses: Record<string, () => unknown> = {
        run: () => cpu.run(),
        step: () => cpu.step(),
        finish: () => cpu.finish(0, 0),
        rollback: () => cpu.rollback(),
        save: state,
        restore: () => cpu.restore(new Uint8Array(10)),
        reset: () => cpu.reset(),
        translate: () => cpu.translate(0),
        stringOp: () => cpu.stringOp(),
        a20: () => {
          cpu.a20 = false;
        },
      };
      for (const [what, use] of Object.entries(uses)) {
        expect(use, what).toThrow(expect.objectContaining({ code: 'HVM_DISPOSED' }));
      }
      // RAM is the owner's, and the dead CPU does not mind its changes.
      m.ram.write(0x1000, 4, 1);
      cpu.kick();
    });
  }
});

describe('restore', () => {
  /** Whatever is refused leaves the CPU as it was. */
  function refused(bytes: Uint8Array): void {
    const registers = m.cpu.regs.snapshot();
    const before = m.cpu.save();
    expect(() => m.cpu.restore(bytes)).toThrow(HvmError);
    expect(() => m.cpu.restore(bytes)).toThrow(expect.objectContaining({ code: 'HVM_CPU' }));
    expect(m.cpu.regs.snapshot()).toEqual(registers);
    expect(Buffer.compare(m.cpu.save(), before)).toBe(0);
  }

  test('refuses what is no state, and changes nothing', () => {
    m.real(asm16('41e46041f4', 'inc cx; in al,0x60; inc cx; hlt'));
    m.runTo(EXIT_PIO);
    const state = m.cpu.save();
    refused(new Uint8Array(0));
    refused(Uint8Array.of(1));
    refused(state.subarray(0, state.length - 1));
    refused(Uint8Array.from([...state, 0]));
    refused(new Uint8Array(state.length));
    refused(new Uint8Array(state.length).fill(0xff));
    refused(Uint8Array.from({ length: state.length }, (_, i) => (i * 151 + 7) & 0xff));
    m.port();
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.gpr(RCX)).toBe(2);
  });

  test('refuses a state with a single damaged bit, wherever it is', () => {
    m.real(asm16('41e460f4', 'inc cx; in al,0x60; hlt'));
    m.runTo(EXIT_PIO);
    const state = m.cpu.save();
    for (let at = 0; at < state.length; at += at < 64 ? 1 : 37) {
      const damaged = state.slice();
      damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8));
      refused(damaged);
    }
  });

  test('refuses what is no Uint8Array', () => {
    for (const value of [null, undefined, 5, 'state', [1], new Float64Array(700), {}]) {
      refused(value as unknown as Uint8Array);
    }
  });

  test('takes a state back that was given away and back, at a pending access of another program', () => {
    m.real(asm16('41e46041f4', 'inc cx; in al,0x60; inc cx; hlt'));
    m.runTo(EXIT_PIO);
    const state = m.cpu.save();
    using other = new Machine();
    other.real(asm16('41e46041f4', 'inc cx; in al,0x60; inc cx; hlt'));
    other.cpu.step();
    other.runTo(EXIT_PIO);
    other.cpu.restore(state);
    expect(Buffer.compare(other.cpu.save(), state)).toBe(0);
    other.port();
    other.runTo(EXIT_HLT);
    expect(other.cpu.regs.gpr(RCX)).toBe(2);
  });

  test('leads out of what is not supported, without a trace of it', () => {
    m.real(asm16('41cd42f4', 'inc cx; int 0x42; hlt'));
    const good = m.cpu.save();
    m.cpu.regs.setSegment(2, {
      selector: 0xca00,
      base: 0xca000,
      limit: 0xffff,
      attributes: 0x9300,
    });
    for (let i = 0; i < 3; i++) {
      m.runTo(EXIT_UNSUPPORTED);
      m.cpu.restore(good);
      expect(Buffer.compare(m.cpu.save(), good)).toBe(0);
      m.cpu.regs.setSegment(2, {
        selector: 0xca00,
        base: 0xca000,
        limit: 0xffff,
        attributes: 0x9300,
      });
    }
    m.runTo(EXIT_UNSUPPORTED);
    m.cpu.restore(good);
    expect(m.toHandler()).toBe(0x42);
    expect(m.cpu.regs.gpr(RCX)).toBe(1);
  });
});

describe('a CPU that cannot be', () => {
  const ram = new GuestRam(MIB);
  const cases: Record<string, [number, number, number, boolean][]> = {
    'without RAM': [],
    'RAM that is no whole pages': [[0, 100, 0, true]],
    'RAM at half a page': [[100, 4096, 0, true]],
    'RAM outside the buffer': [[0, 2 * MIB, 0, true]],
    'an offset outside the buffer': [[0, 4096, MIB, true]],
    'RAM beyond 4 GiB': [[0x100000000 - 4096, 8192, 0, true]],
    'segments that overlap': [
      [0, 8192, 0, true],
      [4096, 8192, 8192, true],
    ],
    'only ROM': [[0, MIB, 0, false]],
    'a negative address': [[-4096, 4096, 0, true]],
    'not a number': [[Number.NaN, 4096, 0, true]],
  };
  for (const [what, segments] of Object.entries(cases)) {
    test(what, () => {
      const make = (): UnicornCpu =>
        new UnicornCpu(
          ram,
          segments.map(([gpa, bytes, offset, writable]) => ({ gpa, bytes, offset, writable })),
        );
      expect(make).toThrow(expect.objectContaining({ code: 'HVM_CPU' }));
    });
  }
});

/** Runs a script of this folder, built files underneath, and gives its JSON. */
function child(script: string, ...options: string[]): Record<string, number> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [...options, path], {
    encoding: 'utf8',
    timeout: 120_000,
  });
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
  return JSON.parse(stdout) as Record<string, number>;
}

describe('in a process of its own', () => {
  test('200 CPUs made, run and disposed in 4 workers: memory does not grow', () => {
    const { cycles, grown } = child('children/cycles.mjs', '--expose-gc');
    expect(cycles).toBe(200);
    expect(grown).toBeLessThan(20 * MIB);
  }, 120_000);

  test('CPUs that nobody disposed are collected', () => {
    const { made, alive } = child('children/garbage.mjs', '--expose-gc');
    expect(made).toBe(60);
    expect(alive).toBe(0);
  }, 120_000);
});
