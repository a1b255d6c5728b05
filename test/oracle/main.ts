// SPDX-License-Identifier: GPL-2.0-only
// Entry of `npm run oracle`. Exit code 0: nothing differs without a known cause; 1: something does; 2: an argument;
// 5: no second CPU here. `--random N [--seed S]`: random instructions in place of the cells and forms.
import process from 'node:process';
import { parseArgs } from 'node:util';
import type { Case } from './case.ts';
import { cellCases } from './cells.ts';
import { formCases } from './forms.ts';
import { NoOracle } from './helper.ts';
import { askKvm, askProcessor, kvmExecutes, type Report } from './judge.ts';
import { compareRandom } from './random-run.ts';
import { equalOf, tableOf, unexplained } from './table.ts';

const out = (line: string): void => void process.stdout.write(`${line}\n`);
const error = (line: string): void => void process.stderr.write(`${line}\n`);

function show(title: string, report: Report): boolean {
  out(title);
  for (const line of tableOf(report)) out(line);
  out('');
  const bad = unexplained(report);
  for (const line of bad) out(`UNEXPLAINED ${line}`);
  return bad.length === 0;
}

const RANDOM = [
  [16, false, '16-bit code'],
  [32, false, '32-bit code'],
  [16, true, '16-bit code, limits and rights at random'],
  [32, true, '32-bit code, limits and rights at random'],
] as const;

/** N random instructions of each kind. */
function randomly(count: number, seed: number): number {
  let good = true;
  for (const [bits, narrow, kind] of RANDOM) {
    const { compared, faults, differences } = compareRandom(bits, count, seed, narrow);
    good &&= differences.length === 0;
    out(
      `${kind}, seed ${seed}: ${compared} random instructions on the processor, ${faults} of them faults; ${differences.length} differ`,
    );
    for (const { name, text, start } of differences) out(`DIFFERS ${name}: ${text}; ${start}`);
  }
  return good ? 0 : 1;
}

/** A whole number from 1, or null. */
function wholeNumber(text: string): number | null {
  const value = Number(text);
  return Number.isSafeInteger(value) && value > 0 ? value : null;
}

function main(args: readonly string[]): number {
  let values: { random?: string; seed: string };
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: { random: { type: 'string' }, seed: { type: 'string', default: '1' } },
    }));
  } catch (reason) {
    error(`oracle: ${(reason as Error).message}`);
    return 2;
  }
  if (values.random === undefined) return cellsAndForms();
  const count = wholeNumber(values.random);
  const seed = wholeNumber(values.seed);
  if (count === null || seed === null) {
    error(
      `oracle: --random '${values.random}' --seed '${values.seed}': expected whole numbers above 0`,
    );
    return 2;
  }
  try {
    return randomly(count, seed);
  } catch (reason) {
    if (!(reason instanceof NoOracle)) throw reason;
    error(`oracle: ${reason.message}: nothing was compared`);
    return 5;
  }
}

function cellsAndForms(): number {
  const sets: [string, readonly Case[]][] = [
    ['cells of the exactness matrix', cellCases()],
    ['forms of the CPU contract', formCases()],
  ];
  const oracles: [string, (cases: readonly Case[]) => Report][] = [
    ['through KVM', askKvm],
    ['on the processor, with RAM for devices', askProcessor],
  ];
  const equal = new Set<Case>();
  let asked = 0;
  let good = true;
  for (const [how, askAll] of oracles) {
    try {
      if (askAll === askKvm) {
        const [first] = sets[0]?.[1] ?? [];
        if (first !== undefined) out(`code in KVM is executed by: ${kvmExecutes(first)}\n`);
      }
      for (const [what, cases] of sets) {
        const report = askAll(cases);
        good = show(`${what}, ${how}`, report) && good;
        for (const c of equalOf(report)) equal.add(c);
      }
      asked++;
    } catch (reason) {
      if (!(reason instanceof NoOracle)) throw reason;
      error(`oracle: ${reason.message}: nothing was compared ${how}`);
    }
  }
  if (asked === 0) return 5;
  for (const [what, cases] of sets) {
    const rest = cases.filter((c) => !equal.has(c));
    out(`${what}: ${rest.length} of ${cases.length} equal on neither`);
    for (const { family, name } of rest) out(`  ${family}: ${name}`);
  }
  return good ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
