// SPDX-License-Identifier: GPL-2.0-only
// Class Vcpu: what an access of device memory is, in whole and in parts, and where in its block an access stands.
#include <algorithm>
#include <cstring>
#include <utility>

#include "vcpu.h"

namespace trapline {
using namespace layout;

extern "C" uint64_t __real_helper_ret_ldub_mmu_x86_64(void*, uint64_t, uint32_t, uintptr_t);
extern "C" void __real_helper_ret_stb_mmu_x86_64(void*, uint64_t, uint8_t, uint32_t, uintptr_t);

namespace {
constexpr int GP_FAULT = 13;

// The side table of a block is a sequence of signed LEB128 numbers.
int64_t takeSleb128(const uint8_t** at) {
  const uint8_t* p = *at;
  int64_t value = 0;
  int shift = 0;
  uint8_t byte;
  do {
    byte = *p++;
    value |= static_cast<int64_t>(byte & 0x7f) << shift;
    shift += 7;
  } while ((byte & 0x80) != 0);
  if (shift < 64 && (byte & 0x40) != 0) value |= -(static_cast<int64_t>(1) << shift);
  *at = p;
  return value;
}
}  // namespace

// Index of the instruction at `retaddr` inside its block, and how many instructions the block was counted for.
uint32_t Vcpu::blockIndex(uintptr_t retaddr, uint32_t* blockCount) {
  void* tcg = field<void*>(uc_, UC_TCG_CTX);
  void* tb = tcg_tb_lookup_x86_64(tcg, retaddr);
  if (tb == nullptr) {
    *blockCount = 0;
    return 0;
  }
  const uint32_t count = field<uint16_t>(tb, TB_ICOUNT);
  *blockCount = count;
  auto hostPc = reinterpret_cast<uintptr_t>(field<void*>(tb, TB_CODE));
  const auto* table = reinterpret_cast<const uint8_t*>(hostPc) + field<size_t>(tb, TB_CODE_SIZE);
  const uintptr_t searched = retaddr - 2;  // a return address points behind the call
  for (uint32_t i = 0; i < count; i++) {
    for (int word = 0; word < INSN_START_WORDS; word++) takeSleb128(&table);
    hostPc += static_cast<uintptr_t>(takeSleb128(&table));
    if (hostPc > searched) return i;
  }
  return count;
}

// How many instructions of its block, for all of which it was counted, were not executed when it is left at `retaddr`.
// Remembered by place: looking the block up costs more than an access.
uint32_t Vcpu::notExecuted(uintptr_t retaddr) {
  // Two places for each: those that share one would take it from each other with every access.
  const size_t at = siteIndex(retaddr);
  Site& known = sites_[at];
  if (known.retaddr == retaddr) return known.rest;
  Site& other = sites_[at ^ 1];
  if (other.retaddr == retaddr) return other.rest;
  other = known;
  uint32_t count = 0;
  const uint32_t index = blockIndex(retaddr, &count);
  known = {retaddr, count - index};
  return known.rest;
}

// Before the translation `tb` is executed. Lower than the one before it, it may stand where others have stood.
void Vcpu::forgetSites(void* tb) {
  if (tb <= lastBlock_) std::fill(sites_.begin(), sites_.end(), Site{0, 0});
  lastBlock_ = tb;
}

void Vcpu::uncount(uintptr_t retaddr) { budget() += notExecuted(retaddr); }

void Vcpu::uncountAfter(uintptr_t retaddr) {
  uncount(retaddr);
  budget()--;
}

void Vcpu::privileged(uintptr_t retaddr) {
  // Through the wrapped restore, which does the counting.
  raise_exception_err_ra_x86_64(envOf(cpu_), GP_FAULT, 0, retaddr);
}

void Vcpu::restart(uintptr_t retaddr) {
  __real_cpu_restore_state_x86_64(cpu_, retaddr, true);
  undoPopa();
  cpuField<int32_t>(CPU_EXCEPTION_INDEX) = -1;
  cpu_loop_exit_x86_64(cpu_);
}

void Vcpu::undoPopa() {
  if (atPopa()) std::memcpy(&env<uint64_t>(ENV_REGS), &cpuField<uint64_t>(CPU_JMP_ENV), 8 * 8);
}

int Vcpu::mmuIndex() {
  const uint32_t hidden = env<uint32_t>(ENV_HFLAGS);
  if ((hidden & HF_CPL_MASK) == 3) return 1;
  return (hidden & (1u << 23)) == 0 || (env<uint64_t>(ENV_EFLAGS) & (1u << 18)) != 0 ? 2 : 0;
}

// --- memory ---

bool Vcpu::isDevice(uint64_t linear, uint32_t size, bool store, int mmu, uintptr_t retaddr) {
  if (!paging()) {
    const int64_t mask = env<int32_t>(ENV_A20_MASK);
    const uint64_t first = static_cast<uint32_t>(linear) & mask;
    const uint64_t last = static_cast<uint32_t>(linear + size - 1) & mask;
    return ramPage_[first >> 12] == 0 || ramPage_[last >> 12] == 0;
  }
  const uint32_t room = 4096 - (linear & 4095);
  const uint32_t head = size < room ? size : room;
  const int kind = store ? ACCESS_STORE : ACCESS_LOAD;
  // Fills the TLB, raises the guest's fault if there is one, and is null for anything that is not plain RAM.
  bool device = probe_access_x86_64(envOf(cpu_), linear, static_cast<int>(head), kind, mmu, retaddr) == nullptr &&
                !isRam(physical(linear));
  if (head < size) {
    const uint64_t next = static_cast<uint32_t>(linear + head);
    device |= probe_access_x86_64(envOf(cpu_), next, static_cast<int>(size - head), kind, mmu, retaddr) == nullptr &&
              !isRam(physical(next));
  }
  return device;
}

uint64_t Vcpu::mmioLoad(uint64_t linear, uint32_t size, int mmu, uintptr_t retaddr) {
  if (reorderedTranslated_ && cmpsAhead(linear, size, mmu, retaddr)) return cmpsValue_;
  return loadParts(linear, size, mmu, retaddr);
}

// CMPS: the library loads ES:DI first, a processor the other operand. If both are device memory, that one is read ahead
// at the first load, and true says that its own load has come.
bool Vcpu::cmpsAhead(uint64_t linear, uint32_t size, int mmu, uintptr_t retaddr) {
  __real_cpu_restore_state_x86_64(cpu_, retaddr, false);
  uint64_t source = 0;
  uint64_t destination = 0;
  if (!cmpsOperands(&source, &destination) || source == destination) return false;
  if (!isDevice(source, size, false, mmu, retaddr) || !isDevice(destination, size, false, mmu, retaddr)) return false;
  if (linear == static_cast<uint32_t>(destination)) cmpsValue_ = loadParts(source, size, mmu, retaddr);
  return linear == source;
}

uint64_t Vcpu::loadParts(uint64_t linear, uint32_t size, int mmu, uintptr_t retaddr) {
  const uint32_t room = 4096 - (linear & 4095);
  uint64_t value = 0;
  for (uint32_t done = 0; done < size;) {
    const uint32_t part = done == 0 && size > room ? room : size - done;
    const uint64_t at = static_cast<uint32_t>(linear + done);
    const uint64_t gpa = physical(at);
    uint64_t bits = 0;
    if (isRam(gpa)) {
      for (uint32_t i = 0; i < part; i++) {
        bits |= __real_helper_ret_ldub_mmu_x86_64(envOf(cpu_), at + i, static_cast<uint32_t>(mmu), retaddr) << (8 * i);
      }
    } else {
      bits = access(EXIT_MMIO, true, part, gpa, at, 0, retaddr);
      if (part < 8) bits &= (1ull << (8 * part)) - 1;
    }
    value |= bits << (8 * done);
    done += part;
  }
  return value;
}

// Device parts first: as long as one of them can still send the instruction back to its start, RAM is untouched.
void Vcpu::mmioStore(uint64_t linear, uint32_t size, uint64_t value, int mmu, uintptr_t retaddr) {
  if (reorderedTranslated_ && pushaDownwards(linear, size, value, mmu, retaddr)) return;
  for (int pass = 0; pass < 2; pass++) storeParts(pass, linear, size, value, mmu, retaddr);
}

// PUSHA: the library stores EDI first and goes up, a processor EAX and goes down. With the first store that meets a
// device all device parts are written in the processor's order, with the later ones only what is RAM.
bool Vcpu::pushaDownwards(uint64_t linear, uint32_t size, uint64_t value, int mmu, uintptr_t retaddr) {
  __real_cpu_restore_state_x86_64(cpu_, retaddr, false);
  if (opcodeAt(segment(SEG_CS).base + env<uint64_t>(ENV_EIP)) != PUSHA) return false;
  const Segment& ss = segment(SEG_SS);
  const uint64_t mask = (ss.flags >> 22 & 1) != 0 ? 0xffffffffu : 0xffffu;
  const auto slot = [&](int i) {
    const uint64_t offset = env<uint64_t>(ENV_REGS + 8 * 4) - static_cast<uint64_t>(8 - i) * size;
    return static_cast<uint64_t>(static_cast<uint32_t>(ss.base + (offset & mask)));
  };
  int lowest = 8;
  for (int i = 7; i >= 0; i--) {
    if (isDevice(slot(i), size, true, mmu, retaddr)) lowest = i;
  }
  for (int i = 7; i >= lowest && linear == slot(lowest); i--) {
    if (isDevice(slot(i), size, true, mmu, retaddr)) storeParts(0, slot(i), size, env<uint64_t>(ENV_REGS + 8 * (7 - i)), mmu, retaddr);
  }
  storeParts(1, linear, size, value, mmu, retaddr);
  return true;
}

void Vcpu::storeParts(int pass, uint64_t linear, uint32_t size, uint64_t value, int mmu, uintptr_t retaddr) {
  const uint32_t room = 4096 - (linear & 4095);
  for (uint32_t done = 0; done < size;) {
    const uint32_t part = done == 0 && size > room ? room : size - done;
    const uint64_t at = static_cast<uint32_t>(linear + done);
    const uint64_t gpa = physical(at);
    uint64_t bits = value >> (8 * done);
    if (part < 8) bits &= (1ull << (8 * part)) - 1;
    if (isRam(gpa)) {
      for (uint32_t i = 0; pass == 1 && i < part; i++) {
        __real_helper_ret_stb_mmu_x86_64(envOf(cpu_), at + i, static_cast<uint8_t>(bits >> (8 * i)), static_cast<uint32_t>(mmu), retaddr);
      }
    } else if (pass == 0) {
      access(EXIT_MMIO, false, part, gpa, at, bits, retaddr);
    }
    done += part;
  }
}

// Accesses that reach a device region through the library's own path: page walks, and instruction fetch.
uint64_t Vcpu::physicalAccess(bool read, uint64_t gpa, uint32_t size, uint64_t value) {
  if (translating_) {
    fetchedDevice_ = true;
    fetchAddress_ = gpa;
    return ~0ull;
  }
  // Consumed at once: a page walk reaches this place too, and must not find the address of an earlier access.
  const uintptr_t retaddr = std::exchange(cpuField<uintptr_t>(CPU_MEM_IO_PC), 0);
  if (tcg_tb_lookup_x86_64(field<void*>(uc_, UC_TCG_CTX), retaddr) == nullptr) {
    if (onFiber_) leaveUnsupported(UNSUPPORTED_CONTEXT, gpa);
    return ~0ull;
  }
  return access(EXIT_MMIO, read, size, gpa, gpa, value, retaddr);
}

uint64_t Vcpu::gapRead(uc_engine*, uint64_t offset, unsigned size, void* gap) {
  auto* g = static_cast<Gap*>(gap);
  return g->vcpu->physicalAccess(true, g->gpa + offset, size, 0);
}
void Vcpu::gapWrite(uc_engine*, uint64_t offset, unsigned size, uint64_t value, void* gap) {
  auto* g = static_cast<Gap*>(gap);
  g->vcpu->physicalAccess(false, g->gpa + offset, size, value);
}

void Vcpu::stored(uint64_t linear, int mmu) {
  auto* host = static_cast<uint8_t*>(tlb_vaddr_to_host_x86_64(envOf(cpu_), linear, ACCESS_LOAD, mmu));
  const auto offset = static_cast<uint64_t>(host - ram_);
  if (host != nullptr && offset < ramBytes_ && hasCode_[offset >> 12] == 0) tlb_set_dirty_x86_64(cpu_, linear);
}

uint64_t Vcpu::tsc(uintptr_t retaddr) {
  int64_t left = budget();
  if (step_ == Step::Running) left = savedBudget_ - (1 - left);
  return static_cast<uint64_t>(static_cast<int64_t>(deadline_) - left - notExecuted(retaddr));
}

}  // namespace trapline
