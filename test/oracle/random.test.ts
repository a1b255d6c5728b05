// SPDX-License-Identifier: GPL-2.0-only
// Random instructions beside the host's processor: registers, flags, memory, faults.
import { expect, it } from 'vitest';
import { Random } from '../../src/util/random.ts';
import { NoOracle } from './helper.ts';
import { randomInsn } from './random-insns.ts';
import { type Compared, compareRandom } from './random-run.ts';

it.each([
  [16, 'flat segments', 100],
  [32, 'flat segments', 100],
  [16, 'limits and rights of protected mode', 1000],
  [32, 'limits and rights of protected mode', 1000],
] as const)(
  '%i-bit code, %s',
  (bits, segments, leastFaults) => {
    let result: Compared;
    try {
      result = compareRandom(bits, 4000, 20_261_130, segments !== 'flat segments');
    } catch (reason) {
      if (!(reason instanceof NoOracle)) throw reason;
      const why = `${reason.message}: random instructions were not compared`;
      process.stderr.write(`SKIPPED: oracle: ${why}\n`);
      return;
    }
    const { compared, faults, differences } = result;
    process.stderr.write(`oracle: ${compared} random ${bits}-bit instructions, ${faults} faults\n`);
    expect(differences).toEqual([]);
    expect(compared).toBeGreaterThan(3900);
    expect(faults).toBeGreaterThan(leastFaults);
  },
  300_000,
);

it('the same seed gives the same instructions, of many kinds', () => {
  const kinds = new Set<string>();
  const [a, b] = [new Random(5), new Random(5)];
  for (let i = 0; i < 5000; i++) {
    const insn = randomInsn(a, 16);
    expect(randomInsn(b, 16)).toEqual(insn);
    expect(insn.bytes.length).toBeLessThanOrEqual(15);
    kinds.add(insn.name);
  }
  expect(kinds.size).toBeGreaterThan(250);
});
