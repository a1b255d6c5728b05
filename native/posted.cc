// SPDX-License-Identifier: GPL-2.0-only
// Class Posted, and what of class Vcpu decides whether an access may stay in the guest.
#include "posted.h"

#include <cstring>
#include <utility>

#include "vcpu.h"

namespace trapline {

namespace {
// Xen's public/hvm/ioreq.h: struct buf_ioreq and struct buffered_iopage.
constexpr uint32_t RING_SLOTS = 511;
constexpr uint32_t RING_READ = 0;
constexpr uint32_t RING_WRITE = 1;
constexpr uint64_t RING_ADDRESS_MAX = 0xfffff;
constexpr uint32_t TYPE_PIO = 0;
constexpr uint32_t TYPE_COPY = 1;

uint64_t* entriesOf(uint32_t* ring) { return reinterpret_cast<uint64_t*>(ring) + 1; }

uint32_t headOf(bool isPort, uint32_t size, uint32_t address) {
  const uint32_t code = size == 1 ? 0 : size == 2 ? 1 : 2;
  return (isPort ? TYPE_PIO : TYPE_COPY) | code << 10 | address << 12;
}
}  // namespace

void Posted::use(uint32_t* page, std::vector<uint32_t*> rings) {
  run_.key = register_.key = 0;
  page_ = page;
  flag_ = waits();
  rings_ = std::move(rings);
  for (auto& table : ofPort_) table.assign(PORTS, 0);
  std::memset(ofPage_, 0, sizeof ofPage_);
  std::memset(next_, 0, sizeof next_);
  if (page_ == nullptr) return;
  for (uint32_t i = 1; i < POSTED_ROW_COUNT; i++) {
    const uint32_t* r = row(i);
    const uint32_t first = r[POSTED_ROW_FIRST];
    const uint32_t last = r[POSTED_ROW_LAST];
    const uint32_t kind = r[POSTED_ROW_KIND];
    const bool read = (kind & POSTED_KIND_READ) != 0;
    if (last < first || r[POSTED_ROW_RING] >= rings_.size()) continue;
    if ((kind & POSTED_KIND_PORT) != 0) {
      for (uint32_t port = first; port <= last && port < PORTS; port++) ofPort_[read][port] = static_cast<uint8_t>(i);
    } else {
      uint8_t& head = ofPage_[read][first >> 12 & (PAGES - 1)];
      next_[i] = std::exchange(head, static_cast<uint8_t>(i));
    }
  }
}

uint32_t Posted::find(bool isPort, bool read, uint32_t size, uint64_t address) const {
  if (isPort) {
    const uint32_t index = ofPort_[read][address];
    if (index == 0) return 0;
    const uint32_t* r = row(index);
    if (r[POSTED_ROW_OPEN] == 0 || address + size - 1 > r[POSTED_ROW_LAST]) return 0;
    if (read && (size != r[POSTED_ROW_SIZE] || address != r[POSTED_ROW_FIRST])) return 0;
    return index;
  }
  for (uint32_t index = ofPage_[read][address >> 12 & (PAGES - 1)]; index != 0; index = next_[index]) {
    const uint32_t* r = row(index);
    if (address < r[POSTED_ROW_FIRST] || address + size - 1 > r[POSTED_ROW_LAST] || r[POSTED_ROW_OPEN] == 0) continue;
    if (!read || (size == r[POSTED_ROW_SIZE] && address == r[POSTED_ROW_FIRST])) return index;
  }
  return 0;
}

namespace {
// put_buffered() of src/xen/hvm/ioreq.ts: the entry, then the pointer. Null: the ring is full.
uint64_t* put(uint32_t* ring, uint32_t head, uint32_t data, bool atomic) {
  const uint32_t write = ring[RING_WRITE];
  uint32_t read = __atomic_load_n(&ring[RING_READ], __ATOMIC_ACQUIRE);
  if (write - read >= RING_SLOTS) return nullptr;
  uint64_t* entry = entriesOf(ring) + write % RING_SLOTS;
  *entry = head | static_cast<uint64_t>(data) << 32;
  __atomic_store_n(&ring[RING_WRITE], write + 1, __ATOMIC_RELEASE);
  if (__builtin_expect(!atomic || read < RING_SLOTS, 1)) return entry;
  auto* both = reinterpret_cast<uint64_t*>(ring);
  for (uint32_t tries = 0; tries < RING_SLOTS; tries++) {
    uint64_t old = __atomic_load_n(both, __ATOMIC_ACQUIRE);
    read = static_cast<uint32_t>(old);
    if (read < RING_SLOTS) break;
    const uint32_t off = read - read % RING_SLOTS;
    const uint64_t next = ((old & ~0xffffffffull) - (static_cast<uint64_t>(off) << 32)) | (read - off);
    __atomic_compare_exchange_n(both, &old, next, false, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE);
  }
  return entry;
}
}  // namespace

uint32_t Posted::waits() const {
  return page_ != nullptr && (page_[POSTED_LENGTH] | page_[POSTED_READS]) != 0 ? uint32_t{WHAT_POSTED} : 0;
}

// What the log says of the writes so far, before another row follows.
void Posted::endRun() {
  if (run_.key != 0) *run_.length = static_cast<uint32_t>(run_.next - run_.first);
  run_.key = 0;
}

Posted::Way Posted::take(uint32_t index, uint32_t size, uint64_t address, double icount, bool counted, uint64_t* value) {
  uint32_t* r = row(index);
  const uint32_t kind = r[POSTED_ROW_KIND];
  const bool isPort = (kind & POSTED_KIND_PORT) != 0;
  const uint64_t key = keyOf(isPort, size, address);
  uint32_t* ring = rings_[r[POSTED_ROW_RING]];
  const uint32_t length = page_[POSTED_LENGTH];
  uint32_t* log = page_ + POSTED_LOG + length * POSTED_LOG_WORDS;
  const bool read = (kind & POSTED_KIND_READ) != 0;
  bool begun = false;
  if (read) {
    if (ring[RING_READ] != ring[RING_WRITE] || (counted && length >= POSTED_LOG_ROWS)) return Way::Out;
    *value = r[POSTED_ROW_VALUE] & (~0u >> (32 - 8 * size));
    r[POSTED_ROW_READS]++;
    page_[POSTED_READS] = 1;
    flag_ = WHAT_POSTED;
    if (!counted) {
      // A run goes on beside it: it writes to another ring.
      register_ = {key, r};
      return Way::Done;
    }
    endRun();
    log[POSTED_LOG_DATA] = static_cast<uint32_t>(*value);
  } else {
    if (length >= POSTED_LOG_ROWS || address > RING_ADDRESS_MAX) return Way::Out;
    const uint32_t head = headOf(isPort, size, static_cast<uint32_t>(address));
    endRun();
    register_.key = 0;
    uint64_t* entry = put(ring, head, static_cast<uint32_t>(*value), (kind & POSTED_KIND_ATOMIC) != 0);
    if (entry == nullptr) return Way::Out;
    log[POSTED_LOG_DATA] = 1;
    if (!counted && (kind & POSTED_KIND_MANY) != 0) {
      const uint32_t room = RING_SLOTS - (ring[RING_WRITE] - ring[RING_READ]);
      const auto atEnd = static_cast<uint32_t>(entriesOf(ring) + RING_SLOTS - (entry + 1));
      run_ = {key, head, entry + 1, entry + 1 + (room < atEnd ? room : atEnd), ring + RING_WRITE, entry, log + POSTED_LOG_DATA};
    }
    begun = page_[POSTED_WRITES] == 0;
    page_[POSTED_WRITES] = 1;
  }
  std::memcpy(log + POSTED_LOG_ICOUNT, &icount, sizeof icount);
  log[POSTED_LOG_ROW] = index;
  page_[POSTED_LENGTH] = length + 1;
  flag_ = WHAT_POSTED;
  return begun ? Way::Begun : Way::Done;
}

// Whether the access at `retaddr`, the only one of its instruction, is dealt with here and the guest runs on. Not while
// an instruction is executed on its own, and not where something has to happen at the very next boundary.
bool Vcpu::staysInGuest(bool isPort, bool read, uint32_t size, uint64_t address, uint64_t* value, uintptr_t retaddr) {
  const uint32_t row = posted_.find(isPort, read, size, address);
  if (row == 0 || step_ != Step::None || kick_.load(std::memory_order_relaxed)) return false;
  if (page_[PAGE_IRQ_VECTOR] != ~0u && (env<uint64_t>(layout::ENV_EFLAGS) & 0x200) != 0) return false;
  const int64_t left = budget() + notExecuted(retaddr);
  const int64_t deadline = toCount(deadline_);
  const auto icount = static_cast<double>(deadline - left);
  const Posted::Way way = posted_.take(row, size, address, icount, page_[PAGE_COUNTS] != 0, value);
  if (way == Posted::Way::Begun && left > posted_.slice()) {
    // Nothing waits for ever. run() takes the owner's deadline again when it is called next.
    const int64_t early = left - posted_.slice();
    budget() -= early;
    deadline_ = static_cast<double>(deadline - early);
  }
  return way != Posted::Way::Out;
}

}  // namespace trapline

