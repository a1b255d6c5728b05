// SPDX-License-Identifier: GPL-2.0-only
// The results of both suites as text: what `npm run suites` prints, docs/cpu-suites.md shows and suites.test.ts pins.
import type { RomResult } from './artlav.ts';
import { CAUSES } from './causes.ts';
import type { FileResult } from './sst-suite.ts';

export const ROM_HEAD = romLine('rom', 'bytes', 'halt');
export const FILE_HEAD = fileLine('file', ['tests', 'passed', 'ports'], 'not passed, by cause');

function romLine(rom: string, bytes: string | number, rest: string): string {
  return `${rom.padEnd(10)}${String(bytes).padStart(7)}  ${rest}`;
}
function fileLine(file: string, counts: readonly (string | number)[], rest: string): string {
  return `${file.padEnd(6)}${counts.map((count) => String(count).padStart(8)).join('')}  ${rest}`.trimEnd();
}

/** One ROM. */
export function romRow({ rom, bytes, halt, differences, known }: RomResult): string {
  const found = differences.length === 0 ? 'equal' : `${differences.length} differences`;
  return romLine(rom, bytes, `${halt}  ${known === null ? found : `${found} but for ${known}`}`);
}

/** One file of single-instruction tests, or all of them. */
export function fileRow({ file, tests, passed, portAccesses, causes }: FileResult): string {
  const text = Object.entries(causes)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([cause, count]) => `${cause} ${count}`);
  return fileLine(file, [tests, passed, portAccesses], text.join(', '));
}

/** What all files have together. */
export function sumOf(files: readonly FileResult[]): FileResult {
  const sum: FileResult = {
    file: 'all',
    tests: 0,
    passed: 0,
    exceptions: 0,
    portAccesses: 0,
    causes: {},
    unexplained: null,
  };
  for (const file of files) {
    sum.tests += file.tests;
    sum.passed += file.passed;
    sum.exceptions += file.exceptions;
    sum.portAccesses += file.portAccesses;
    for (const [cause, count] of Object.entries(file.causes))
      sum.causes[cause] = (sum.causes[cause] ?? 0) + count;
  }
  return sum;
}

/** A line for each cause that occurs. */
export function causeLines({ causes }: FileResult): string[] {
  const named = new Set(Object.keys(causes).flatMap((cause) => cause.split(' + ')));
  return Object.entries(CAUSES)
    .filter(([cause]) => named.has(cause))
    .map(([cause, text]) => `${cause}: ${text}`);
}
