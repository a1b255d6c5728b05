// SPDX-License-Identifier: GPL-2.0-only
// What left a guest around a crash: held until committed, nothing leaves twice; at once, nothing is missing. Needs dist/.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadImageBytes } from '../../src/toolstack/image/read.ts';
import { Random } from '../../src/util/random.ts';
import { inode, runAndKill } from './kill.ts';

/** Writes 65,536 numbers to the debug console, a line of four letters A to P each. */
const PROGRAM = [
  ...[0x31, 0xdb], // xor bx, bx
  ...[0xb9, 0x04, 0x00], // line: mov cx, 4
  ...[0x89, 0xda], // mov dx, bx
  ...[0xc1, 0xc2, 0x04], // digit: rol dx, 4
  ...[0x88, 0xd0], // mov al, dl
  ...[0x24, 0x0f], // and al, 15
  ...[0x04, 0x41], // add al, 'A'
  ...[0xe6, 0xe9], // out 0xe9, al
  ...[0x49], // dec cx
  ...[0x75, 0xf2], // jnz digit
  ...[0xb0, 0x0a], // mov al, 10
  ...[0xe6, 0xe9], // out 0xe9, al
  ...[0x43], // inc bx
  ...[0x75, 0xe6], // jnz line
  ...[0xb0, 0x00, 0xe6, 0xf4, 0xf4], // mov al, 0; out 0xf4, al; hlt
];

/** The whole lines of a text as numbers. */
function numbers(text: string): number[] {
  return text
    .split('\n')
    .filter((line) => /^[A-P]{4}$/.test(line))
    .map((line) => [...line].reduce((n, c) => n * 16 + c.charCodeAt(0) - 65, 0));
}

/**
 * What some processes wrote, each killed, and how many bytes the image said the device had taken by then.
 * @param more - where the device is
 */
async function killedOften(
  release: string,
  rounds = 8,
  more: readonly string[] = [],
): Promise<{ heard: number[]; taken: number }[]> {
  const folder = mkdtempSync(join(tmpdir(), 'trapline-output-'));
  const [guest, image] = [join(folder, 'lines.bin'), join(folder, 'image')];
  writeFileSync(guest, Uint8Array.from(PROGRAM));
  const random = new Random(6);
  const under = ['--image', image, '--checkpoint-every', '30000', '--no-fsync'];
  const runs: { heard: number[]; taken: number }[] = [];
  try {
    for (let round = 0; round < rounds; round++) {
      const start = existsSync(image) ? ['restore', image] : ['run', guest, '--format', 'flat'];
      const args = [...start, ...under, ...more, '--output-release', release];
      const before = inode(image);
      // A new image, and lines that were not there before: then at any moment.
      const going = (text: string): boolean => text !== '' && inode(image) !== before;
      const heard = numbers(await runAndKill(args, going, random.below(150)));
      const { state } = loadImageBytes(new Uint8Array(readFileSync(image)));
      const console = state.servers.find((s) => s.name === 'debugcon');
      runs.push({ heard, taken: Number(console?.devices['debugcon@0xe9']?.bytes) });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return runs;
}

const PROCESS = [
  '--threads',
  '--device-process',
  'debugcon@0xe9=node test/image/children/builtin-model.mjs',
];

it.each([
  ['on the thread of the vCPU', 8, []],
  ['in a process of its own', 3, PROCESS],
])(
  'held until committed, no line leaves twice: a console %s',
  { timeout: 180_000 },
  async (_, rounds, where) => {
    const runs = await killedOften('committed', rounds, where);
    const all = runs.flatMap((r) => r.heard);
    expect(all.length).toBeGreaterThan(1000);
    // Each line is further than all before it.
    expect(all.every((n, i) => i === 0 || n > (all[i - 1] ?? 0))).toBe(true);
    // Nothing left that the image does not know of.
    for (const { heard, taken } of runs) {
      if (heard.length > 0) expect(5 * ((heard.at(-1) ?? 0) + 1)).toBeLessThanOrEqual(taken);
    }
  },
);

it.each([
  ['on the thread of the vCPU', 8, []],
  ['in a process of its own', 3, PROCESS],
])(
  'immediate, no line is missing, and some leave twice: a console %s',
  { timeout: 180_000 },
  async (_, rounds, where) => {
    const runs = (await killedOften('immediate', rounds, where)).filter((r) => r.heard.length > 0);
    let reached = -1;
    let twice = 0;
    for (const { heard } of runs) {
      expect(heard.every((n, i) => i === 0 || n === (heard[i - 1] ?? 0) + 1)).toBe(true);
      // One line may be cut in two by a checkpoint in its middle.
      expect(heard[0]).toBeLessThanOrEqual(reached + 2);
      twice += heard.filter((n) => n <= reached).length;
      reached = Math.max(reached, heard.at(-1) ?? 0);
    }
    expect(reached).toBeGreaterThan(1000);
    expect(twice).toBeGreaterThan(0);
  },
);