// IN and OUT of translated code, in front of trap_entry.cc. In protected mode a port may be forbidden the next time.
#pragma GCC visibility push(hidden)
extern "C" {
uint64_t trapline_in_1(void* env, uint32_t port);
uint64_t trapline_in_2(void* env, uint32_t port);
uint64_t trapline_in_4(void* env, uint32_t port);
void trapline_out_1(void* env, uint32_t port, uint32_t value);
void trapline_out_2(void* env, uint32_t port, uint32_t value);
void trapline_out_4(void* env, uint32_t port, uint32_t value);
}
#pragma GCC visibility pop

namespace {
using trapline::Posted;
using trapline::Vcpu;

bool inRealMode(void* env) {
  return (trapline::layout::field<uint32_t>(env, trapline::layout::ENV_HFLAGS) & trapline::layout::HF_PE) == 0;
}
bool wroteAgain(void* env, uint32_t port, uint32_t size, uint32_t value) {
  return inRealMode(env) && Vcpu::ofEnv(env)->posted().writeAgain(Posted::keyOf(true, size, port & 0xffff), value);
}
const uint32_t* readAgain(void* env, uint32_t port, uint32_t size) {
  return inRealMode(env) ? Vcpu::ofEnv(env)->posted().readAgain(Posted::keyOf(true, size, port & 0xffff)) : nullptr;
}
}  // namespace

