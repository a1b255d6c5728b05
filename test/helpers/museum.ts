// SPDX-License-Identifier: GPL-2.0-only
// An exhibit of the museum with its guest under checkpoints.
import type { MuseumBug } from '../../src/toolstack/museum/index.ts';
import { stress } from '../../src/toolstack/stress.ts';
import type { StressReport } from '../../src/toolstack/stress-report.ts';
import { ManualClock } from '../../src/util/clock.ts';

export const CHECKPOINTS = 1000;

/** @param bug - null: the revision in which the same guest is well */
export function stressBug(exhibit: MuseumBug, without = false): Promise<StressReport> {
  return stress(
    {
      guest: exhibit.guest,
      load: {},
      devices: [],
      revision: exhibit.cure,
      bug: without ? null : exhibit,
      seed: 1,
      checkpoints: CHECKPOINTS,
      maxInstructions: 10_000_000,
      timeoutMs: null,
      ledgerPath: null,
    },
    {
      clock: new ManualClock(),
      tick: () => undefined,
      idle: (_ms, then) => then(),
      signal: new AbortController().signal,
    },
  );
}
