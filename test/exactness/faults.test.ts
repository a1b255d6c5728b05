// SPDX-License-Identifier: GPL-2.0-only
// The matrix sees what it is there to see: each seeded fault makes some combination fail.
import { describe, expect, test } from 'vitest';
import { RAX, RCX } from '../../src/cpu/backend.ts';
import type { Device } from '../../src/dm/index.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { runMatrix } from '../../src/toolstack/exactness/matrix.ts';
import type { Setup } from '../../src/toolstack/exactness/trial.ts';
import { watch } from './watch.ts';

/** Some cells of every family: enough for each fault to meet one. */
const SOME = { filter: null, full: false, every: 97 };
/** Lines matter where one is high: every stop of one cell. */
const INTERRUPTS = { filter: 'interrupt at instruction 7, 16-bit', full: true };

type Fault = Omit<Setup, 'revision'> & Partial<Setup>;

/** A fault in the CPU that shows only after something happened to it. */
function afterRestore(spoil: (machine: Machine) => void): Fault {
  return {
    machine: ({ cpu }, fresh) => {
      if (fresh) spoilAfter(cpu, () => spoil(machineOf.get(cpu) as Machine));
    },
  };
}
const machineOf = new WeakMap<object, Machine>();
function spoilAfter(cpu: Machine['cpu'], then: () => void): void {
  const restore = cpu.restore.bind(cpu);
  cpu.restore = (state) => {
    restore(state);
    then();
  };
}
function restored(spoil: (machine: Machine) => void): Fault {
  const fault = afterRestore(spoil);
  return {
    machine: (machine, fresh) => {
      machineOf.set(machine.cpu, machine);
      fault.machine?.(machine, fresh);
    },
  };
}

/** A device that does something else while a shutdown is asked for. */
function duringShutdown(change: (inner: Device, read: Device['read']) => Device['read']): Fault {
  return {
    device: (inner, machine) => {
      const read = inner.read.bind(inner);
      const changed = change(inner, read);
      inner.read = (...access) =>
        machine().domain.is_shutting_down ? changed(...access) : read(...access);
      return inner;
    },
  };
}

const FAULTS: Readonly<Record<string, Fault>> = {
  'the race: sent again after a shutdown': { revision: 'before-b7e0d8978810' },
  'the deferral ends before the instruction does': { revision: 'fixed' },
  'a dropped rollback of RAX': restored(({ cpu }) => cpu.regs.setGpr(RAX, cpu.regs.gpr(RAX) ^ 1)),
  'a dropped rollback of flags': restored(({ cpu }) => {
    cpu.regs.rflags ^= 0x800;
  }),
  'CX one too many after an element': restored(({ cpu }) =>
    cpu.regs.setGpr(RCX, cpu.regs.gpr(RCX) + 1),
  ),
  'RIP off by one': restored(({ cpu }) => {
    cpu.regs.rip -= 1;
  }),
  'a callback called twice': duringShutdown((_, read) => (...access) => {
    read(...access);
    return read(...access);
  }),
  'a lost byte lane': duringShutdown(
    (_, read) =>
      (...access) =>
        read(...access) & ~0xff,
  ),
  'an answer given twice': duringShutdown((inner, read) => (...access) => {
    const before = inner.save();
    const value = read(...access);
    inner.restore(before);
    return value;
  }),
  'a page that is written and not captured': {
    machine: ({ cpu }) => {
      const takeDirty = cpu.takeDirty.bind(cpu);
      cpu.takeDirty = (page) =>
        takeDirty((at) => (at === 0x4000 || at === 0x6000 ? null : page(at)));
    },
  },
  'an interrupt line that is not restored': {
    machine: ({ interrupts }) => {
      interrupts.restore = () => {};
    },
  },
  'an interrupt nobody raised': {
    machine: ({ interrupts }) => {
      const restore = interrupts.restore.bind(interrupts);
      interrupts.restore = (state) => restore(state | 1);
    },
  },
  'a device whose position is not restored': {
    device: (inner) => {
      inner.restore = () => {};
      return inner;
    },
  },
  'repetitions that are not counted': {
    machine: ({ cpu }, fresh) => {
      if (fresh) cpu.charge = () => {};
    },
  },
  'a kick that loses a count': {
    machine: ({ cpu }) => {
      const kick = cpu.kick.bind(cpu);
      cpu.kick = () => {
        cpu.charge(1);
        kick();
      };
    },
  },
};

describe('a seeded fault is caught', () => {
  test.each(Object.entries(FAULTS))(
    '%s',
    async (name, fault) => {
      const setup: Setup = { revision: 'exact', ...fault };
      const result = await runMatrix(
        {
          ...(name.includes('interrupt') ? INTERRUPTS : SOME),
          stop: null,
          threadRuns: 0,
          untilFailure: true,
          setup,
        },
        watch,
      );
      expect(result.failuresTotal).toBeGreaterThan(0);
      expect(result.failures[0]?.reproduce).toContain('trapline exactness');
    },
    300_000,
  );
});
