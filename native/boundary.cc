// SPDX-License-Identifier: GPL-2.0-only
// Class Vcpu: between two instructions. What stops the CPU there, what is delivered, and how an instruction that is
// executed on its own ends.
#include <utility>

#include "vcpu.h"
#include "words.h"

namespace trapline {
using namespace layout;

namespace {
constexpr uint32_t IRQ_WINDOW = ~1u;
}  // namespace

// The main loop, between two blocks: the only place where the CPU is stopped other than at a trap.
bool Vcpu::boundary() {
  wrapIp();
  forgetAgain();
  faulted_ = delivering_ = false;
  bool changed = false;
  for (;;) {
    if (step_ == Step::Armed) {
      savedBudget_ = budget();
      budget() = 1;
      deliveredInStep_ = false;
      step_ = Step::Running;
      cpuField<uint32_t>(CPU_CFLAGS_NEXT_TB) = 1;
      return true;
    }
    if (step_ == Step::Running) {
      if (budget() > 0 && !deliveredInStep_) {  // interrupted before it began
        cpuField<uint32_t>(CPU_CFLAGS_NEXT_TB) = 1;
        return true;
      }
      budget() = savedBudget_ - (1 - budget());
      step_ = Step::None;
      const bool diverged = answeredNext_ != answeredCount_ && !deliveredInStep_;
      answeredCount_ = answeredNext_ = 0;
      changed = true;
      if (diverged) {
        parkUnsupported(UNSUPPORTED_DIVERGED, 0);
        continue;
      }
      if (stopAfterStep_) {
        park(Park::Boundary, EXIT_BOUNDARY);
        continue;
      }
    }
    if (answeredCount_ != 0) answeredCount_ = answeredNext_ = 0;
    if (page_[PAGE_INJECT] != 0) {
      cpuField<int32_t>(CPU_EXCEPTION_INDEX) = static_cast<int32_t>(std::exchange(page_[PAGE_INJECT], 0) - 1) & 31;
      env<int32_t>(ENV_ERROR_CODE) = static_cast<int32_t>(page_[PAGE_INJECT_CODE]);
      env<int32_t>(ENV_EXCEPTION_IS_INT) = 0;
      halted_ = false;
      faulted_ = true;
      cpu_loop_exit_x86_64(cpu_);
    }
    if (std::exchange(stopAtBoundary_, false)) {
      park(Park::Boundary, EXIT_NONE);
    } else if (kick_.exchange(false)) {
      park(Park::Boundary, EXIT_KICK);
    } else if ((env<uint32_t>(ENV_HFLAGS) & HF_LMA) != 0) {
      parkUnsupported(UNSUPPORTED_LONG_MODE, 0);
    } else if (page_[PAGE_IRQ_VECTOR] != ~0u && (env<uint64_t>(ENV_EFLAGS) & 0x200) != 0 &&
               (env<uint32_t>(ENV_HFLAGS) & HF_INHIBIT_IRQ) == 0) {
      const uint32_t vector = std::exchange(page_[PAGE_IRQ_VECTOR], ~0u);
      if (vector == IRQ_WINDOW) {
        park(Park::Boundary, EXIT_IRQ_WINDOW);
        changed = true;
        continue;
      }
      page_[PAGE_IRQS_TAKEN]++;
      halted_ = false;
      if (stackHasEnded()) shutDown();
      delivering_ = true;
      env<int32_t>(ENV_EXCEPTION_IS_INT) = 0;
      do_interrupt_x86_hardirq_x86_64(envOf(cpu_), static_cast<int>(vector & 0xff), 1);
      delivering_ = false;
    } else if (halted_) {
      park(Park::Boundary, EXIT_HLT);
    } else if (budget() <= 0) {
      park(Park::Boundary, EXIT_BUDGET);
    } else {
      break;
    }
    changed = true;
  }
  checkBases();
  followMode();
  const uint32_t flags = cpuField<uint32_t>(CPU_CFLAGS_NEXT_TB);
  if (budget() < MAX_BLOCK && (flags == ~0u || (flags & 0x7fff) > budget())) {
    // The last instructions before the deadline: a block of exactly as many.
    cpuField<uint32_t>(CPU_CFLAGS_NEXT_TB) = static_cast<uint32_t>(budget());
    changed = true;
  }
  return changed;
}

// ICEBP is shown to the translator as INT3.
uint32_t Vcpu::vectorOf(uint32_t raised) {
  constexpr uint32_t DEBUG = 1, BREAKPOINT = 3;
  if (raised != BREAKPOINT || opcodeAt(segment(SEG_CS).base + interruptEip_) != ICEBP) return raised;
  cpuField<int32_t>(CPU_EXCEPTION_INDEX) = DEBUG;
  return DEBUG;
}

bool Vcpu::delivered(uint32_t vector) {
  page_[PAGE_EXCEPTIONS]++;
  endWalk(false);
  // An instruction that faulted counts as one, like INT n and invalid opcodes, which their block has counted: a handler
  // that faults at once would otherwise loop for ever without reaching a deadline.
  if (faulted_ || translating_) budget()--;
  faulted_ = translating_ = false;
  deliveredInStep_ = true;
  if (page_[PAGE_CATCH] == 0) {
    if (stackHasEnded()) shutDown();
    if (env<int32_t>(ENV_EXCEPTION_IS_INT) != 0) env<uint64_t>(ENV_EIP) = interruptEip_;
    delivering_ = true;
    return true;
  }
  page_[PAGE_VECTOR] = vector;
  page_[PAGE_ERROR_CODE] = env<uint32_t>(ENV_ERROR_CODE);
  env<int32_t>(ENV_OLD_EXCEPTION) = -1;
  if (step_ == Step::Running) {
    budget() = savedBudget_ - (1 - budget());
    step_ = Step::None;
  }
  answeredCount_ = answeredNext_ = 0;
  park(Park::Boundary, EXIT_EXCEPTION);
  return false;
}

void Vcpu::halt(int length) {
  env<uint64_t>(ENV_EIP) += static_cast<uint64_t>(length);
  env<uint32_t>(ENV_HFLAGS) &= ~HF_INHIBIT_IRQ;
  halted_ = true;
  cpuField<int32_t>(CPU_EXCEPTION_INDEX) = -1;
  cpu_loop_exit_x86_64(cpu_);
}

}  // namespace trapline
