// SPDX-License-Identifier: GPL-2.0-only
// The CPU of the native addon against the contract of all back-ends; and the contract against CPUs that break it.
import { describe, expect, test } from 'vitest';
import type { CpuBackend, ExitReason } from '../../src/cpu/backend.ts';
import { RBP } from '../../src/cpu/backend.ts';
import { PageRegisters } from '../../src/cpu/page-registers.ts';
import { UnicornCpu } from '../../src/cpu/unicorn.ts';
import { Bench } from './cpu/execution.ts';
import type { Form } from './cpu/forms.ts';
import { MMIO_RMW_FORMS } from './cpu/mmio-forms.ts';
import { STRING_PORT_FORMS } from './cpu/port-forms.ts';
import { checkForm, cpuBackend } from './cpu-backend.ts';

function snapshot(cpu: CpuBackend): Uint32Array {
  if (!(cpu.regs instanceof PageRegisters)) throw new Error('not this back-end');
  return cpu.regs.snapshot();
}

cpuBackend('the CPU of the addon', {
  make: (ram, segments) => new UnicornCpu(ram, segments),
  snapshot,
});

/** Each breaks the contract in one way. */
const broken: Record<string, typeof UnicornCpu> = {
  'a rollback that answers': class extends UnicornCpu {
    override rollback(): void {
      this.finish(0, 0);
    }
  },
  'an access that is lost when nobody answers it': class extends UnicornCpu {
    override run(): ExitReason {
      if (this.exitSize !== 0) this.answer(this.exitData, 0);
      return super.run();
    }
  },
  'an exit that changes a register': class extends UnicornCpu {
    override finish(data: number, dataHigh: number): ExitReason {
      const exit = super.finish(data, dataHigh);
      if (exit === 9) this.regs.setGpr(RBP, this.regs.gpr(RBP) ^ 1);
      return exit;
    }
  },
  'an exit that changes a flag': class extends UnicornCpu {
    override rollback(): void {
      super.rollback();
      this.regs.rflags ^= 1;
    }
  },
  'a finish that runs on': class extends UnicornCpu {
    override finish(data: number, dataHigh: number): ExitReason {
      this.answer(data, dataHigh);
      return super.run();
    }
  },
  'a step of two': class extends UnicornCpu {
    override step(): ExitReason {
      super.step();
      return super.step();
    }
  },
  'a count that goes on while nothing happens': class extends UnicornCpu {
    override rollback(): void {
      super.rollback();
      this.charge(1);
      super.step();
    }
  },
  'a saved state without the count': class extends UnicornCpu {
    override save(): Uint8Array {
      const state = super.save();
      state.fill(0, 16, 24);
      return state;
    }
  },
  'a restore that does nothing once the guest has run': class extends UnicornCpu {
    override restore(state: Uint8Array): void {
      if (this.icount === 0 && state.at(16) === 0) super.restore(state);
    }
  },
  'a wrong answer': class extends UnicornCpu {
    override answer(data: number, dataHigh: number): void {
      super.answer(data ^ 1, dataHigh);
    }
  },
};

describe('the contract sees what it is there to see', () => {
  const forms = [
    STRING_PORT_FORMS.find((form) => form.name === 'a16 rep insb'),
    MMIO_RMW_FORMS.find((form) => form.name === 'add [m],r32'),
  ] as Form[];

  function check(Cpu: typeof UnicornCpu): void {
    const bench = new Bench({ make: (ram, segments) => new Cpu(ram, segments), snapshot });
    try {
      for (const form of forms) checkForm(bench, form, 16);
    } finally {
      bench.dispose();
    }
  }

  test('and accepts a CPU that keeps it', () => check(UnicornCpu));
  for (const [what, Cpu] of Object.entries(broken)) {
    test(what, () => {
      expect(() => check(Cpu)).toThrow();
    });
  }
});
