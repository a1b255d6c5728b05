// SPDX-License-Identifier: GPL-2.0-only
// Programs that ask DOS for anything at all: whatever comes of it, the monitor stays, and the host's folder as it was.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { Session } from './session.ts';

const scratch = mkdtempSync(join(tmpdir(), 'trapline-random-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const SEEDS = 12;
const CALLS = 200;
/** They wait for a key, and nobody types. */
const WAITING = [0x01, 0x03, 0x07, 0x08, 0x0a, 0x0c, 0x3f];
/** They end the program, which is no way to see more of it. */
const ENDING = [0x00, 0x31, 0x4b, 0x4c];
const NAMES = [
  'A.TXT',
  'SUB',
  'SUB\\B.TXT',
  '*.*',
  'C:\\',
  '..',
  'NUL',
  'X'.repeat(90),
  'host.txt',
];

/** Numbers from a seed, as in many a C library. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
}

/** A program of random calls; DX, SI and DI are often a name, a block or a piece of memory. */
function randomProgram(seed: number): Buffer {
  const next = numbers(seed);
  const texts = NAMES.map((name) => Buffer.from(`${name}\0`, 'latin1'));
  const block = Buffer.from('\0A       TXT'.padEnd(44, '\0'), 'latin1');
  const pieces = [...texts, block, block, Buffer.alloc(300)];
  const codeBytes = 5 + CALLS * 20 + 5;
  const places: number[] = [];
  let at = 0x100 + codeBytes;
  for (const piece of pieces) {
    places.push(at);
    at += piece.length;
  }
  const code: number[] = [0xbb, 0x00, 0x10, 0xb4, 0x4a];
  const load = (opcode: number, value: number): void => {
    code.push(opcode, value & 0xff, value >>> 8);
  };
  const pointer = (): number =>
    next(8) === 0 ? next(0x10000) : (places[next(places.length)] ?? 0);
  for (let i = 0; i < CALLS; i++) {
    let ah = next(0x70);
    while (WAITING.includes(ah) || ENDING.includes(ah)) ah = next(0x70);
    load(0xb8, (ah << 8) | next(next(2) === 0 ? 4 : 256));
    load(0xbb, next(4) === 0 ? next(0x10000) : next(12));
    load(0xb9, next(4) === 0 ? next(0x10000) : next(64));
    load(0xba, pointer());
    load(0xbe, pointer());
    load(0xbf, pointer());
    code.push(0xcd, 0x21);
  }
  code.push(0xb8, 0x2a, 0x4c, 0xcd, 0x21);
  return Buffer.concat([Buffer.from(code), ...pieces]);
}

it.for(Array.from({ length: SEEDS }, (_, i) => i + 1))('seed %i', (seed) => {
  const program = join(scratch, `random-${seed}.com`);
  writeFileSync(program, randomProgram(seed));
  const folder = mkdtempSync(join(scratch, 'dir-'));
  writeFileSync(join(folder, 'host.txt'), 'host');
  using session = new Session(program, { dir: folder });
  session.finish(800);
  // Vectors and the program's own segment may be overwritten: it may crash its machine, or go on for ever.
  expect(session.machine.cpu.icount).toBeGreaterThan(10_000);
  expect(readdirSync(folder)).toEqual(['host.txt']);
  expect(readFileSync(join(folder, 'host.txt'), 'utf8')).toBe('host');
});
