// SPDX-License-Identifier: GPL-2.0-only
// One zeroed page that several threads can see.
import { PAGE_SIZE } from '../xen/public/hvm_ioreq.ts';

/** Uint8Array(4096) on a SharedArrayBuffer of its own, zero filled. */
export function newSharedPage(): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(PAGE_SIZE));
}
