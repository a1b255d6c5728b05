// SPDX-License-Identifier: GPL-2.0-only
// Compares the run page as native/run_page.h has it with its mirrors in src/cpu/: every name, every number, both ways.
//   node scripts/check-abi.mjs [package folder]
// Prints each difference; exit code 1 if there is one.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url));
const text = (path) => readFileSync(join(root, path), 'utf8');
const bare = (source) => source.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/\/\/[^\n]*/g, '');

/** Enumerators and constants of a C++ header: `NAME = 1`, `NAME` one more than the last, `constexpr ... NAME = 1;`. */
function ofHeader(source) {
  const found = new Map();
  for (const [, body] of source.matchAll(/enum\s+\w+\s*:\s*\w+\s*\{([^}]*)\}/g)) {
    let next = 0;
    for (const item of body.split(',')) {
      const match = /^\s*(\w+)(?:\s*=\s*(\w+))?\s*$/.exec(item);
      if (match === null) {
        if (item.trim() !== '') throw new Error(`not understood: ${item.trim()}`);
        continue;
      }
      const value = match[2] === undefined ? next : Number(match[2]);
      found.set(match[1], value);
      next = value + 1;
    }
  }
  for (const [, name, value] of source.matchAll(/constexpr\s+\w+\s+(\w+)\s*=\s*(\w+);/g)) {
    found.set(name, Number(value));
  }
  return found;
}

/** `export const NAME = 1;` */
function ofModule(source) {
  const found = new Map();
  for (const [, name, value] of source.matchAll(/export const (\w+) = (-?\w+);/g)) {
    found.set(name, Number(value));
  }
  return found;
}

/** The strings of `const NAME... = [...]`. */
function listOf(source, name) {
  const match = new RegExp(`\\b${name}\\b[^=]*=\\s*\\[([\\s\\S]*?)\\]`).exec(source);
  if (match === null) throw new Error(`no list ${name}`);
  return [...match[1].matchAll(/'((?:[^'\\]|\\.)*)'|\bnull\b/g)].map(([, item]) => item ?? null);
}

const problems = [];
const header = ofHeader(bare(text('native/run_page.h')));
for (const [name, value] of ofHeader(bare(text('native/posted_page.h')))) header.set(name, value);
const page = ofModule(bare(text('src/cpu/run-page.ts')));
const posted = ofModule(bare(text('src/cpu/posted-page.ts')));
const backend = bare(text('src/cpu/backend.ts'));
const exits = ofModule(backend);

function compare(prefix, mirror, file) {
  const names = new Set([...header.keys(), ...mirror.keys()].filter((n) => n.startsWith(prefix)));
  if (names.size === 0) problems.push(`nothing begins with ${prefix}`);
  for (const name of names) {
    const [here, there] = [header.get(name), mirror.get(name)];
    if (here === there) continue;
    problems.push(`${name}: ${here ?? 'absent'} in the header, ${there ?? 'absent'} in ${file}`);
  }
  return names.size;
}

/** Numbers of one kind against a list of names: as many of these as of those, without a gap. */
function count(prefix, list, what) {
  const numbers = [...header].filter(([n]) => n.startsWith(prefix)).map(([, value]) => value);
  numbers.sort((a, b) => a - b);
  if (numbers.some((value, index) => value !== index) || numbers.length !== list.length) {
    problems.push(`${what}: ${list.length} names for ${prefix} ${numbers.join(' ')}`);
  }
}

let compared = 0;
for (const prefix of ['RUN_PAGE_', 'PAGE_', 'STRING_', 'ACTION_', 'WHAT_']) {
  compared += compare(prefix, page, 'run-page.ts');
}
compared += compare('POSTED_', posted, 'posted-page.ts');
compared += compare('EXIT_', exits, 'backend.ts');
count('EXIT_', listOf(backend, 'EXIT_NAMES'), 'EXIT_NAMES');
count('UNSUPPORTED_', listOf(bare(text('src/cpu/run-page.ts')), 'UNSUPPORTED'), 'UNSUPPORTED');
const strings = listOf(bare(text('src/cpu/string-words.ts')), 'STRING_NAMES');
count('KIND_', strings, 'STRING_NAMES');
for (const [index, name] of strings.entries()) {
  const wanted = name === null ? 'KIND_NONE' : `KIND_${name.toUpperCase()}`;
  if (header.get(wanted) !== index)
    problems.push(`STRING_NAMES[${index}] is ${name}, not ${wanted}`);
}

for (const problem of problems) console.log(problem);
if (problems.length === 0)
  console.log(`the run page is the same on both sides: ${compared} numbers`);
process.exitCode = problems.length === 0 ? 0 : 1;
