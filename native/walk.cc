// SPDX-License-Identifier: GPL-2.0-only
// Class Vcpu: what the library does while it looks for a page or a gate, and a processor does not.
#include <utility>

#include "vcpu.h"

extern "C" void __real_x86_stl_phys_notdirty_x86_64(void* cpu, uint64_t address, uint32_t value);

namespace trapline {
using namespace layout;

// The page walk notes "accessed" in a directory's entry before it has looked at the table's. A 386 leaves it when the walk
// ends in a page fault: what is noted waits until the page is found.
void Vcpu::noteInWalk(uint64_t address, uint32_t value) {
  endWalk(true);
  noted_ = {address, value, true};
}

void Vcpu::endWalk(bool found) {
  if (!std::exchange(noted_.pending, false) || !found) return;
  __real_x86_stl_phys_notdirty_x86_64(cpu_, noted_.address, noted_.value);
  walked(noted_.address);
}

// Of a 16-bit gate the offset is a word; the library takes the upper half of its second word as well. True where `value`
// is that second word, read for a delivery (no return address), or by a far CALL or JMP.
uint32_t Vcpu::gateWord(uint64_t linear, uint32_t value, uintptr_t retaddr) {
  constexpr uint32_t TYPE = 0x1f00, CALL_GATE = 0x400, INTERRUPT_GATE = 0x600, TRAP_GATE = 0x700;
  const auto isSecondOf = [&](size_t table) {
    const uint64_t at = linear - env<Segment>(table).base;
    return at <= env<Segment>(table).limit && (at & 7) == 4;
  };
  const uint32_t type = value & TYPE;
  if (retaddr == 0) {
    const bool gate = delivering_ && (type == INTERRUPT_GATE || type == TRAP_GATE) && isSecondOf(ENV_IDT);
    return gate ? value & 0xffff : value;
  }
  if (type != CALL_GATE || (!isSecondOf(ENV_GDT) && !isSecondOf(ENV_LDT))) return value;
  __real_cpu_restore_state_x86_64(cpu_, retaddr, false);
  const int opcode = opcodeAt(segment(SEG_CS).base + env<uint64_t>(ENV_EIP));
  return opcode == 0x9a || opcode == 0xea || opcode == 0xff ? value & 0xffff : value;
}

}  // namespace trapline
