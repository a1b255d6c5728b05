// SPDX-License-Identifier: GPL-2.0-only
// What every CPU back-end must do with a device access, whatever it is made of: called once per back-end.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type BackendUnderTest,
  Bench,
  type Boundary,
  type Outcome,
  type Plan,
  same,
} from './cpu/execution.ts';
import type { Form } from './cpu/forms.ts';
import { MMIO_MOVE_FORMS, MMIO_ODD_FORMS, MMIO_RMW_FORMS } from './cpu/mmio-forms.ts';
import {
  insResult,
  ODD_STRING_FORMS,
  PLAIN_PORT_FORMS,
  STRING_PORT_FORMS,
} from './cpu/port-forms.ts';

export type { BackendUnderTest } from './cpu/execution.ts';

const FAMILIES: Record<string, readonly Form[]> = {
  'IN and OUT': PLAIN_PORT_FORMS,
  'INS and OUTS': STRING_PORT_FORMS,
  'INS and OUTS at their edges': ODD_STRING_FORMS,
  'MMIO loads, stores and strings': MMIO_MOVE_FORMS,
  'MMIO read-modify-write': MMIO_RMW_FORMS,
  'MMIO stack, jumps, x87, crossing ends': MMIO_ODD_FORMS,
};

/** The suite over one back-end. */
export function cpuBackend(name: string, backend: BackendUnderTest): void {
  describe(name, () => {
    let bench: Bench;
    beforeAll(() => {
      bench = new Bench(backend);
    });
    afterAll(() => bench.dispose());
    for (const [family, forms] of Object.entries(FAMILIES)) {
      describe(family, () => {
        for (const form of forms) {
          for (const bits of form.modes ?? ([16, 32] as const)) {
            test(`${form.name} (${bits}-bit code)`, () => checkForm(bench, form, bits));
          }
        }
      });
    }
  });
}

/** Every way of carrying a form out must see the same accesses and leave the same machine behind. */
export function checkForm(bench: Bench, form: Form, bits: 16 | 32): void {
  const { at, end } = bench.reference(form, bits);
  expect(end.accesses.join(' ')).toBe(form.sees);
  if (form.eax !== undefined) expect(end.eax.toString(16)).toBe(form.eax.toString(16));
  expect(insResult(form, end.ram)).toBeNull();
  const check = (what: string, plan: Plan, look: boolean, stepped = false): void => {
    try {
      equal(bench.run(form, bits, plan, { at, look, stepped }), end);
    } catch (error) {
      (error as Error).message = `${what}: ${(error as Error).message}`;
      throw error;
    }
  };
  check('answered', () => 'answer', false);
  check('answered and looked at', () => 'answer', true);
  check('registers read, then answered', () => 'peek', false);
  check('finished', () => 'finish', false);
  check('finished and looked at', () => 'finish', true);
  check('stepped', () => 'finish', true, true);
  check('everything rolled back once', (_, sight) => (sight === 0 ? 'rollback' : 'answer'), true);
  for (let k = 0; k < end.accesses.length; k++) {
    for (const deed of ['rollback', 'retry', 'write', 'replace'] as const) {
      for (const parity of [0, 1]) {
        const plan: Plan = (n, sight) =>
          n === k && sight === 0 ? deed : (n + sight + parity) % 2 === 0 ? 'answer' : 'finish';
        check(`${deed} at access ${k}, then mixed ${parity}`, plan, parity === 0);
      }
    }
    check(
      `rolled back at access ${k}, else answered`,
      (n, sight) => (n === k && sight < 3 ? 'rollback' : 'answer'),
      false,
    );
  }
}

function equal(found: Outcome, wanted: Outcome): void {
  expect(found.accesses).toEqual(wanted.accesses);
  expect(found.icount).toBe(wanted.icount);
  same(found.registers, wanted.registers, 'registers at the end');
  same(found.ram, wanted.ram, 'RAM at the end');
  same(found.state, wanted.state, 'saved state at the end');
}

export type { Boundary };
