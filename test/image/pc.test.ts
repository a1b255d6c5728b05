// SPDX-License-Identifier: GPL-2.0-only
// Images of a PC: interrupt controllers, timers, drives and what was written to them go on as if nothing had happened.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadGuest } from '../../src/machine/loader.ts';
import { CheckpointSession } from '../../src/toolstack/session.ts';
import { Random } from '../../src/util/random.ts';
import { countingDisk, countingFloppy, pcOf, TICKS } from '../unit/machine/pc/roms.ts';
import { imageOf, type Rig, restored, rig, runTo } from './helper.ts';

let folder: string;
let floppy: string;
let disk: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'trapline-pc-'));
  floppy = join(folder, 'count.img');
  writeFileSync(floppy, countingFloppy());
  disk = join(folder, 'disk.img');
  writeFileSync(disk, countingDisk());
});
afterAll(() => rmSync(folder, { recursive: true }));

const dos = (): Rig => rig(loadGuest(floppy, { machine: 'pc', memoryBytes: 0x200000 }));

const hard = (): Rig =>
  rig(loadGuest('', { machine: 'pc', memoryBytes: 0x200000, pc: { disks: [disk] } }));

/** What is left at the end. */
function endOf(r: Rig): unknown {
  expect(runTo(r, Number.MAX_SAFE_INTEGER)).toBe('verdict');
  const { machine } = r;
  return {
    verdict: machine.verdict,
    icount: machine.cpu.icount,
    written: machine.pc?.fdc.drives[0].medium?.written(),
    onDisk: machine.pc?.ata?.disks[0]?.written(),
    platform: machine.pc?.save(),
    ram: Buffer.from(machine.ram.bytes).toString('base64'),
  };
}

describe.each([
  ['a timer', () => rig(pcOf(TICKS)), 90_000],
  ['a floppy', dos, 2_000_000],
  ['a disk', hard, 100_000],
] as const)('a PC with %s', (_what, make, latest) => {
  it('ends the same after save and restore, wherever it was saved', () => {
    using straight = make();
    const expected = endOf(straight);
    const random = new Random(11);
    for (let round = 0; round < 5; round++) {
      using first = make();
      const at = 1 + random.below(latest);
      expect(runTo(first, at)).toBe('deadline');
      const image = imageOf(first);
      using copy = restored(image);
      expect(Buffer.compare(imageOf(copy), image)).toBe(0);
      expect(endOf(copy)).toEqual(expected);
    }
  }, 60_000);
});

it('refuses to go on with a floppy that is another one', () => {
  using first = dos();
  runTo(first, 50_000);
  const image = imageOf(first);
  const other = countingFloppy();
  other[1000] = 1;
  writeFileSync(floppy, other);
  expect(() => restored(image)).toThrow(/has changed/);
  writeFileSync(floppy, countingFloppy());
}, 60_000);

it('every access happens once under checkpoints, and the end is that of an undisturbed run', () => {
  using straight = dos();
  const expected = endOf(straight);
  using session = new CheckpointSession({
    guest: floppy,
    load: { machine: 'pc', memoryBytes: 0x200000 },
    devices: [],
    revision: 'exact',
    seed: 3,
    spacing: 500,
    ledgerPath: null,
  });
  let end = session.next(Number.MAX_SAFE_INTEGER);
  while (end === null) end = session.next(Number.MAX_SAFE_INTEGER);
  expect(end).toBe('verdict');
  expect(session.checkpoints).toBeGreaterThan(100);
  session.finish(false, end);
  const report = session.checker.finish();
  expect(report.violationsTotal).toBe(0);
  const { machine, loop, snapshot } = session;
  expect(endOf({ machine, loop, snapshot, output: [], [Symbol.dispose]: () => {} })).toEqual(
    expected,
  );
}, 60_000);
