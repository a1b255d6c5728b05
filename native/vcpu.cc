// SPDX-License-Identifier: GPL-2.0-only
// Class Vcpu: life cycle, run(), the main-loop boundary, and the answered-access replay.
#include "vcpu.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <utility>

extern "C" void* __real_memory_mapping(void* uc, uint64_t address);

namespace trapline {
using namespace layout;

namespace {
// SAFETY: of a CPU that exists, and that belongs to this thread.
__thread Vcpu* activeVcpu __attribute__((tls_model("initial-exec"))) = nullptr;

template <class T>
T load64(const uint32_t* words) {
  T value;
  std::memcpy(&value, words, 8);
  return value;
}
template <class T>
void store64(uint32_t* words, T value) {
  std::memcpy(words, &value, 8);
}


uint32_t whatOf(uint32_t reason, bool read, uint32_t size, uint64_t address) {
  return reason | (read ? WHAT_READ : 0u) | size << WHAT_SIZE_SHIFT | static_cast<uint32_t>(address) << WHAT_ADDR_SHIFT;
}
}  // namespace

Vcpu* Vcpu::active() { return activeVcpu; }

Vcpu::~Vcpu() {
  dispose();
  if (activeVcpu == this) activeVcpu = nullptr;
}

Vcpu::Vcpu(uint8_t* ram, uint64_t ramBytes, uint32_t* page, uint8_t* marks)
    : ram_(ram), ramBytes_(ramBytes), page_(page), dirty_(marks), hasCode_(marks + (ramBytes >> 12)) {}

namespace {
constexpr uint32_t INVALID_OPCODE = 6;
constexpr uint32_t IRQ_WINDOW = ~1u;

void onException(uc_engine*, uint32_t vector, void* self) {
  auto* vcpu = static_cast<Vcpu*>(self);
  if (vcpu->delivered(vcpu->vectorOf(vector))) x86_cpu_do_interrupt_x86_64(vcpu->cpu());
}
bool onInvalid(uc_engine*, void* self) {
  auto* vcpu = static_cast<Vcpu*>(self);
  if (vcpu->delivered(INVALID_OPCODE)) x86_cpu_do_interrupt_x86_64(vcpu->cpu());
  // Returning would stop the emulator whatever we answer; leaving this way continues at the handler.
  field<int32_t>(vcpu->cpu(), CPU_EXCEPTION_INDEX) = -1;
  cpu_loop_exit_x86_64(vcpu->cpu());
}
}  // namespace

const char* Vcpu::open(const std::vector<RamSegment>& segments) {
  segments_ = segments;
  std::sort(segments_.begin(), segments_.end(), [](auto& a, auto& b) { return a.gpa < b.gpa; });
  if (segments_.empty() || segments_.size() > 250) return "between 1 and 250 RAM segments are possible";
  uint64_t end = 0;
  for (const RamSegment& s : segments_) {
    if (((s.gpa | s.bytes | s.offset) & 4095) != 0 || s.bytes == 0) return "a RAM segment is not made of whole pages";
    if (s.gpa < end || s.gpa + s.bytes > FOUR_GIB) return "RAM segments overlap or exceed 4 GiB";
    if (s.offset + s.bytes > ramBytes_) return "a RAM segment lies outside the RAM buffer";
    end = s.gpa + s.bytes;
  }
  void* map = mmap(nullptr, FOUR_GIB >> 12, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED) return "no memory for the page map";
  ramPage_ = static_cast<uint8_t*>(map);
  std::memset(hasCode_, 0, ramBytes_ >> 12);
  answered_.resize(MAX_ACCESSES);

  if (uc_open(UC_ARCH_X86, UC_MODE_32, &uc_) != UC_ERR_OK) {
    uc_ = nullptr;
    return "the emulator library could not be opened";
  }
  if (uc_context_alloc(uc_, &context_) != UC_ERR_OK) return "no memory for a CPU state";
  // With exits enabled and none set, uc_emu_start() has no end address and restarts cost no block.
  uc_ctl_exits_enable(uc_);
  field<uint8_t>(uc_, UC_NO_EXIT_REQUEST) = 1;
  uc_hook hook;
  if (uc_hook_add(uc_, &hook, UC_HOOK_INTR, reinterpret_cast<void*>(onException), this, 1, 0) != UC_ERR_OK ||
      uc_hook_add(uc_, &hook, UC_HOOK_INSN_INVALID, reinterpret_cast<void*>(onInvalid), this, 1, 0) != UC_ERR_OK) {
    return "the emulator library refused a hook";
  }

  uint64_t covered = 0;
  auto mapGap = [&](uint64_t from, uint64_t to, uint64_t base = 0) -> bool {
    if (from >= to) return true;
    gaps_.push_back(std::make_unique<Gap>(Gap{this, from}));
    return uc_mmio_map(uc_, base + from, to - from, gapRead, gaps_.back().get(), gapWrite, gaps_.back().get()) == UC_ERR_OK;
  };
  for (size_t i = 0; i < segments_.size(); i++) {
    const RamSegment& s = segments_[i];
    if (!mapGap(covered, s.gpa)) return "the emulator library refused a device region";
    if (uc_mem_map_ptr(uc_, s.gpa, s.bytes, UC_PROT_ALL, ram_ + s.offset) != UC_ERR_OK) return "the emulator library refused RAM";
    // Mapped read-only from the start, the library would take note of it and let the guest write all the same.
    if (!s.writable && uc_mem_protect(uc_, s.gpa, s.bytes, UC_PROT_READ | UC_PROT_EXEC) != UC_ERR_OK) {
      return "the emulator library refused a ROM";
    }
    std::memset(ramPage_ + (s.gpa >> 12), static_cast<int>(i + 1), s.bytes >> 12);
    covered = s.gpa + s.bytes;
  }
  if (!mapGap(covered, FOUR_GIB) || !mapGap(0, LOW_MEMORY, FOUR_GIB)) return "the emulator library refused a device region";
  for (RamSegment& s : segments_) {
    s.ramAddress = qemu_ram_addr_from_host_x86_64(uc_, ram_ + s.offset);
    if (qemu_map_ram_ptr_x86_64(uc_, nullptr, s.ramAddress) != ram_ + s.offset) return "the emulator library does not find its RAM";
  }

  // Asked for by virtual address, the library's own check for "mapped" knows nothing of paging: it is always answered
  // with a mapping that allows everything, and the TLB decides.
  for (const RamSegment& s : segments_) {
    if (s.writable && anyMapping_ == nullptr) anyMapping_ = __real_memory_mapping(uc_, s.gpa);
  }
  if (anyMapping_ == nullptr) return "no writable RAM segment";
  cpu_ = field<void*>(uc_, UC_CPU);
  field<Vcpu*>(cpu_, CPU_OPAQUE) = this;
  // A request that is never taken makes the main loop call boundary() between blocks.
  field<uint32_t>(cpu_, CPU_INTERRUPT_REQUEST) |= INTERRUPT_HARD;
  page_[PAGE_IRQ_VECTOR] = ~0u;
  budget() = 0;
  applyReset();
  stopAtBoundary_ = true;
  fiber_.sayWhat(page_ + PAGE_WHAT);
  if (!fiber_.create(STACK_BYTES, &Vcpu::body, this)) return "no memory for the emulator's stack";
  enterFiber();
  if (park_ != Park::Boundary || ended_ != EXIT_NONE) return "the emulator library did not reach its main loop";
  powerOn_.resize(stateBytes());
  save(powerOn_.data());
  return nullptr;
}

void Vcpu::dispose() {
  if (context_ != nullptr) uc_context_free(std::exchange(context_, nullptr));
  if (uc_ != nullptr) uc_close(std::exchange(uc_, nullptr));
  fiber_.destroy();
  if (ramPage_ != nullptr) munmap(std::exchange(ramPage_, nullptr), FOUR_GIB >> 12);
  cpu_ = nullptr;
}

// Runs on the fiber for the CPU's whole life. uc_emu_start() returns only on a triple fault or an error of the library.
void Vcpu::body(void* self) {
  auto* vcpu = static_cast<Vcpu*>(self);
  for (;;) {
    const uc_err error = uc_emu_start(vcpu->uc_, static_cast<uint32_t>(vcpu->env<uint64_t>(ENV_EIP)), 0, 0, 0);
    vcpu->step_ = Step::None;
    vcpu->answeredCount_ = vcpu->answeredNext_ = 0;
    vcpu->park_ = Park::Boundary;
    if (vcpu->ended_ == EXIT_NONE) {
      vcpu->ended_ = EXIT_UNSUPPORTED;
      vcpu->page_[PAGE_UNSUPPORTED] = UNSUPPORTED_ENGINE;
      store64<uint64_t>(vcpu->page_ + PAGE_DATA, static_cast<uint64_t>(error));
    }
    while (vcpu->ended_ != EXIT_NONE) {
      vcpu->sayExit(vcpu->ended_);
      vcpu->leaveFiber();
    }
    vcpu->stopAtBoundary_ = true;  // after reset() or restore(): park before the first instruction
  }
}

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
  activeVcpu = this;
  onFiber_ = true;
}

