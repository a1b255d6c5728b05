// SPDX-License-Identifier: GPL-2.0-only
// The single-instruction tests, file by file: how many there are, how many pass, and why the others do not.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { causesOf } from './causes.ts';
import { readMoo } from './moo.ts';
import type { Sst286 } from './sst286.ts';

export const SST286 = 'sst-80286-real';
const SUFFIX = '.MOO.gz';

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
    .filter((name) => name.endsWith(SUFFIX))
    .map((name) => name.slice(0, -SUFFIX.length))
    .sort();
}

/** The flags that an instruction defines, by the name of its file. @throws Error for one that metadata.json does not have */
function flagsMaskOf(folder: string, file: string): number {
  const text = readFileSync(join(folder, 'metadata.json'), 'utf8');
  const { opcodes } = JSON.parse(text) as { opcodes: Record<string, Opcode> };
  const [code = '', reg] = file.split('.');
  const opcode = reg === undefined ? opcodes[code] : opcodes[code]?.reg?.[reg];
  if (opcode === undefined) throw new Error(`metadata.json does not have ${file}`);
  return opcode['flags-mask'] ?? 0xffff;
}

/** Hashes of the tests that their author has withdrawn: a file beside the tests, or, in the author's repository, above. */
function revoked(folder: string): Set<string> {
  const places = [folder, join(folder, '..')].map((at) => join(at, 'revocation_list.txt'));
  const file = places.find((place) => existsSync(place));
  const lines = file === undefined ? [] : readFileSync(file, 'utf8').split(/\r?\n/);
  return new Set(
    lines.map((line) => line.trim().toLowerCase()).filter((line) => /^[0-9a-f]+$/.test(line)),
  );
}

/** Runs every test of one file. */
export function runSstFile(cpu: Sst286, folder: string, file: string): FileResult {
  const flagsMask = flagsMaskOf(folder, file);
  const withdrawn = revoked(folder);
  const tests = readMoo(gunzipSync(readFileSync(join(folder, file + SUFFIX)))).filter(
    ({ hash }) => !withdrawn.has(hash),
  );
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
