// SPDX-License-Identifier: GPL-2.0-only
// The keyboard buffer in the BIOS data area: whether the guest has taken what was typed.
import type { GuestRam } from '../../mem/guest-ram.ts';

const HEAD = 0x41a;
const TAIL = 0x41c;
/** The first address the buffer can have, and its bytes. */
const FIRST = 0x1e;
const BYTES = 32;

/** Keys in the buffer; -1: no BIOS has set it up. */
export function keysWaiting(ram: GuestRam): number {
  const head = ram.read(HEAD, 2);
  const tail = ram.read(TAIL, 2);
  return head < FIRST ? -1 : ((tail - head + 2 * BYTES) % BYTES) / 2;
}
