// SPDX-License-Identifier: GPL-2.0-only
// How far apart the checkpoints of a chain are, for guests that end soon: a few instructions, and a rest behind each in
// which the process can be killed.
import type { Random } from '../../util/random.ts';
import type { Watch } from '../limits.ts';

const SHORT = 1000;
const MOST_REST_MS = 5;

/** Whether so few instructions are asked for that the guest counts as one that ends soon. */
export function isShort(linger: number): boolean {
  return linger < SHORT;
}

/** Waits behind a checkpoint of a guest that ends soon. */
export async function standStill(linger: number, random: Random, watch: Watch): Promise<void> {
  if (!isShort(linger)) return;
  await new Promise<void>((resolve) => watch.idle(random.below(MOST_REST_MS), resolve));
}
