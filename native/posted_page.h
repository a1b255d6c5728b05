// SPDX-License-Identifier: GPL-2.0-only
// The memory in which a CPU and its owner agree on accesses that do not leave the guest: writes that a device takes
// later, and registers that it has published. Mirrored by src/cpu/posted-page.ts; scripts/check-abi.mjs compares the
// two. All words are 32-bit little endian.
#pragma once
#include <cstdint>

namespace trapline {

// Word indices. Names are the ones of src/cpu/posted-page.ts.
enum PostedWord : uint32_t {
  POSTED_ON = 0,      // in: 1: such accesses may be dealt with here
  POSTED_LENGTH = 1,  // rows of the log; set to 0 by the owner
  POSTED_READS = 2,   // 1: some row's POSTED_ROW_READS is not 0; set to 0 by the owner
  POSTED_WRITES = 3,  // 1: there are writes among the rows of the log; set to 0 by the owner
  POSTED_SLICE = 4,   // in: instructions after the first of these at which run() returns EXIT_BUDGET
  POSTED_ROWS = 16,   // POSTED_ROW_COUNT rows of POSTED_ROW_WORDS
  POSTED_LOG = 272,   // POSTED_LOG_ROWS rows of POSTED_LOG_WORDS
};

// A range of ports, or of memory within one page. Row 0 is none.
enum PostedRowWord : uint32_t {
  POSTED_ROW_FIRST = 0,
  POSTED_ROW_LAST = 1,   // inclusive
  POSTED_ROW_KIND = 2,   // POSTED_KIND_ bits; fixed once the CPU was told
  POSTED_ROW_SIZE = 3,   // of a register: bytes of the one access that is answered here
  POSTED_ROW_RING = 4,   // index of its server's ring
  POSTED_ROW_VALUE = 5,  // of a register: what it reads as
  POSTED_ROW_READS = 6,  // of a register: how often it was read here; set to 0 by the owner
  POSTED_ROW_OPEN = 7,   // in: 1: accesses of this row may be dealt with here
};

// One read, or one write or more to one address that came one after the other; in the order in which they were made.
enum PostedLogWord : uint32_t {
  POSTED_LOG_ICOUNT = 0,  // f64: instructions completed before it, or before the first
  POSTED_LOG_ROW = 2,
  // Of a read: the answer. Of writes: how many entries of their ring they are; of the last writes in the log it may be
  // less than there are: they are all that is left in their ring.
  POSTED_LOG_DATA = 3,
};

constexpr uint32_t POSTED_KIND_PORT = 1;  // else memory
constexpr uint32_t POSTED_KIND_READ = 2;  // a register, else a range of writes
constexpr uint32_t POSTED_KIND_ATOMIC = 4;  // the ring's reader knows that both pointers may be taken back together
constexpr uint32_t POSTED_KIND_MANY = 8;    // writes that come one after the other may be one row of the log

constexpr uint32_t POSTED_ROW_COUNT = 32;
constexpr uint32_t POSTED_ROW_WORDS = 8;
constexpr uint32_t POSTED_LOG_ROWS = 512;
constexpr uint32_t POSTED_LOG_WORDS = 4;
constexpr uint32_t POSTED_PAGE_BYTES = 9280;

static_assert(POSTED_ROWS + POSTED_ROW_COUNT * POSTED_ROW_WORDS == POSTED_LOG, "rows end where the log begins");
static_assert(4 * (POSTED_LOG + POSTED_LOG_ROWS * POSTED_LOG_WORDS) == POSTED_PAGE_BYTES, "the log ends the page");

}  // namespace trapline
