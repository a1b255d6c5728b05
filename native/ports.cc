// SPDX-License-Identifier: GPL-2.0-only
// Class Vcpu: which ports the guest may use, and INS and OUTS.
#include "vcpu.h"

namespace trapline {
using namespace layout;

namespace {
constexpr int RCX = 1, RSI = 6, RDI = 7;
}  // namespace

// The library never looks at IOPL or the I/O permission bitmap; a processor does, before the access.
void Vcpu::checkPortPermission(uint32_t port, uint32_t size, uintptr_t retaddr) {
  const auto flags = static_cast<uint32_t>(env<uint64_t>(ENV_EFLAGS));
  const uint32_t hidden = env<uint32_t>(ENV_HFLAGS);
  const bool virtual8086 = (flags & (1u << 17)) != 0;
  if (!virtual8086 && (hidden & HF_CPL_MASK) <= ((flags >> 12) & 3)) return;
  const Segment& tr = env<Segment>(ENV_TR);
  const auto byteAt = [&](uint64_t offset) -> uint32_t {
    if (offset > tr.limit) return 0xff;
    const uint64_t gpa = physical(static_cast<uint32_t>(tr.base + offset));
    return gpa != ~0ull && isRam(gpa) ? *hostOf(gpa) : 0xff;
  };
  const uint32_t type = (tr.flags >> 8) & 15;
  if ((type == 9 || type == 11) && tr.limit >= 103) {
    const uint32_t bitmap = byteAt(0x66) | byteAt(0x67) << 8;
    const uint32_t bits = byteAt(bitmap + port / 8) | byteAt(bitmap + port / 8 + 1) << 8;
    if (((bits >> (port & 7)) & ((1u << size) - 1)) == 0) return;
  }
  privileged(retaddr);
}

// INS or OUTS, one element.
uint64_t Vcpu::stringAccess(bool read, uint32_t port, uint32_t size, uint32_t value, uintptr_t retaddr) {
  if ((env<uint32_t>(ENV_HFLAGS) & HF_PE) != 0) checkPortPermission(port, size, retaddr);
  __real_cpu_restore_state_x86_64(cpu_, retaddr, false);
  if (answeredNext_ == answeredCount_) {
    decodeString();
    if (read) checkInsDestination(size, retaddr);
  }
  if (read && paging()) {
    // The destination must be writable before the device is asked: a processor faults first.
    const uint32_t width = page_[PAGE_STRING + STRING_ADDR_SIZE] == 2 ? 0xffffu : 0xffffffffu;
    const uint64_t linear = static_cast<uint32_t>(segment(SEG_ES).base + (env<uint64_t>(ENV_REGS + 8 * 7) & width));
    const uint32_t first = 4096 - (linear & 4095);
    probe_access_x86_64(envOf(cpu_), linear, static_cast<int>(size < first ? size : first), ACCESS_STORE, mmuIndex(), retaddr);
    if (size > first) {
      probe_access_x86_64(envOf(cpu_), static_cast<uint32_t>(linear + first), static_cast<int>(size - first), ACCESS_STORE, mmuIndex(), retaddr);
    }
  }
  return access(EXIT_PIO_STRING, read, size, port & 0xffff, 0, value, retaddr);
}

// The owner has carried out the INS or OUTS at `retaddr`, which page_ describes: on behind it. What it counts for is
// charged by the owner.
void Vcpu::stringDone(uintptr_t retaddr) {
  uncount(retaddr);
  __real_cpu_restore_state_x86_64(cpu_, retaddr, true);
  const uint32_t* words = page_ + PAGE_STRING;
  const auto set = [&](int index, uint32_t value) {
    auto& reg = env<uint64_t>(ENV_REGS + 8 * index);
    // As any 32-bit result, a 32-bit index or count clears what is above it.
    reg = words[STRING_ADDR_SIZE] == 2 ? (reg & ~0xffffull) | (value & 0xffff) : value;
  };
  const uint32_t bytes = words[STRING_COUNT] * words[STRING_SIZE];
  const uint32_t moved = words[STRING_DF] != 0 ? 0 - bytes : bytes;
  if (words[STRING_OP] == KIND_OUTS) set(RSI, words[STRING_SRC_INDEX] + moved);
  else set(RDI, words[STRING_DST_INDEX] + moved);
  if (words[STRING_REP] != 0) set(RCX, 0);
  env<uint64_t>(ENV_EIP) += words[STRING_LENGTH];
  env<uint32_t>(ENV_HFLAGS) &= ~HF_INHIBIT_IRQ;
  cpuField<int32_t>(CPU_EXCEPTION_INDEX) = -1;
  cpu_loop_exit_x86_64(cpu_);
}

}  // namespace trapline
