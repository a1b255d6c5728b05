// SPDX-License-Identifier: GPL-2.0-only
// Class Vcpu: run(), from the owner's wish to the switch to the emulator's stack, the count of instructions, and how the
// emulator parks.
#include <cstring>

#include "vcpu.h"
#include "words.h"

namespace trapline {
using namespace layout;

void Vcpu::takeDeadline() {
  const double wanted = load64<double>(page_ + PAGE_DEADLINE);
  if (wanted == deadline_) return;
  budget() += toCount(wanted) - toCount(deadline_);
  deadline_ = wanted;
}

double Vcpu::instructionCount() {
  int64_t left = budget();
  if (step_ == Step::Running) left = savedBudget_ - (1 - left);
  if (park_ == Park::Trap) left += notExecuted(trapReturn_);
  return static_cast<double>(toCount(deadline_) - left);
}

void Vcpu::enterFiber() {
  entering();
  fiber_.enter();
}

void Vcpu::leaveFiber() {
  leaving();
  fiber_.leave();
}

void Vcpu::entering() {
  posted_.forget();
  active_ = this;
  onFiber_ = true;
  sent_ = false;
}

uint32_t Vcpu::run() {
  if (prepare()) enterFiber();
  return page_[PAGE_WHAT] & WHAT_REASON;
}

// Whether the owner wants what he wanted at the last entry: no interrupt, the same deadline, no kick.
inline bool Vcpu::asBefore() const {
  // Bit for bit: a comparison of numbers asks three times.
  return page_[PAGE_IRQ_VECTOR] == ~0u && std::memcmp(page_ + PAGE_DEADLINE, &deadline_, sizeof deadline_) == 0 && !kick_.load(std::memory_order_relaxed);
}

// For trap_entry.cc. The usual case needs no registers kept; the others have a function of their own.
Vcpu::TrapStart Vcpu::fiberToEnter(int32_t how, uint32_t data) {
  if (how == HOW_AGAIN && __builtin_expect(sent_, 1)) {
    if (again_.slot[7] != again_.word || again_.slot[6] != again_.port) return {nullptr, WHAT_DISTURBED};
    if (__builtin_expect(asBefore(), 1)) {
      page_[PAGE_SYNCED] = page_[PAGE_COUNTED] = 0;
      park_ = Park::Boundary;
      active_ = this;
      onFiber_ = true;
      sent_ = false;
      return {&fiber_, ANSWERED | (data & again_.lanes)};
    }
  }
  return fiberToEnterOrdinarily(how, data);
}

Vcpu::TrapStart Vcpu::fiberToEnterOrdinarily(int32_t how, uint32_t data) {
  uint32_t* const page = page_;
  if (how != HOW_AS_PAGE) {
    page[PAGE_DATA] = data;
    page[PAGE_DATA + 1] = 0;
    // What prepare() does for an answer, where nothing but the answer is wanted.
    if (__builtin_expect(park_ == Park::Trap && step_ == Step::None && ended_ == EXIT_NONE && budget() >= 0 && asBefore(), 1)) {
      if (page[PAGE_AGAIN_SLOT] != 0 && again_.place == ~0ull) takeAgain();
      page[PAGE_SYNCED] = page[PAGE_COUNTED] = 0;
      page[PAGE_CHARGE] = 0;
      page[PAGE_ACTION] = ACTION_RETRY;
      stopAfterStep_ = false;
      resume_ = Resume::Answer;
      park_ = Park::Boundary;
      entering();
      return {&fiber_, ANSWERED | (data & lanes(trap_.what))};
    }
    page[PAGE_ACTION] = ACTION_ANSWER;
  }
  if (!prepare()) return {nullptr, page[PAGE_WHAT]};
  entering();
  return {&fiber_, 0};
}

// Everything that comes before the switch to the fiber. False: there is nothing to run, the page has the reason.
bool Vcpu::prepare() {
  forgetAgain();
  page_[PAGE_SYNCED] = page_[PAGE_COUNTED] = 0;
  if (ended_ != EXIT_NONE) {
    sayExit(ended_);
    return false;
  }
  if (step_ == Step::None) takeDeadline();
  const uint32_t action = page_[PAGE_ACTION];
  page_[PAGE_ACTION] = ACTION_RETRY;
  if (park_ == Park::Trap) {
    switch (action) {
      case ACTION_ANSWER:
        stopAfterStep_ = false;
        // Something has to happen at the very next boundary: the rest of the block must not run first.
        resume_ = step_ != Step::None || budget() < 0 || kick_.load(std::memory_order_relaxed) ||
                          (page_[PAGE_IRQ_VECTOR] != ~0u && (env<uint64_t>(ENV_EFLAGS) & 0x200))
                      ? Resume::AnswerByStep
                      : Resume::Answer;
        break;
      case ACTION_FINISH:
        stopAfterStep_ = true;
        resume_ = Resume::AnswerByStep;
        break;
      case ACTION_DONE:
        resume_ = (page_[PAGE_WHAT] & WHAT_REASON) == EXIT_PIO_STRING && answeredCount_ == 0 && step_ == Step::None ? Resume::Done
                                                                                                      : Resume::Restart;
        stopAtBoundary_ = true;
        break;
      default:
        resume_ = Resume::Restart;
        stopAtBoundary_ = action == ACTION_ROLLBACK;
        budget() -= page_[PAGE_CHARGE];
    }
  } else {
    // A step does not wake a halted CPU, and must not run the instruction behind its HLT.
    if (action == ACTION_FINISH && halted_) {
      sayExit(EXIT_HLT);
      return false;
    }
    budget() -= page_[PAGE_CHARGE];
    if (action == ACTION_ROLLBACK) stopAtBoundary_ = true;
    if (action == ACTION_FINISH) {
      step_ = Step::Armed;
      stopAfterStep_ = true;
    }
  }
  page_[PAGE_CHARGE] = 0;
  return true;
}

void Vcpu::park(Park where, uint32_t what) {
  park_ = where;
  sayExit(what);
  leaveFiber();
}

void Vcpu::parkUnsupported(uint32_t why, uint64_t detail) {
  page_[PAGE_UNSUPPORTED] = why;
  store64<uint64_t>(page_ + PAGE_ADDR, detail);
  park(Park::Boundary, EXIT_UNSUPPORTED);
}

void Vcpu::rollback() {
  if (ended_ != EXIT_NONE || (park_ == Park::Boundary && step_ == Step::None)) return;
  page_[PAGE_ACTION] = ACTION_ROLLBACK;
  run();
}

void Vcpu::requestKick() {
  kick_.store(true);
  __atomic_store_n(&field<uint16_t>(cpu_, CPU_ICOUNT_DECR_HIGH), static_cast<uint16_t>(0xffff), __ATOMIC_SEQ_CST);
}

}  // namespace trapline
