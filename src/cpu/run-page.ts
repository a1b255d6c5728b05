// SPDX-License-Identifier: GPL-2.0-only
// The page shared with the native CPU: word indices and enumerators, mirrored from native/run_page.h
// (scripts/check-abi.mjs compares the two).

/** Bytes of a run page. */
export const RUN_PAGE_BYTES = 1024;

/** Indices of 32-bit words; a comment names the second word where a field has two. */
export const PAGE_WHAT = 0;
/** low word; high word at 5 */
export const PAGE_ADDR = 4;
/** low word; high word at 7 */
export const PAGE_LINEAR = 6;
/** low word; high word at 9 */
export const PAGE_DATA = 8;
export const PAGE_ACCESS_INDEX = 10;
export const PAGE_UNSUPPORTED = 11;
export const PAGE_ACTION = 12;
export const PAGE_IRQ_VECTOR = 13;
export const PAGE_IRQS_TAKEN = 14;
export const PAGE_EXCEPTIONS = 15;
/** 64-bit float: word 16 is element 8 of a Float64Array */
export const PAGE_DEADLINE = 16;
/** 64-bit float */
export const PAGE_ICOUNT = 18;
export const PAGE_SYNCED = 20;
export const PAGE_CHARGE = 21;
export const PAGE_A20 = 22;
export const PAGE_HALTED = 23;
export const PAGE_STRING = 24;
export const PAGE_INJECT = 40;
export const PAGE_INJECT_CODE = 41;
export const PAGE_CATCH = 42;
export const PAGE_VECTOR = 43;
export const PAGE_ERROR_CODE = 44;
export const PAGE_COUNTED = 45;
export const PAGE_COUNTS = 46;
export const PAGE_AGAIN_SLOT = 47;
export const PAGE_AGAIN_WORD = 48;
export const PAGE_AGAIN_PORT = 49;
export const PAGE_SENT = 50;
export const PAGE_GPR = 64;
export const PAGE_RIP = 96;
export const PAGE_RFLAGS = 98;
export const PAGE_SHADOW = 99;
export const PAGE_SEGMENT = 100;
export const PAGE_GDT = 164;
export const PAGE_IDT = 168;
export const PAGE_CR0 = 172;
export const PAGE_EFER = 176;
export const PAGE_DR = 180;

/** Parts of PAGE_WHAT: the exit in one word. */
export const WHAT_REASON = 15;
export const WHAT_READ = 16;
export const WHAT_SIZE_SHIFT = 5;
/** of the word shifted */
export const WHAT_SIZE = 15;
export const WHAT_SOLE = 512;
/** something waits for the owner of the page of posted accesses, whatever else the exit is */
export const WHAT_POSTED = 1024;
/** the access stands in its slot: see PAGE_AGAIN_SLOT */
export const WHAT_SENT = 2048;
/** the page of posted accesses knows the place */
export const WHAT_KNOWN = 4096;
/** no exit: the slot is not as the device model should have left it; the guest was not entered */
export const WHAT_DISTURBED = 8192;
/** a port, or the low half of a memory address */
export const WHAT_ADDR_SHIFT = 16;

/** Of an access: its exit in one word, signed. Of memory never with WHAT_SOLE. @param dir - 1: a read */
export function whatOf(reason: number, dir: 0 | 1, size: number, addr: number): number {
  return (
    reason | (dir * WHAT_READ) | (size << WHAT_SIZE_SHIFT) | ((addr % 0x10000) << WHAT_ADDR_SHIFT)
  );
}

/** Words of the string block, relative to PAGE_STRING. */
export const STRING_OP = 0;
export const STRING_SIZE = 1;
export const STRING_REP = 2;
export const STRING_COUNT = 3;
export const STRING_DF = 4;
export const STRING_PORT = 5;
export const STRING_ADDR_SIZE = 6;
export const STRING_SRC_BASE = 7;
export const STRING_SRC_INDEX = 8;
export const STRING_DST_BASE = 9;
export const STRING_DST_INDEX = 10;
export const STRING_LENGTH = 11;
export const STRING_PLAIN = 12;

/** What `run()` does with a pending access. */
export const ACTION_RETRY = 0;
export const ACTION_ANSWER = 1;
export const ACTION_FINISH = 2;
export const ACTION_ROLLBACK = 3;
export const ACTION_DONE = 4;

/** Of a run with an answer in its arguments. */
export const HOW_AS_PAGE = 0;
export const HOW_ANSWERED = 1;
export const HOW_AGAIN = 2;

/** Why `EXIT_UNSUPPORTED`, by number. */
export const UNSUPPORTED: readonly string[] = [
  'nothing',
  'instruction fetch from memory that is not RAM',
  'long mode',
  'an instruction executed again made other accesses than the first time',
  'an error of the emulator library',
  'more device accesses in one instruction than can be kept',
  'a device access outside any instruction (interrupt delivery or page table in device memory)',
];
