// SPDX-License-Identifier: GPL-2.0-only
// checkDevice() against faulty devices: thirty by hand, thirty drawn from all that can be made by rule.
import { describe, expect, test } from 'vitest';
import { type CheckReport, checkDevice } from '../../src/check/index.ts';
import { Random } from '../../src/util/random.ts';
import { EQUIVALENT } from './equivalent.ts';
import { mechanicalMutants } from './mechanical.ts';
import { BY_HAND, type Mutant, sourceOf, Workshop } from './mutants.ts';
import { RULES } from './rules.ts';

const SEED = 1;
const DRAWN = 30;
const RUNS = 25;

const all = Object.keys(RULES).flatMap((name) =>
  mechanicalMutants(`${name}.ts`, sourceOf(`${name}.ts`)),
);

/** Some of the mutants made by rule, none of them equivalent. */
function drawn(): Mutant[] {
  const random = new Random(SEED);
  const left = all.filter((mutant) => !isEquivalent(mutant));
  return Array.from(
    { length: DRAWN },
    () => left.splice(random.below(left.length), 1)[0] as Mutant,
  );
}

function isEquivalent({ name }: Mutant): boolean {
  return EQUIVALENT.some(({ mutant }) => name.includes(mutant));
}

async function reports(mutants: readonly Mutant[]): Promise<Map<string, CheckReport>> {
  using shop = new Workshop();
  const found = new Map<string, CheckReport>();
  for (const mutant of mutants) {
    const rules = RULES[mutant.file.replace('.ts', '')] ?? {};
    found.set(mutant.name, checkDevice(await shop.make(mutant), { rules, runs: RUNS }));
  }
  return found;
}

describe('sixty mutants of the devices', () => {
  test('at least 95 % are caught', { timeout: 300_000 }, async () => {
    const mutants = [...BY_HAND, ...drawn()];
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(60);
    const found = await reports(mutants);
    const missed = [...found].filter(([, { ok }]) => ok).map(([name]) => name);
    expect((found.size - missed.length) / found.size, missed.join()).toBeGreaterThanOrEqual(0.95);
    // Known, so that one more or one less is seen.
    expect(missed).toEqual([]);
  });

  test('faults by hand need no rules about the device', { timeout: 300_000 }, async () => {
    using shop = new Workshop();
    const missed: string[] = [];
    for (const mutant of BY_HAND) {
      const factory = await shop.make(mutant);
      const rules = { readEffects: 'all' } as const;
      const { failures } = checkDevice(factory, { rules, runs: RUNS });
      // That an effect is declared and not there says nothing about the fault.
      if (!failures.some(({ property }) => property !== 'read-effects')) missed.push(mutant.name);
    }
    expect(missed).toEqual([]);
  });

  test('every equivalent one is named with its reason, and there', () => {
    for (const { mutant } of EQUIVALENT) {
      expect(
        all.filter(({ name }) => name.includes(mutant)).map(({ name }) => name),
        mutant,
      ).not.toEqual([]);
    }
  });
});
