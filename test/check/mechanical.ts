// SPDX-License-Identifier: GPL-2.0-only
// Mutants made by rule: one operator, constant or statement of a device's source changed.
import type { Mutant } from './mutants.ts';

/** What becomes what, wherever it stands in code. */
const OPERATORS: readonly (readonly [RegExp, string])[] = [
  [/ \+ 1\b/g, ' + 2'],
  [/\+\+/g, '--'],
  [/ \+= /g, ' -= '],
  [/ === /g, ' !== '],
  [/ !== /g, ' === '],
  [/ < /g, ' <= '],
  [/ > /g, ' >= '],
  [/ >= /g, ' > '],
  [/ && /g, ' || '],
  [/ \|\| /g, ' && '],
  [/\btrue\b/g, 'false'],
  [/\bfalse\b/g, 'true'],
  [/ & /g, ' | '],
  [/ \| /g, ' & '],
  // `>>> 0` only makes a number unsigned, which the caller does, too.
  [/ >>> (?!0\b)/g, ' << '],
  [/ << /g, ' >>> '],
  [/ = 0x0(\d);/g, ' = 0x1$1;'],
  [/ = 0x([1-9a-f])0;/g, ' = 0x$11;'],
  [/: 0,$/g, ': 1,'],
];

/** A line that is a statement of its own and can go. */
const STATEMENT = /^\s+(?:this|state|super)\.[#\w.]+(?:\(| = | \+= |\+\+|\.).*;$/;

/** Every mutant of one file. Comments, imports and what is announced about the device are left alone. */
export function mechanicalMutants(file: string, source: string): Mutant[] {
  const lines = source.split('\n');
  const found: Mutant[] = [];
  const add = (at: number, to: string): void => {
    const from = lines[at] ?? '';
    const name = `${file}:${at + 1} '${from.trim()}' becomes '${to.trim()}'`;
    const changed = lines.with(at, to).join('\n');
    found.push({ name, file, apply: () => changed });
  };
  lines.forEach((line, at) => {
    if (/^\s*(\/\/|\/\*|\*|import|export const|\}? ?from)/.test(line)) return;
    for (const [pattern, to] of OPERATORS) {
      // A loop that counts the wrong way has no end: that is for a test runner's time limit.
      if (to === '--' && line.includes('for (')) continue;
      for (const match of line.matchAll(pattern)) {
        const changed = match[0].replace(new RegExp(pattern.source), to);
        add(at, line.slice(0, match.index) + changed + line.slice(match.index + match[0].length));
      }
    }
    if (STATEMENT.test(line) && !line.includes('#context = ')) add(at, '');
  });
  return found;
}
