// SPDX-License-Identifier: GPL-2.0-only
// Class Vcpu: a device access for which the guest is left, up to the switch of stacks and behind it, and the answers that
// an instruction finds when it is executed again.
#include "vcpu.h"
#include "words.h"

namespace trapline {
using namespace layout;

namespace {
uint32_t whatOf(uint32_t reason, bool read, uint32_t size, uint64_t address) {
  return reason | (read ? WHAT_READ : 0u) | size << WHAT_SIZE_SHIFT | static_cast<uint32_t>(address) << WHAT_ADDR_SHIFT;
}
}  // namespace

uint64_t Vcpu::replayed(uint32_t reason, bool read, uint32_t size, uint64_t address, uint64_t data, uintptr_t retaddr) {
  const Answered& a = answered_[answeredNext_];
  if (a.reason != reason || a.read != read || a.size != size || a.address != address || (!read && a.data != data)) {
    unsupportedAt(UNSUPPORTED_DIVERGED, address, retaddr);
  }
  answeredNext_++;
  return a.data;
}

// One device access of the instruction at `retaddr`: exits to the owner and comes back with the answer, or not at all.
// No object with a destructor may be live here or in any caller: the way out is a longjmp.
uint64_t Vcpu::access(uint32_t reason, bool read, uint32_t size, uint64_t address, uint64_t linear, uint64_t data,
                      uintptr_t retaddr) {
  if (__builtin_expect(answeredNext_ < answeredCount_, 0)) return replayed(reason, read, size, address, data, retaddr);
  if (answeredCount_ != 0 && step_ == Step::None && !sameInstruction(retaddr)) answeredCount_ = answeredNext_ = 0;
  store64(page_ + PAGE_ADDR, address);
  store64(page_ + PAGE_LINEAR, linear);
  store64(page_ + PAGE_DATA, data);
  page_[PAGE_ACCESS_INDEX] = answeredCount_;
  trapReturn_ = retaddr;
  trap_.what = EXIT_NONE;
  forgetAgain();
  // RCL and RCR have new flags by the time of their store. What is looked at, and what is executed again, is the old.
  PendingFlags& pending = env<PendingFlags>(ENV_CC_DST);
  const PendingFlags now = pending;
  if (answeredCount_ == 0) flagsBefore_ = now;
  pending = flagsBefore_;
  park(Park::Trap, whatOf(reason, read, size, address));
  park_ = Park::Boundary;
  if (resume_ == Resume::Answer) pending = now;
  // IN and OUT make one access each; anything else may make another, and then this answer must be at hand.
  if (resume_ == Resume::Answer && reason == EXIT_PIO) return load64<uint64_t>(page_ + PAGE_DATA);
  return resumed(reason, read, size, address, data, retaddr);
}

// The owner has said what becomes of the access at which the fiber was parked.
uint64_t Vcpu::resumed(uint32_t reason, bool read, uint32_t size, uint64_t address, uint64_t data, uintptr_t retaddr) {
  if (resume_ == Resume::Done) stringDone(retaddr);
  if (resume_ != Resume::Restart) {
    if (answeredCount_ == MAX_ACCESSES) unsupportedAt(UNSUPPORTED_TOO_MANY, address, retaddr);
    const uint64_t answer = read ? load64<uint64_t>(page_ + PAGE_DATA) : data;
    answered_[answeredCount_++] = Answered{address, answer, reason, static_cast<uint8_t>(size), read};
    if (resume_ == Resume::Answer) {
      answeredNext_ = answeredCount_;
      answeredBudget_ = budget();
      answeredReturn_ = retaddr;
      return answer;
    }
    answeredNext_ = 0;
    // Executed once more as a block of its own, with the answers so far: it ends at the very next boundary.
    uncount(retaddr);
    if (step_ == Step::Running) budget() = savedBudget_ - (1 - budget());
    step_ = Step::Armed;
    restart(retaddr);
  }
  uncount(retaddr);
  if (step_ == Step::Running) budget() = savedBudget_ - (1 - budget());
  step_ = Step::None;
  answeredCount_ = answeredNext_ = 0;
  restart(retaddr);
}

inline __attribute__((always_inline)) Vcpu::TrapStart Vcpu::trapBegins(uint32_t what, uint64_t address, uint64_t value,
                                                                       uintptr_t retaddr) {
  uint32_t* const page = page_;
  const bool read = (what & WHAT_READ) != 0;
  const uint32_t size = what >> WHAT_SIZE_SHIFT & WHAT_SIZE;
  const uint64_t data = read ? 0 : value & LANES[size];
  page[PAGE_WHAT] = what | posted_.flag();
  store64(page + PAGE_ADDR, address);
  store64(page + PAGE_DATA, data);
  page[PAGE_ACCESS_INDEX] = 0;
  trap_ = {what, address, data};
  trapReturn_ = retaddr;
  park_ = Park::Trap;
  forgetAgain();
  if (__builtin_expect(page[PAGE_COUNTS] != 0, 0)) syncCount();
  leaving();
  return {&fiber_, reinterpret_cast<uintptr_t>(this)};
}

// The access at which the fiber is parked is to be sent by itself from now on. What is not plain is not taken: then it
// exits as before. Between two such accesses there is no boundary, so that modes, segments and page tables stay.
void Vcpu::takeAgain() {
  const uint32_t index = page_[PAGE_AGAIN_SLOT];
  const uint32_t what = trap_.what;
  const uint32_t size = what >> WHAT_SIZE_SHIFT & WHAT_SIZE;
  const bool port = (what & WHAT_REASON) == EXIT_PIO;
  if (index == 0 || index > slots_.size() || what == EXIT_NONE || (what & WHAT_KNOWN) != 0 || page_[PAGE_COUNTS] != 0) return;
  if ((env<uint32_t>(ENV_HFLAGS) & HF_PE) != 0 || paging()) return;
  const uint64_t linear = load64<uint64_t>(page_ + PAGE_LINEAR);
  if (!port && (linear & (size - 1)) != 0) return;
  again_.kind = what & ~(~0u << WHAT_ADDR_SHIFT);
  again_.exit = what | WHAT_SENT;
  again_.slot = slots_[index - 1];
  again_.address = trap_.address;
  again_.countAndSize = static_cast<uint64_t>(size) << 32 | 1;
  again_.word = page_[PAGE_AGAIN_WORD];
  again_.port = page_[PAGE_AGAIN_PORT];
  again_.lanes = static_cast<uint32_t>(lanes(what));
  again_.place = port ? trap_.address : linear;
}

// An IN or OUT that is no string instruction, up to the switch of stacks in trap_entry.cc. It is the only access of its
// instruction: no answers are kept, and its flags are what they were.
Vcpu::TrapStart Vcpu::portBegins(uint32_t port, uint32_t value, uint32_t what, uintptr_t retaddr) {
  if (__builtin_expect(isAgain(what, port & 0xffff), 1)) return sentAgain((what & WHAT_READ) != 0 ? 0 : againData(value), retaddr);
  return portOtherwise(port, value, what, retaddr);
}

Vcpu::TrapStart Vcpu::portOtherwise(uint32_t port, uint32_t value, uint32_t what, uintptr_t retaddr) {
  if (__builtin_expect((env<uint32_t>(ENV_HFLAGS) & HF_PE) != 0 || answeredCount_ != 0 || posted_.knows((what & WHAT_READ) != 0, port & 0xffff), 0)) {
    return portSlowly(port, value, what, retaddr);
  }
  port &= 0xffff;
  return trapBegins(what | port << WHAT_ADDR_SHIFT, port, value, retaddr);
}

Vcpu::TrapStart Vcpu::portSlowly(uint32_t port, uint32_t value, uint32_t what, uintptr_t retaddr) {
  const bool read = (what & WHAT_READ) != 0;
  const uint32_t size = what >> WHAT_SIZE_SHIFT & WHAT_SIZE;
  port &= 0xffff;
  if ((env<uint32_t>(ENV_HFLAGS) & HF_PE) != 0) checkPortPermission(port, size, retaddr);
  if (answeredCount_ != 0) {
    // Of an instruction before this one, or of this one's first execution.
    if (step_ != Step::None) {
      const uint64_t data = read ? 0 : value & LANES[size];
      return {nullptr, access(EXIT_PIO, read, size, port, 0, data, retaddr) & LANES[size]};
    }
    answeredCount_ = answeredNext_ = 0;
  }
  uint64_t data = read ? 0 : value & LANES[size];
  if (posted_.on() && staysInGuest(true, read, size, port, &data, retaddr)) return {nullptr, data & LANES[size]};
  return trapBegins(what | WHAT_KNOWN | port << WHAT_ADDR_SHIFT, port, value, retaddr);
}

// A load or store that is all its instruction does with memory, none of whose flags it touches.
Vcpu::TrapStart Vcpu::soleBegins(uint32_t what, uint64_t linear, uint64_t gpa, uint64_t value, uintptr_t retaddr) {
  const bool read = (what & WHAT_READ) != 0;
  const uint32_t size = what >> WHAT_SIZE_SHIFT & WHAT_SIZE;
  answeredCount_ = answeredNext_ = 0;  // of an instruction before this one
  const uint64_t key = Posted::keyOf(false, size, gpa);
  if (read) {
    const uint32_t* known = posted_.readAgain(key);
    if (known != nullptr) return {nullptr, *known & LANES[size]};
  } else if (posted_.writeAgain(key, static_cast<uint32_t>(value & LANES[size]))) {
    return {nullptr, 0};
  }
  if (posted_.knowsMemory(read, gpa)) return soleSlowly(what, linear, gpa, value, retaddr);
  store64(page_ + PAGE_LINEAR, linear);
  return trapBegins(what | static_cast<uint32_t>(gpa) << WHAT_ADDR_SHIFT, gpa, value, retaddr);
}

Vcpu::TrapStart Vcpu::soleSlowly(uint32_t what, uint64_t linear, uint64_t gpa, uint64_t value, uintptr_t retaddr) {
  const bool read = (what & WHAT_READ) != 0;
  const uint32_t size = what >> WHAT_SIZE_SHIFT & WHAT_SIZE;
  uint64_t data = read ? 0 : value & LANES[size];
  if (staysInGuest(false, read, size, gpa, &data, retaddr)) return {nullptr, data & LANES[size]};
  store64(page_ + PAGE_LINEAR, linear);
  return trapBegins(what | WHAT_KNOWN | static_cast<uint32_t>(gpa) << WHAT_ADDR_SHIFT, gpa, value, retaddr);
}

uint64_t Vcpu::trapEnds() {
  park_ = Park::Boundary;
  const uint32_t size = trap_.what >> WHAT_SIZE_SHIFT & WHAT_SIZE;
  // One word: the two that the owner has just stored could not be forwarded to one load of both.
  if (__builtin_expect(resume_ == Resume::Answer, 1)) return page_[PAGE_DATA] & LANES[size];
  const bool read = (trap_.what & WHAT_READ) != 0;
  return resumed(trap_.what & WHAT_REASON, read, size, trap_.address, trap_.data, trapReturn_) & LANES[size];
}

// Whether the access at `retaddr` belongs to the instruction whose access was answered last. Every block that begins
// lowers the budget, so an equal budget means the same execution of the same block.
bool Vcpu::sameInstruction(uintptr_t retaddr) {
  if (budget() != answeredBudget_) return false;
  if (retaddr == answeredReturn_) return true;
  uint32_t count = 0;
  return blockIndex(retaddr, &count) == blockIndex(answeredReturn_, &count);
}

void Vcpu::unsupportedAt(uint32_t why, uint64_t detail, uintptr_t retaddr) {
  uncount(retaddr);
  __real_cpu_restore_state_x86_64(cpu_, retaddr, true);
  leaveUnsupported(why, detail);
}

// Whoever runs on may have put another state in place: nothing of what was going on may be continued.
void Vcpu::leaveUnsupported(uint32_t why, uint64_t detail) {
  if (step_ == Step::Running) budget() = savedBudget_ - (1 - budget());
  step_ = Step::None;
  answeredCount_ = answeredNext_ = 0;
  delivering_ = false;
  env<int32_t>(ENV_OLD_EXCEPTION) = -1;
  parkUnsupported(why, detail);
  cpuField<int32_t>(CPU_EXCEPTION_INDEX) = -1;
  cpu_loop_exit_x86_64(cpu_);
}

}  // namespace trapline
