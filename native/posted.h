// SPDX-License-Identifier: GPL-2.0-only
// Accesses that do not leave the guest: writes put into a server's ring of buffered requests, as
// hvm_send_buffered_ioreq() of Xen 4.14.5 does it, and registers read from where a device has published them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "posted_page.h"
#include "run_page.h"

namespace trapline {

class Posted {
 public:
  // What becomes of an access: it leaves the guest; it is done; it is done, the first write of the log.
  enum class Way { Out, Done, Begun };

  // SAFETY: `page` and `rings` point into buffers that the owner keeps alive until the next call, or for the CPU's life.
  void use(uint32_t* page, std::vector<uint32_t*> rings);

  bool on() const { return page_ != nullptr && page_[POSTED_ON] != 0; }
  // Whether an access of this port may be one of these: most are not.
  bool knows(bool read, uint32_t port) const { return on() && ofPort_[read][port] != 0; }
  bool knowsMemory(bool read, uint64_t address) const {
    const uint32_t index = ofPage_[read][address >> 12 & (PAGES - 1)];
    if (index == 0 || !on()) return false;
    // The usual page has one row.
    const uint32_t* r = row(index);
    return next_[index] != 0 || (address >= r[POSTED_ROW_FIRST] && address <= r[POSTED_ROW_LAST]);
  }
  // For each exit: WHAT_POSTED while the owner of the page has something to take, else 0.
  uint32_t flag() const { return flag_; }
  uint32_t slice() const { return page_[POSTED_SLICE]; }
  // The row of an access, or 0: it leaves the guest.
  uint32_t find(bool isPort, bool read, uint32_t size, uint64_t address) const;
  // `value` in for a write, out for a read. A register with a write in its server's ring is not yet what it will be.
  Way take(uint32_t row, uint32_t size, uint64_t address, double icount, bool counted, uint64_t* value);

  // The same access once more: place and width of the last one that take() has dealt with in the same stay. Nothing of
  // what it looked at can have changed: the owner of page and rings waits.
  static constexpr uint64_t keyOf(bool isPort, uint32_t size, uint64_t address) {
    return 1ull << 40 | static_cast<uint64_t>(size << 1 | isPort) << 32 | address;
  }
  bool writeAgain(uint64_t key, uint32_t value) {
    if (key != run_.key || run_.next == run_.end) return false;
    *run_.next++ = run_.head | static_cast<uint64_t>(value) << 32;
    // Entries before the pointer: the reader trusts what lies below it.
    __atomic_store_n(run_.pointer, *run_.pointer + 1, __ATOMIC_RELEASE);
    return true;
  }
  // Null: no. Else where its value is.
  const uint32_t* readAgain(uint64_t key) {
    if (key != register_.key) return nullptr;
    register_.row[POSTED_ROW_READS]++;
    return register_.row + POSTED_ROW_VALUE;
  }
  void forget() {  // a new stay begins
    if (__builtin_expect(flag_ == 0, 1)) return;  // nothing was dealt with in the last one
    run_.key = register_.key = 0;
    flag_ = waits();
  }

 private:
  static constexpr uint32_t PORTS = 0x10000;
  static constexpr uint32_t PAGES = 64;  // a power of two

  // Writes that are one row of the log.
  struct Run {
    uint64_t key = 0;
    uint32_t head = 0;
    uint64_t* next = nullptr;
    uint64_t* end = nullptr;
    uint32_t* pointer = nullptr;  // the ring's
    uint64_t* first = nullptr;
    uint32_t* length = nullptr;  // in the log
  };
  struct Register {
    uint64_t key = 0;
    uint32_t* row = nullptr;
  };

  uint32_t* row(uint32_t index) const { return page_ + POSTED_ROWS + index * POSTED_ROW_WORDS; }
  void endRun();
  uint32_t waits() const;

  uint32_t flag_ = 0;
  Run run_;
  Register register_;
  uint32_t* page_ = nullptr;
  std::vector<uint32_t*> rings_;
  // First row of a port, or of the pages that share a place; one table for writes, one for reads.
  std::vector<uint8_t> ofPort_[2];
  uint8_t ofPage_[2][PAGES] = {};
  uint8_t next_[POSTED_ROW_COUNT] = {};
};

}  // namespace trapline
