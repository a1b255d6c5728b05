// SPDX-License-Identifier: GPL-2.0-only
// The other monitors of this machine: does each run the loops it is said to run? Counted by its own device; QEMU's
// accesses by its own trace. v86 and Unicorn from C++ are there wherever these tests run; the others are named if not.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FoundPeers, findPeers } from '../../src/peers/find.ts';
import { PEER_NAMES } from '../../src/peers/names.ts';
import { startQemu } from '../../src/peers/qemu.ts';
import { QEMU_PORT } from '../../src/peers/rom.ts';
import { type Peer, VERSUS_LOOPS } from '../../src/toolstack/bench/versus.ts';

const TIMEOUT = { timeout: 300_000 };
/** What a machine must have to build us, or npm brings. */
const ALWAYS = ['v86', 'unicorn-c'];

let found: FoundPeers;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'trapline-peers-test-'));
  found = await findPeers(PEER_NAMES, { v86: null, signal: new AbortController().signal });
  for (const { name, why } of found.absent) {
    process.stderr.write(`SKIPPED: peer ${name} is absent: ${why}\n`);
  }
}, 300_000);
afterAll(() => {
  found[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

it('every peer is found or absent, and absent ones say how to get them', () => {
  const names = [...found.peers, ...found.absent].map(({ name }) => name);
  expect(names.sort()).toEqual([...PEER_NAMES].sort());
  for (const { why, install } of found.absent) expect([why, install]).not.toContain('');
  for (const name of ALWAYS) expect(found.peers.map((p) => p.name)).toContain(name);
});

/** The peer, or the test is skipped. */
function present(name: string, skip: (why: string) => void): Peer | null {
  const peer = found.peers.find((p) => p.name === name);
  if (peer === undefined) skip(found.absent.find((p) => p.name === name)?.why ?? 'not looked for');
  return peer ?? null;
}

describe.each(PEER_NAMES.filter((name) => name !== 'qemu'))('%s', (name) => {
  it('makes as many accesses as the loops have', TIMEOUT, async (context) => {
    const peer = present(name, (why) => context.skip(why));
    if (peer === null) return;
    for (const [loop, program] of VERSUS_LOOPS) {
      using session = await peer.start(program, loop);
      for (const rounds of [1, 3]) {
        const { ns, accesses } = await session.run(rounds);
        expect([loop, rounds, accesses]).toEqual([loop, rounds, rounds * program.roundAccesses]);
        expect(ns).toBeGreaterThanOrEqual(0);
      }
    }
  });
});

/** Accesses of `region` in a trace, by direction and size. */
function traced(file: string, region: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [, direction, address, size] of readFileSync(file, 'utf8').matchAll(
    new RegExp(
      `^memory_region_ops_(read|write) .* addr (0x[0-9a-f]+) .*size (\\d) name '${region}'$`,
      'gm',
    ),
  )) {
    const key = `${direction} ${size} ${address}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

describe('qemu', () => {
  const port = `0x${QEMU_PORT.toString(16)}`;
  it.for<[loop: string, region: string, expected: Record<string, number>]>([
    ['in', 'pc-testdev-ioport', { [`read 4 ${port}`]: 3 * 64 }],
    ['out', 'pc-testdev-ioport', { [`write 4 ${port}`]: 3 * 64 }],
    ['insb', 'pc-testdev-ioport', { [`read 1 ${port}`]: 3 * 1024 }],
    ['outsb', 'pc-testdev-ioport', { [`write 1 ${port}`]: 3 * 1024 }],
    ['mmioRead', 'pc-testdev-iomem', { 'read 4 0xff000000': 3 * 64 }],
    ['mmioWrite', 'pc-testdev-iomem', { 'write 4 0xff000000': 3 * 64 }],
    ['loop/store', 'pc-testdev-i[a-z]*', {}],
  ])('%s: its device sees the accesses of the loop', TIMEOUT, async (row, context) => {
    const [loop, region, expected] = row;
    if (present('qemu', (why) => context.skip(why)) === null) return;
    const [, program] = VERSUS_LOOPS.find(([name]) => name === loop) ?? [];
    if (program === undefined) throw new Error(`no loop ${loop}`);
    const trace = join(folder, `${loop.replace('/', '-')}.log`);
    const options = ['-trace', 'memory_region_ops_*', '-D', trace];
    using session = await startQemu(['qemu-system-i386', ...options], folder, program);
    await session.run(1);
    await session.run(2);
    expect(traced(trace, region)).toEqual(expected);
  });
});
