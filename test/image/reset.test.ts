// SPDX-License-Identifier: GPL-2.0-only
// Back to a snapshot in the same process: only pages written since are copied, and the guest cannot tell.
import { expect, it } from 'vitest';
import { loadImageBytes } from '../../src/toolstack/image/read.ts';
import { Random } from '../../src/util/random.ts';
import { fingerprint } from './damage.ts';
import { imageOf, rig, runTo } from './helper.ts';

/** What the guest can see of an image; what devices counted for the books is not wound back. */
function seen(image: Uint8Array): string {
  const loaded = loadImageBytes(image);
  return fingerprint({
    ...loaded,
    state: { ...loaded.state, vcpus: [{ ...loaded.state.vcpus[0], witnesses: {} }] },
  });
}

it.each(['counter', 'rep-counter', 'mmio-counter', 'write-ledger', 'storm', 'loop'])(
  '%s goes the same way from a snapshot, again and again',
  { timeout: 120_000 },
  (name) => {
    const random = new Random(8);
    using r = rig(name);
    using straight = rig(name);
    const start = 500 + random.below(500);
    runTo(r, start);
    const at = imageOf(r);
    for (let round = 0; round < 20; round++) {
      const end = start + 1 + random.below(3000);
      runTo(r, end);
      const pages = r.snapshot.reset(r.machine);
      expect(pages).toBeLessThan(64);
      expect(r.machine.cpu.icount).toBe(start);
    }
    // The snapshot was left alone, and is where the machine is.
    expect(seen(imageOf(r))).toBe(seen(at));
    runTo(r, start + 4000);
    runTo(straight, start + 4000);
    expect(seen(imageOf(r))).toBe(seen(imageOf(straight)));
  },
);