uint32_t Vcpu::run() {
  if (prepare()) enterFiber();
  return page_[PAGE_WHAT] & WHAT_REASON;
}

Vcpu::TrapStart Vcpu::fiberToEnter(bool answered, uint32_t data) {
  uint32_t* const page = page_;
  if (answered) {
    page[PAGE_DATA] = data;
    page[PAGE_DATA + 1] = 0;
    // What prepare() does for an answer, where nothing but the answer is wanted.
    if (__builtin_expect(park_ == Park::Trap && step_ == Step::None && ended_ == EXIT_NONE && budget() >= 0 &&
                             page[PAGE_IRQ_VECTOR] == ~0u && load64<double>(page + PAGE_DEADLINE) == deadline_ &&
                             !kick_.load(std::memory_order_relaxed),
                         1)) {
      page[PAGE_SYNCED] = page[PAGE_COUNTED] = 0;
      page[PAGE_CHARGE] = 0;
      page[PAGE_ACTION] = ACTION_RETRY;
      stopAfterStep_ = false;
      resume_ = Resume::Answer;
      entering();
      return {&fiber_, 0};
    }
    page[PAGE_ACTION] = ACTION_ANSWER;
  }
  if (!prepare()) return {nullptr, page[PAGE_WHAT]};
  entering();
  return {&fiber_, 0};
}