extern "C" {
// SAFETY: each other way is a jump, so that the return address there is the one into translated code.
uint64_t __wrap_helper_inb_x86_64(void* env, uint32_t port) {
  const uint32_t* value = readAgain(env, port, 1);
  return value != nullptr ? *value & 0xff : trapline_in_1(env, port);
}
uint64_t __wrap_helper_inw_x86_64(void* env, uint32_t port) {
  const uint32_t* value = readAgain(env, port, 2);
  return value != nullptr ? *value & 0xffff : trapline_in_2(env, port);
}
uint64_t __wrap_helper_inl_x86_64(void* env, uint32_t port) {
  const uint32_t* value = readAgain(env, port, 4);
  return value != nullptr ? *value : trapline_in_4(env, port);
}
void __wrap_helper_outb_x86_64(void* env, uint32_t port, uint32_t value) {
  if (!wroteAgain(env, port, 1, value & 0xff)) trapline_out_1(env, port, value);
}
void __wrap_helper_outw_x86_64(void* env, uint32_t port, uint32_t value) {
  if (!wroteAgain(env, port, 2, value & 0xffff)) trapline_out_2(env, port, value);
}
void __wrap_helper_outl_x86_64(void* env, uint32_t port, uint32_t value) {
  if (!wroteAgain(env, port, 4, value)) trapline_out_4(env, port, value);
}
}
