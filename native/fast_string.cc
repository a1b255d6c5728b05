// SPDX-License-Identifier: GPL-2.0-only
// Class Vcpu: REP MOVS and REP STOS in RAM, many elements at once.
//
// The library repeats such an instruction as a block that jumps to itself, one element each time. In front of it stands a
// call that carries out elements as long as nobody could tell: within one page of RAM and within the segment, no further
// than the instruction budget, and never the last one. Whatever is out of the ordinary, a device, a fault, code that is
// overwritten, the end of the budget or of the instruction, meets the block as before. Each element counts as one
// instruction, as those of the block do.
#include <algorithm>
#include <cstring>

#include "tcg_ops.h"
#include "vcpu.h"

namespace trapline {
using namespace layout;

namespace {
constexpr int RCX = 1, RSI = 6, RDI = 7;
constexpr uint64_t TRAP_FLAG = 0x100;
constexpr uint64_t PAGE = 4096;
constexpr int64_t FEW = 6;  // elements that the block is done with sooner

// The instruction, as the call is told: size of an element, then these.
constexpr uint32_t MOVES = 8;
constexpr uint32_t WIDE = 16;  // 32-bit addresses
constexpr uint32_t SOURCE_SHIFT = 5;

// How many elements lie within the page of the first one.
uint64_t inPage(uint64_t linear, uint64_t size, bool down) {
  const uint64_t at = linear & (PAGE - 1);
  if (at + size > PAGE) return 0;
  return down ? at / size + 1 : (PAGE - at) / size;
}

// And within offsets 0 to `end`.
uint64_t inSegment(uint64_t offset, uint64_t size, bool down, uint64_t end) {
  if (offset + size > end + 1) return 0;
  return down ? offset / size + 1 : (end + 1 - offset) / size;
}

template <class T>
void copyOneByOne(uint8_t* to, const uint8_t* from, uint64_t count, bool down) {
  const int64_t step = down ? -static_cast<int64_t>(sizeof(T)) : static_cast<int64_t>(sizeof(T));
  for (; count > 0; count--, to += step, from += step) {
    T element;
    std::memcpy(&element, from, sizeof element);
    std::memcpy(to, &element, sizeof element);
  }
}

// `to` and `from` are the lowest bytes of all elements.
void copy(uint8_t* to, const uint8_t* from, uint64_t count, uint64_t size, bool down) {
  const uint64_t bytes = count * size;
  const bool intoWhatComes = down ? to < from && from < to + bytes : from < to && to < from + bytes;
  if (!intoWhatComes) {
    std::memmove(to, from, bytes);
    return;
  }
  // Later elements read what earlier ones have written.
  const uint64_t first = down ? bytes - size : 0;
  if (size == 1) copyOneByOne<uint8_t>(to + first, from + first, count, down);
  else if (size == 2) copyOneByOne<uint16_t>(to + first, from + first, count, down);
  else copyOneByOne<uint32_t>(to + first, from + first, count, down);
}

template <class T>
void fillWith(uint8_t* to, uint64_t value, uint64_t count) {
  const T element = static_cast<T>(value);
  for (uint64_t i = 0; i < count; i++) std::memcpy(to + i * sizeof element, &element, sizeof element);
}
void fill(uint8_t* to, uint64_t value, uint64_t count, uint64_t size) {
  if (size == 1) std::memset(to, static_cast<uint8_t>(value), count);
  else if (size == 2) fillWith<uint16_t>(to, value, count);
  else fillWith<uint32_t>(to, value, count);
}

void callFromBlock(void* env, uint64_t instruction) {
  Vcpu::ofEnv(env)->repeatAtOnce(static_cast<uint32_t>(instruction));
}
}  // namespace

// Highest offset of a segment whose bytes are an ordinary stretch from 0 on, and may be accessed; -1: it is none.
int64_t Vcpu::plainEnd(int index, bool store) {
  return limited() ? segment(index).limit : (&cpuField<int64_t>(CPU_ROOMS))[index + (store ? SEGMENTS : 0)];
}

void Vcpu::beginRepeat(const Head& head) {
  const int kind = head.opcode & ~1;
  if (head.twoBytes || !head.repeated || head.lock || (kind != 0xa4 && kind != 0xaa)) return;
  // Somebody waits behind each element, or behind the first.
  if ((env<uint64_t>(ENV_EFLAGS) & TRAP_FLAG) != 0 || (env<uint32_t>(ENV_HFLAGS) & HF_INHIBIT_IRQ) != 0) return;
  const uint32_t size = (head.opcode & 1) != 0 ? head.operandBytes : 1;
  const int prefix = segmentPrefix(head);
  const auto source = static_cast<uint32_t>(prefix >= 0 ? prefix : SEG_DS);
  const uint32_t instruction = size | (kind == 0xa4 ? MOVES : 0) | (head.wideAddress ? WIDE : 0) | source << SOURCE_SHIFT;

  auto* tcg = field<char*>(uc_, UC_TCG_CTX);
  const auto base = reinterpret_cast<uintptr_t>(tcg);
  const uintptr_t left = newTemp();
  tcg_gen_op2_x86_64(tcg, head.wideAddress ? OP_EXT32U_I64 : OP_EXT16U_I64, base + left, base + field<uintptr_t>(tcg, TCG_CPU_REGS + 8 * RCX));
  const uintptr_t few = tcg_const_i64_x86_64(tcg, FEW);
  void* onward = gen_new_label_x86_64(tcg);
  tcg_gen_brcond_i64_x86_64(tcg, COND_LT, left, few, onward);
  const uintptr_t constant = tcg_const_i64_x86_64(tcg, instruction);
  emitCall(reinterpret_cast<void*>(&callFromBlock), constant);
  placeLabel(onward);
  dropTemp(constant);
  dropTemp(few);
  dropTemp(left);
}

void Vcpu::repeatAtOnce(uint32_t instruction) {
  if (paging() || budget() <= 0) return;
  const uint64_t size = instruction & 7;
  const bool moves = (instruction & MOVES) != 0;
  const bool wide = (instruction & WIDE) != 0;
  const int source = static_cast<int>(instruction >> SOURCE_SHIFT);
  const bool down = env<int32_t>(ENV_DF) < 0;
  const uint64_t mask = wide ? 0xffffffff : 0xffff;
  const auto a20 = static_cast<int64_t>(env<int32_t>(ENV_A20_MASK));
  const auto reg = [this](int index) -> uint64_t& { return env<uint64_t>(ENV_REGS + 8 * index); };

  uint64_t count = std::min<uint64_t>((reg(RCX) & mask) - 1, static_cast<uint64_t>(budget()));
  // Where the elements of one operand are, in RAM that may be accessed so; `count` is lowered to those that are there.
  const auto operand = [&](int segmentIndex, uint64_t offset, bool store) -> uint8_t* {
    const int64_t end = plainEnd(segmentIndex, store);
    if (end < 0) return nullptr;
    const auto linear = static_cast<uint32_t>(segment(segmentIndex).base + offset);
    count = std::min({count, inSegment(offset, size, down, std::min(static_cast<uint64_t>(end), mask)), inPage(linear, size, down)});
    const uint64_t gpa = linear & a20;
    if (count == 0 || !isRam(gpa) || (store && !segments_[ramPage_[gpa >> 12] - 1].writable)) return nullptr;
    return hostOf(gpa);
  };
  uint8_t* to = operand(SEG_ES, reg(RDI) & mask, true);
  if (to == nullptr) return;
  const auto page = static_cast<uint64_t>(to - ram_) >> 12;
  if (hasCode_[page] != 0) return;
  uint8_t* from = moves ? operand(source, reg(RSI) & mask, false) : nullptr;
  if (moves && from == nullptr) return;

  const uint64_t bytes = count * size;
  const uint64_t below = down ? bytes - size : 0;
  if (moves) copy(to - below, from - below, count, size, down);
  else fill(to - below, reg(0), count, size);
  dirty_[page] = 1;
  budget() -= static_cast<int64_t>(count);
  const auto add = [&](int index, uint64_t by) {
    uint64_t& r = reg(index);
    r = wide ? (r + by) & mask : (r & ~mask) | ((r + by) & mask);
  };
  const uint64_t moved = down ? 0 - bytes : bytes;
  add(RDI, moved);
  if (moves) add(RSI, moved);
  add(RCX, 0 - count);
}

}  // namespace trapline
