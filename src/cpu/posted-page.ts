// SPDX-License-Identifier: GPL-2.0-only
// The memory shared with the native CPU for accesses that do not leave the guest: word indices, mirrored from
// native/posted_page.h (scripts/check-abi.mjs compares the two).

/** Indices of 32-bit words. */
export const POSTED_ON = 0;
export const POSTED_LENGTH = 1;
export const POSTED_READS = 2;
export const POSTED_WRITES = 3;
export const POSTED_SLICE = 4;
export const POSTED_ROWS = 16;
export const POSTED_LOG = 272;

/** Words of a row, relative to its start. */
export const POSTED_ROW_FIRST = 0;
export const POSTED_ROW_LAST = 1;
export const POSTED_ROW_KIND = 2;
export const POSTED_ROW_SIZE = 3;
export const POSTED_ROW_RING = 4;
export const POSTED_ROW_VALUE = 5;
export const POSTED_ROW_READS = 6;
export const POSTED_ROW_OPEN = 7;

/** Words of a row of the log; the first is a 64-bit float. */
export const POSTED_LOG_ICOUNT = 0;
export const POSTED_LOG_ROW = 2;
export const POSTED_LOG_DATA = 3;

/** Bits of POSTED_ROW_KIND. */
export const POSTED_KIND_PORT = 1;
export const POSTED_KIND_READ = 2;
export const POSTED_KIND_ATOMIC = 4;
export const POSTED_KIND_MANY = 8;

/** Row 0 is none. */
export const POSTED_ROW_COUNT = 32;
export const POSTED_ROW_WORDS = 8;
export const POSTED_LOG_ROWS = 512;
export const POSTED_LOG_WORDS = 4;
export const POSTED_PAGE_BYTES = 9280;
