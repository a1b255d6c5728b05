// SPDX-License-Identifier: GPL-2.0-only
// Class Vcpu: what PUSHA and ENTER look at on the stack. The library stores PUSHA's registers upwards, so that those below
// one that faults would be in memory already; and it does not look where ENTER's last stack pointer points to.
#include <algorithm>

#include "tcg_ops.h"
#include "vcpu.h"

extern "C" {
void trapline_push_all(void* env, uint64_t size) {
  trapline::Vcpu::ofEnv(env)->pushAll(size, reinterpret_cast<uintptr_t>(__builtin_return_address(0)));
}
void trapline_probe_frame(void* env, uint64_t frame) {
  trapline::Vcpu::ofEnv(env)->probeFrame(frame, reinterpret_cast<uintptr_t>(__builtin_return_address(0)));
}
}

namespace trapline {
using namespace layout;

namespace {
constexpr int REGISTERS = 8;
constexpr int RSP = 4;
constexpr uint64_t PAGE = 4096;
}  // namespace

// Raises what a store to the stack would raise, and stores nothing.
void Vcpu::probeStack(uint64_t offset, uint64_t size, uintptr_t retaddr) {
  if (!hasRoom(SEG_SS, offset, size, true)) overLimit(SEG_SS, retaddr);
  if (!paging()) return;
  const uint64_t linear = static_cast<uint32_t>(segment(SEG_SS).base + offset);
  const uint64_t here = std::min(size, PAGE - (linear & (PAGE - 1)));
  probe_access_x86_64(envOf(cpu_), linear, static_cast<int>(here), ACCESS_STORE, mmuIndex(), retaddr);
  if (here == size) return;
  probe_access_x86_64(envOf(cpu_), static_cast<uint32_t>(linear + here), static_cast<int>(size - here), ACCESS_STORE, mmuIndex(), retaddr);
}

// Before PUSHA. With 16 bits in real mode only a frame that goes on at the top of the segment can be beyond it.
void Vcpu::beginPushAll(const Head& head) {
  if (head.twoBytes || head.opcode != PUSHA || head.lock) return;
  auto* tcg = field<char*>(uc_, UC_TCG_CTX);
  const auto base = reinterpret_cast<uintptr_t>(tcg);
  void* fits = nullptr;
  if ((env<uint32_t>(ENV_HFLAGS) & (HF_PE | HF_SS32)) == 0) {
    const uintptr_t top = newTemp();
    tcg_gen_op2_x86_64(tcg, OP_EXT16U_I64, base + top, base + field<uintptr_t>(tcg, TCG_CPU_REGS + 8 * RSP));
    const uintptr_t frame = tcg_const_i64_x86_64(tcg, REGISTERS * head.operandBytes - 1);
    fits = gen_new_label_x86_64(tcg);
    tcg_gen_brcond_i64_x86_64(tcg, COND_LT, frame, top, fits);
    dropTemp(frame);
    dropTemp(top);
  }
  const uintptr_t size = tcg_const_i64_x86_64(tcg, head.operandBytes);
  emitCall(reinterpret_cast<void*>(&trapline_push_all), size);
  dropTemp(size);
  if (fits != nullptr) placeLabel(fits);
}

// If one of the stores is going to fault, this one does, with what comes before it on a processor in memory.
void Vcpu::pushAll(uint64_t size, uintptr_t retaddr) {
  const Segment& ss = segment(SEG_SS);
  const uint64_t esp = env<uint64_t>(ENV_REGS + 8 * RSP);
  const uint64_t bytes = REGISTERS * size;
  const uint64_t low = (esp - bytes) & stackMask();
  const uint64_t linear = static_cast<uint32_t>(ss.base + low);
  if (low + bytes - 1 <= stackMask() && hasRoom(SEG_SS, low, bytes, true) && (linear & (PAGE - 1)) + bytes <= PAGE &&
      (!paging() || tlb_vaddr_to_host_x86_64(envOf(cpu_), linear, ACCESS_STORE, mmuIndex()) != nullptr)) {
    return;
  }
  const auto slot = [&](uint64_t i) { return (esp - (i + 1) * size) & stackMask(); };
  // Where a device is met nothing of the instruction has happened.
  bool stores = true;
  for (uint64_t i = 0; i < REGISTERS && hasRoom(SEG_SS, slot(i), size, true); i++) {
    const uint64_t gpa = physical(static_cast<uint32_t>(ss.base + slot(i)));
    if (gpa == ~0ull) break;
    stores &= isRam(gpa);
  }
  for (uint64_t i = 0; i < REGISTERS; i++) {
    probeStack(slot(i), size, retaddr);
    if (stores) storeParts(1, static_cast<uint32_t>(ss.base + slot(i)), static_cast<uint32_t>(size), env<uint64_t>(ENV_REGS + 8 * i), mmuIndex(), retaddr);
  }
}

// What ENTER's last stack pointer is below the first, and the size of what could be pushed there.
uint64_t Vcpu::frameOf(const Head& head) {
  const uint64_t levels = codeWord(head.at + 2, 1) & 31;
  return (head.operandBytes * (1 + levels) + codeWord(head.at, 2)) << 3 | head.operandBytes;
}

void Vcpu::probeFrame(uint64_t frame, uintptr_t retaddr) {
  probeStack((env<uint64_t>(ENV_REGS + 8 * RSP) - (frame >> 3)) & stackMask(), frame & 7, retaddr);
}

// Behind the last store of ENTER, before registers change.
void Vcpu::probeEnter(void* before) {
  void* store = nullptr;
  auto* tcg = field<char*>(uc_, UC_TCG_CTX);
  for (void* op = before == nullptr ? firstOp(tcg) : opBehind(before); op != nullptr; op = opBehind(op)) {
    if (codeOf(op) == OP_QEMU_ST_I32 || codeOf(op) == OP_QEMU_ST_I64) store = op;
  }
  if (store == nullptr) return;
  emitCall(reinterpret_cast<void*>(&trapline_probe_frame), enterFrame_);
  moveLast(opBehind(store));
}

}  // namespace trapline