// Everything that comes before the switch to the fiber. False: there is nothing to run, the page has the reason.
bool Vcpu::prepare() {
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

// The main loop, between two blocks: the only place where the CPU is stopped other than at a trap.
bool Vcpu::boundary() {
  wrapIp();
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
  const uint32_t flags = cpuField<uint32_t>(CPU_CFLAGS_NEXT_TB);
  if (budget() < MAX_BLOCK && (flags == ~0u || (flags & 0x7fff) > budget())) {
    // The last instructions before the deadline: a block of exactly as many.
    cpuField<uint32_t>(CPU_CFLAGS_NEXT_TB) = static_cast<uint32_t>(budget());
    changed = true;
  }
  return changed;
}

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

namespace {
// By size: the bits of an access.
constexpr uint64_t LANES[5] = {0, 0xff, 0xffff, 0, 0xffffffff};
}  // namespace

// An IN or OUT that is no string instruction, up to the switch of stacks in trap_entry.cc. It is the only access of its
// instruction: no answers are kept, and its flags are what they were.
Vcpu::TrapStart Vcpu::portBegins(uint32_t port, uint32_t value, uint32_t what, uintptr_t retaddr) {
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
  return trapBegins(what | port << WHAT_ADDR_SHIFT, port, value, retaddr);
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
  return trapBegins(what | static_cast<uint32_t>(gpa) << WHAT_ADDR_SHIFT, gpa, value, retaddr);
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
  if (__builtin_expect(page[PAGE_COUNTS] != 0, 0)) syncCount();
  leaving();
  return {&fiber_, reinterpret_cast<uintptr_t>(this)};
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

void Vcpu::rollback() {
  if (ended_ != EXIT_NONE || (park_ == Park::Boundary && step_ == Step::None)) return;
  page_[PAGE_ACTION] = ACTION_ROLLBACK;
  run();
}

void Vcpu::requestKick() {
  kick_.store(true);
  __atomic_store_n(&field<uint16_t>(cpu_, CPU_ICOUNT_DECR_HIGH), static_cast<uint16_t>(0xffff), __ATOMIC_SEQ_CST);
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

void Vcpu::reset() {
  rollback();
  const double count = instructionCount();
  restore(powerOn_.data(), powerOn_.size());
  budget() -= static_cast<int64_t>(count);  // the saved state's own count is 0
}

// F000:FFF0 with the base of the reset vector, as after power-on.
void Vcpu::applyReset() {
  void* state = envOf(cpu_);
  cpu_x86_update_cr0_x86_64(state, 0x60000010);
  cpu_x86_update_cr4_x86_64(state, 0);
  for (int i = 0; i < 8; i++) env<uint64_t>(ENV_REGS + 8 * i) = 0;
  env<uint64_t>(ENV_REGS + 8 * 2) = 0x600;  // EDX: family 6
  for (int i = SEG_ES; i <= SEG_GS; i++) segment(i) = Segment{0, 0, 0, 0xffff, 0x9300};
  segment(SEG_CS) = Segment{0xf000, 0, 0xffff0000, 0xffff, 0x9b00};
  env<Segment>(ENV_GDT) = Segment{0, 0, 0, 0xffff, 0};
  env<Segment>(ENV_IDT) = Segment{0, 0, 0, 0x3ff, 0};
  uint32_t& hidden = env<uint32_t>(ENV_HFLAGS);
  hidden = (hidden & ~(HF_CPL_MASK | HF_CS32 | HF_SS32 | HF_PE | HF_CS64 | HF_INHIBIT_IRQ)) | HF_ADDSEG;
  env<uint64_t>(ENV_EFLAGS) = 2;  // before the main loop is entered the flags are whole
  env<uint64_t>(ENV_EIP) = 0xfff0;
  env<int32_t>(ENV_OLD_EXCEPTION) = -1;
  // The library leaves 0 in both. Tags and status are those of power-on.
  const uint64_t control = 0x40;
  const uint64_t mxcsr = 0x1f80;
  uc_reg_write(uc_, UC_X86_REG_FPCW, &control);
  uc_reg_write(uc_, UC_X86_REG_MXCSR, &mxcsr);
  page_[PAGE_A20] = 1;
}

}  // namespace trapline
