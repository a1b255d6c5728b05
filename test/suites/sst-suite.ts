// SPDX-License-Identifier: GPL-2.0-only
// The single-instruction tests, file by file: how many there are, how many pass, and why the others do not.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { causesOf } from './causes.ts';
import { readMoo } from './moo.ts';
import type { SstCpu } from './sst-cpu.ts';

export const SST286 = 'sst-80286-real';
export const SST386 = 'sst-80386-real';
const SUFFIX = /\.MOO(?:\.gz)?$/;
/** Of a 386: a row for each opcode, and in a column the flags it leaves undefined. */
const CSV = '80386.csv';

export interface FileResult {
  file: string;
  tests: number;
  passed: number;
  /** Tests with an exception or a software interrupt. */
  exceptions: number;
  /** Accesses to ports that were compared with the bus of the real processor. */
  portAccesses: number;
  /** Tests that differ, by cause; `lock + segment-limit` are two at once. */
  causes: Record<string, number>;
  /** The first test that has no known cause, and what differs. */
  unexplained: string | null;
}

interface Opcode {
  'flags-mask'?: number;
  reg?: Record<string, Opcode>;
}

/** Names of the files, `6C` or `F6.6`, in order. */
export function sstFiles(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => SUFFIX.test(name))
    .map((name) => name.replace(SUFFIX, ''))
    .sort();
}

function readFile(folder: string, file: string): Buffer {
  const plain = join(folder, `${file}.MOO`);
  return existsSync(plain) ? readFileSync(plain) : gunzipSync(readFileSync(`${plain}.gz`));
}

/** A file of the suite's author beside the tests or, as in the author's repository, above; null if it is not there. */
function besideTests(folder: string, name: string): string | null {
  const places = [folder, join(folder, '..')].map((at) => join(at, name));
  const file = places.find((place) => existsSync(place));
  return file === undefined ? null : readFileSync(file, 'utf8');
}

/** The flags that an instruction defines, by the name of its file. @throws Error for one that metadata.json does not have */
function flagsMaskOf(folder: string, file: string): number {
  if (!existsSync(join(folder, 'metadata.json'))) return flagsMaskOf386(folder, file);
  const text = readFileSync(join(folder, 'metadata.json'), 'utf8');
  const { opcodes } = JSON.parse(text) as { opcodes: Record<string, Opcode> };
  const [code = '', reg] = file.split('.');
  const opcode = reg === undefined ? opcodes[code] : opcodes[code]?.reg?.[reg];
  if (opcode === undefined) throw new Error(`metadata.json does not have ${file}`);
  return opcode['flags-mask'] ?? 0xffff;
}

/** The same of a 386: `6780.4` is opcode 80 /4 with a prefix. Tests may bring masks of their own. */
export function flagsMaskOf386(folder: string, file: string): number {
  const [head, ...rows] = (besideTests(folder, CSV) ?? '')
    .split(/\r?\n/)
    .map((row) => row.split(','));
  const columns = ['op', 'ex', 'f_umask'].map((name) => head?.indexOf(name) ?? -1);
  if (columns.includes(-1)) return 0xffff;
  const [code = '', reg = ''] = file.split('.');
  const opcode = code.replace(/^(?:67)?(?:66)?(?=..)/, '');
  const row = rows.find((cells) => {
    const [op = '', ex = ''] = columns.map((at) => cells[at]?.trim() ?? '');
    return op.toUpperCase() === opcode.toUpperCase() && (reg === '' || ex === reg);
  });
  const text = row?.[columns[2] as number]?.trim() ?? '';
  if (text === '') return 0xffff;
  const mask = Number.parseInt(text, 16);
  // Said as the flags that are left, or as those that are undefined, of which there are few.
  return mask >= 0x8000 ? mask : ~mask & 0xffff;
}

/** Hashes of the tests that their author has withdrawn: a file beside the tests, or, in the author's repository, above. */
function revoked(folder: string): Set<string> {
  const lines = (besideTests(folder, 'revocation_list.txt') ?? '').split(/\r?\n/);
  return new Set(
    lines.map((line) => line.trim().toLowerCase()).filter((line) => /^[0-9a-f]+$/.test(line)),
  );
}

/** Runs every test of one file. */
export function runSstFile(cpu: SstCpu, folder: string, file: string): FileResult {
  const flagsMask = flagsMaskOf(folder, file);
  const withdrawn = revoked(folder);
  const tests = readMoo(readFile(folder, file)).filter(({ hash }) => !withdrawn.has(hash));
  const result: FileResult = {
    file,
    tests: tests.length,
    passed: 0,
    exceptions: tests.filter(({ exception }) => exception !== null).length,
    portAccesses: 0,
    causes: {},
    unexplained: null,
  };
  for (const test of tests) {
    const outcome = cpu.run(test, flagsMask);
    if (outcome.differences.length === 0) {
      result.passed++;
      result.portAccesses += outcome.io.length;
      continue;
    }
    const causes = causesOf(cpu, test, outcome, flagsMask);
    const cause = causes.join(' + ');
    result.causes[cause] = (result.causes[cause] ?? 0) + 1;
    if (causes.includes('unexplained')) {
      result.unexplained ??= `${test.index} (${test.name}): ${outcome.differences.join('; ')}`;
    }
  }
  return result;
}
