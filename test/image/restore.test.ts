// SPDX-License-Identifier: GPL-2.0-only
// A restored guest goes on as if nothing had happened: every guest, saved at drawn moments.
import { describe, expect, it } from 'vitest';
import { listGuestNames } from '../../src/machine/loader.ts';
import { Random } from '../../src/util/random.ts';
import { imageOf, restored, rig, runTo } from './helper.ts';

const LATEST = 20_000;

describe.each(listGuestNames())('%s', (name) => {
  it('is the same after save and restore, wherever it was saved', () => {
    const random = new Random(7);
    using whole = rig(name);
    runTo(whole, LATEST);
    // Short guests end by themselves; the last instruction is theirs.
    const length = whole.machine.cpu.icount - 1;
    expect(length).toBeGreaterThan(4);
    for (let round = 0; round < 4; round++) {
      const at = 1 + random.below(length - 1);
      using straight = rig(name);
      const stop = runTo(straight, at);
      if (stop !== 'deadline') {
        // An instruction that is emulated and the verdict behind it can be one step.
        expect(stop).toBe('verdict');
        expect(at).toBeGreaterThan(length - 8);
        continue;
      }
      const image = imageOf(straight);
      using copy = restored(image);
      // The same image again, byte for byte: nothing was lost on the way.
      expect(Buffer.compare(imageOf(copy), image)).toBe(0);
      const later = at + 1 + random.below(length);
      const [a, b] = [runTo(straight, later), runTo(copy, later)];
      expect(b).toBe(a);
      if (a !== 'deadline') continue;
      expect(Buffer.compare(imageOf(copy, 2), imageOf(straight, 2))).toBe(0);
    }
  });
});

it('a chain of saves and restores ends where a straight run does', () => {
  using straight = rig('counter');
  runTo(straight, 5000);
  let image: Uint8Array;
  {
    using first = rig('counter');
    runTo(first, 100);
    image = imageOf(first);
  }
  for (let at = 200; at <= 5000; at += 100) {
    using next = restored(image);
    expect(runTo(next, at)).toBe('deadline');
    image = imageOf(next);
  }
  expect(Buffer.compare(image, imageOf(straight))).toBe(0);
});
