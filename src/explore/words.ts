// SPDX-License-Identifier: GPL-2.0-only
// Words that several parts of the explorer use.

/** States of a slot, by number. */
export const SLOT_NAMES: readonly string[] = ['NONE', 'READY', 'INPROCESS', 'RESP_READY'];
