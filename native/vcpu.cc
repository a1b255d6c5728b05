// SPDX-License-Identifier: GPL-2.0-only
// Class Vcpu: life cycle. How a CPU comes to be, its stack's main function, reset and end.
#include "vcpu.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "words.h"

extern "C" void* __real_memory_mapping(void* uc, uint64_t address);

namespace trapline {
using namespace layout;

// SAFETY: of a CPU that exists, and that belongs to this thread.
__thread Vcpu* Vcpu::active_ __attribute__((tls_model("initial-exec"))) = nullptr;

Vcpu::~Vcpu() {
  dispose();
  if (active_ == this) active_ = nullptr;
}

Vcpu::Vcpu(uint8_t* ram, uint64_t ramBytes, uint32_t* page, uint8_t* marks)
    : ram_(ram), ramBytes_(ramBytes), page_(page), dirty_(marks), hasCode_(marks + (ramBytes >> 12)) {}

namespace {
constexpr uint32_t INVALID_OPCODE = 6;

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
