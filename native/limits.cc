// SPDX-License-Identifier: GPL-2.0-only
// Class Vcpu: segment limits in real and virtual-8086 mode, which the library never looks at, and how an operand in memory
// is followed to where translated code accesses it, in protected mode as well (rooms.cc).
//
// An address with 16 bits is beyond a limit of FFFF only in the last bytes of an operand, so what translated code does
// for it is arithmetic, without a branch: bit 16 of the operand's last offset becomes a bit of the linear address that no
// address has. Such an address is in no TLB entry, its access takes the slow way, and there the limit is looked at. An
// address with 32 bits is compared with the limit in the same manner. Bytes at 16-bit addresses cost nothing. Nor do
// operands at multiples of their size, which an operand that ends behind FFFF is not: an instruction with one operand in
// memory is translated with aligned accesses at first, and with the arithmetic once it has met another address. Words that
// are pushed and popped stay aligned accesses.
#include <algorithm>

#include "tcg_ops.h"
#include "vcpu.h"

namespace trapline {
using namespace layout;

namespace {
constexpr int SS_FAULT = 12;
constexpr int GP_FAULT = 13;
constexpr int MARK = 33;  // the first of twelve bits: one for each segment register, then one more for what may be written

// Of those that access the stack alone.
constexpr int PUSH_AND_POP[] = {0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x60, 0x61, 0x68, 0x6a, 0x9c, 0x9d, 0xc2, 0xc3, 0xe8};
}  // namespace

bool Vcpu::isPushOrPop(const Head& head) {
  if (head.twoBytes) return (head.opcode & 0xf6) == 0xa0;  // FS, GS
  return (head.opcode & 0xf0) == 0x50 || std::find(std::begin(PUSH_AND_POP), std::end(PUSH_AND_POP), head.opcode) != std::end(PUSH_AND_POP);
}

bool Vcpu::limited() {
  const uint32_t hidden = env<uint32_t>(ENV_HFLAGS);
  return (hidden & HF_PE) == 0 || (hidden & HF_VM) != 0;
}

// Of those with an operand in memory: it is the only one, and each access is to all of it.
bool Vcpu::hasOneOperand(const Head& head) {
  const int group = head.modrm >> 3 & 7;
  if (head.twoBytes) {
    // CMOV, IMUL, SHLD and SHRD, MOVZX and MOVSX
    return (head.opcode & 0xf0) == 0x40 || head.opcode == 0xaf || (head.opcode & 0xf6) == 0xa4 || (head.opcode & 0xf6) == 0xb6;
  }
  if (head.opcode < 0x40) return (head.opcode & 7) < 4;
  switch (head.opcode) {
    case 0x69: case 0x6b: case 0x80: case 0x81: case 0x82: case 0x83: case 0x84: case 0x85:
    case 0x88: case 0x89: case 0x8a: case 0x8b: case 0xa0: case 0xa1: case 0xa2: case 0xa3:
    case 0xaa: case 0xab: case 0xac: case 0xad: case 0xae: case 0xaf:
    case 0xc0: case 0xc1: case 0xc6: case 0xc7: case 0xd0: case 0xd1: case 0xd2: case 0xd3: case 0xf6: case 0xf7: case 0xfe:
      return true;
    case 0xff: return group < 2;
    default: return false;
  }
}

void Vcpu::beginOperands(const Head& head) {
  operandCount_ = 0;
  limited_ = limited();
  watching_ = true;
  wrapsBetween_ = wrapsBetween(head);
  pushesOrPops_ = limited_ && isPushOrPop(head);
  extent_ = extentOf(head);
  even_ = limited_ && evenBases_ && extent_ == 0 && hasOneOperand(head) && !metUnaligned_[placeOf(head.start)];
  changesMemory_ = !limited_ && changesMemory(head);
  loadsSegment_ = !limited_ && loadsSegment(head);
}

void Vcpu::endOperands() {
  while (operandCount_ > 0) dropTemp(operands_[--operandCount_].offset);
  watching_ = false;
}

uintptr_t Vcpu::newTemp() {
  void* tcg = field<void*>(uc_, UC_TCG_CTX);
  return reinterpret_cast<uintptr_t>(tcg_temp_new_internal_x86_64(tcg, TYPE_I64, false)) - reinterpret_cast<uintptr_t>(tcg);
}
void Vcpu::dropTemp(uintptr_t temp) {
  auto* tcg = field<char*>(uc_, UC_TCG_CTX);
  if (temp != 0) tcg_temp_free_internal_x86_64(tcg, tcg + temp);
}

void Vcpu::forgetOperand(uintptr_t address) {
  for (uint32_t i = 0; i < operandCount_; i++) {
    if (operands_[i].address != address) continue;
    dropTemp(operands_[i].offset);
    operands_[i] = operands_[--operandCount_];
    return;
  }
}

// The translator has truncated `temp` to 32 bits. If it is the sum of an offset and a segment's base, the offset is kept.
void Vcpu::addressMade(uintptr_t temp) {
  if (!watching_) return;
  auto* tcg = field<char*>(uc_, UC_TCG_CTX);
  void* cut = beforeInsn();
  if (codeOf(cut) != OP_EXT32U_I64 || argOf(cut, 1) != tcg + temp) return;
  void* add = opBefore(cut);
  if (codeOf(add) != OP_ADD_I64 || argOf(add, 0) != tcg + temp) return;
  int segment = SEG_ES;
  while (segment <= SEG_GS && argOf(add, 2) != tcg + field<uintptr_t>(tcg, TCG_SEG_BASE + 8 * static_cast<size_t>(segment))) segment++;
  if (segment > SEG_GS) return;
  forgetOperand(temp);
  if (!isWatched(segment)) return;
  void* before = opBefore(add);
  const bool wide = codeOf(before) != OP_EXT16U_I64 || argOf(before, 0) != argOf(add, 1);
  if (operandCount_ == OPERANDS) return;
  const uintptr_t offset = newTemp();
  void* copy = tcg_op_insert_before_x86_64(tcg, add, wide ? OP_EXT32U_I64 : OP_MOV_I64);
  field<void*>(copy, OP_ARGS) = tcg + offset;
  field<void*>(copy, OP_ARGS + 8) = argOf(add, 1);
  operands_[operandCount_++] = {temp, offset, 0, segment, wide};
  if (extent_ == 0) return;
  // A C function of the library makes the accesses.
  uint32_t kind = 0;
  const uintptr_t marked = guarded(temp, extent_, false, &kind);
  if (marked != temp) {
    tcg_gen_op2_x86_64(tcg, OP_MOV_I64, reinterpret_cast<uintptr_t>(tcg + temp), reinterpret_cast<uintptr_t>(tcg + marked));
    dropTemp(marked);
  }
  forgetOperand(temp);
}

void Vcpu::addressMoved(uintptr_t to, uintptr_t from, int64_t by) {
  for (uint32_t i = 0; i < operandCount_; i++) {
    if (operands_[i].address != from) continue;
    if (to == from) {
      operands_[i].delta += by;
    } else {
      forgetOperand(to);
      // Its offset is the other one's, and dropped with that.
      if (operandCount_ < OPERANDS) operands_[operandCount_++] = {to, 0, operands_[i].delta + by, operands_[i].segment, operands_[i].wide, operands_[i].offset};
    }
    return;
  }
  forgetOperand(to);
}

// The address under which the translated code is to access `size` bytes: `address`, or a new temporary. Or the same
// address, to be accessed as an aligned one.
uintptr_t Vcpu::guarded(uintptr_t address, uint32_t size, bool store, uint32_t* kind) {
  const Operand* operand = nullptr;
  for (uint32_t i = 0; i < operandCount_; i++) {
    if (operands_[i].address == address) operand = &operands_[i];
  }
  if (operand == nullptr) return address;
  auto* tcg = field<char*>(uc_, UC_TCG_CTX);
  const auto base = reinterpret_cast<uintptr_t>(tcg);
  const uintptr_t offset = operand->offset != 0 ? operand->offset : operand->shared;
  uintptr_t last = operand->delta + size - 1;
  if (limited_ && last == 0 && !operand->wide) return address;
  if (pushesOrPops_ && last == 1 && !operand->wide) {
    *kind |= ALIGNED;
    return address;
  }
  if (even_ && operand->delta == 0 && !operand->wide) {
    *kind |= ALIGNED | EVEN;
    return address;
  }
  const uintptr_t mark = newTemp();
  uintptr_t linear = address;
  uintptr_t wrapped = 0;
  if (wrapsBetween_ && operand->delta != 0 && !operand->wide) {
    // Behind a word at FFFE comes one at 0.
    wrapped = newTemp();
    linear = newTemp();
    __real_tcg_gen_addi_i64_x86_64(tcg, wrapped, offset, operand->delta);
    tcg_gen_op2_x86_64(tcg, OP_EXT16U_I64, base + wrapped, base + wrapped);
    tcg_gen_op3_x86_64(tcg, OP_ADD_I64, base + linear, base + wrapped, base + field<uintptr_t>(tcg, TCG_SEG_BASE + 8 * static_cast<size_t>(operand->segment)));
    __real_tcg_gen_ext32u_i64_x86_64(tcg, linear, linear);
    last = size - 1;
  }
  __real_tcg_gen_addi_i64_x86_64(tcg, mark, wrapped != 0 ? wrapped : offset, static_cast<int64_t>(last));
  int bit = MARK + operand->segment;
  if (!limited_) {
    if (store || changesMemory_) bit += SEGMENTS;
    const uintptr_t room = newTemp();
    const auto at = static_cast<intptr_t>(CPU_ROOMS + 8 * static_cast<size_t>(bit - MARK)) - static_cast<intptr_t>(CPU_ENV);
    tcg_gen_op3_x86_64(tcg, OP_LD_I64, base + room, base + field<uintptr_t>(tcg, TCG_CPU_ENV), static_cast<uintptr_t>(at));
    tcg_gen_op3_x86_64(tcg, OP_SUB_I64, base + mark, base + room, base + mark);
    dropTemp(room);
    tcg_gen_shri_i64_x86_64(tcg, mark, mark, 63);
  } else if (operand->wide) {
    const uintptr_t limit = newTemp();
    const size_t at = ENV_SEGS + 24 * static_cast<size_t>(operand->segment) + offsetof(Segment, limit);
    tcg_gen_op3_x86_64(tcg, OP_LD32U_I64, base + limit, base + field<uintptr_t>(tcg, TCG_CPU_ENV), at);
    tcg_gen_op3_x86_64(tcg, OP_SUB_I64, base + mark, base + limit, base + mark);
    dropTemp(limit);
    tcg_gen_shri_i64_x86_64(tcg, mark, mark, 63);
  } else {
    tcg_gen_shri_i64_x86_64(tcg, mark, mark, 16);
  }
  tcg_gen_shli_i64_x86_64(tcg, mark, mark, bit);
  tcg_gen_op3_x86_64(tcg, OP_OR_I64, base + mark, base + mark, base + linear);
  dropTemp(wrapped);
  if (linear != address) dropTemp(linear);
  return mark;
}

void Vcpu::overLimit(int index, uintptr_t retaddr) {
  raise_exception_err_ra_x86_64(envOf(cpu_), index == SEG_SS ? SS_FAULT : GP_FAULT, 0, retaddr);
}

// A marked address: without its mark, if the access is within the segment after all.
uint64_t Vcpu::withinLimit(uint64_t marked, uint32_t size, uintptr_t retaddr) {
  const int index = __builtin_ctzll(marked >> MARK);
  const auto linear = static_cast<uint32_t>(marked);
  if (!limited()) return withinRoom(index, linear, size, retaddr);
  const Segment& s = segment(index);
  const uint64_t offset = static_cast<uint32_t>(linear - s.base);
  const bool expandsDown = (s.flags & 0x1c00) == 0x1400;
  // The mark speaks for the whole operand, of which this may be the first part only.
  const bool beyond = expandsDown ? offset <= s.limit || offset + size - 1 > ((s.flags >> 22 & 1) != 0 ? 0xffffffffu : 0xffffu)
                                  : offset + size - 1 > s.limit || s.limit <= 0xffff;
  if (beyond) overLimit(index, retaddr);
  return linear;
}

// An aligned access that is none. A word that is pushed or popped is looked at here. Another one is the first of its
// instruction: nothing has happened, and it is translated again, with the arithmetic.
void Vcpu::checkUnaligned(uint64_t linear, bool even, uintptr_t retaddr) {
  if (!even) {
    const Segment& ss = segment(SEG_SS);
    if (static_cast<uint32_t>(linear - ss.base) + 1ull > ss.limit) overLimit(SEG_SS, retaddr);
    return;
  }
  uncount(retaddr);
  __real_cpu_restore_state_x86_64(cpu_, retaddr, true);
  const uint64_t pc = segment(SEG_CS).base + env<uint64_t>(ENV_EIP);
  metUnaligned_[placeOf(pc)] = true;
  const uint64_t gpa = physical(static_cast<uint32_t>(pc));
  const bool known = gpa != ~0ull && isRam(gpa);  // not where the guest has changed its page tables and not said so
  invalidate(known ? static_cast<uint64_t>(hostOf(gpa) - ram_) : 0, known ? 1 : ramBytes_);
  cpuField<int32_t>(CPU_EXCEPTION_INDEX) = -1;
  cpu_loop_exit_x86_64(cpu_);
}

// Between two blocks. A linear address is a multiple of a size if the offset is one, unless the segment's base is not:
// such a base comes out of protected mode only, and then nothing is taken to be aligned any more.
void Vcpu::checkBases() {
  if (!evenBases_ || !limited()) return;
  uint64_t bases = 0;
  for (int i = SEG_ES; i <= SEG_GS; i++) bases |= segment(i).base;
  if ((bases & 15) == 0) return;
  evenBases_ = false;
  invalidate(0, ramBytes_);
}

// An access by a C function of the library: a marked address, or the stack of a far CALL or IRET.
uint64_t Vcpu::helperOperand(uint64_t linear, uint32_t size, bool store, uintptr_t retaddr) {
  if (isMarked(linear)) {
    __real_cpu_restore_state_x86_64(cpu_, retaddr, false);
    const Head head = headAt(segment(SEG_CS).base + env<uint64_t>(ENV_EIP));
    if (head.twoBytes || head.opcode != 0x62) return withinLimit(linear, size, retaddr);
    // BOUND is always marked. With 16-bit addresses a word at 0 comes behind one at FFFE.
    const int index = __builtin_ctzll(linear >> MARK) % SEGMENTS;
    const Segment& s = segment(index);
    const uint64_t offset = (linear - s.base) & (head.wideAddress ? 0xffffffff : 0xffff);
    if (!hasRoom(index, offset, size, false)) overLimit(index, retaddr);
    return static_cast<uint32_t>(s.base + offset);
  }
  if (!limited()) checkStackWord(linear, size, store, retaddr);
  if (size == 1 || !limited()) return linear;
  const Segment& ss = segment(SEG_SS);
  const uint64_t offset = static_cast<uint32_t>(linear - ss.base);
  if (offset > 0xffff || offset + size - 1 <= ss.limit) return linear;
  __real_cpu_restore_state_x86_64(cpu_, retaddr, false);
  const int opcode = opcodeAt(segment(SEG_CS).base + env<uint64_t>(ENV_EIP));
  if (opcode == 0x9a || opcode == 0xff || opcode == 0xcf) overLimit(SEG_SS, retaddr);
  return linear;
}

// INS: a processor looks at the destination before it asks the device.
void Vcpu::checkInsDestination(uint32_t size, uintptr_t retaddr) {
  if (!hasRoom(SEG_ES, page_[PAGE_STRING + STRING_DST_INDEX], size, true)) overLimit(SEG_ES, retaddr);
}

// The three words that an interrupt pushes do not fit: another one would push as many, and so the processor shuts down.
bool Vcpu::stackHasEnded() {
  const Segment& ss = segment(SEG_SS);
  if ((env<uint32_t>(ENV_HFLAGS) & HF_PE) != 0 || ss.limit > 0xffff) return false;
  const uint64_t sp = env<uint64_t>(ENV_REGS + 8 * 4) & 0xffff;
  return sp == 1 || sp == 3 || sp == 5;
}

}  // namespace trapline
