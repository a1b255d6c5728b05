// SPDX-License-Identifier: GPL-2.0-only
// Class Vcpu: what an operand size of 32 bits means in 16-bit code. A near branch has a target of 32 bits then, and the
// processor looks whether the code segment has it before anything of the instruction is done; ENTER knows two widths.
// The library does neither; and of RET it takes the number of bytes to release for a signed one.
#include "tcg_ops.h"
#include "vcpu.h"

extern "C" {
void trapline_check_branch(void* env, uint64_t) {
  trapline::Vcpu::ofEnv(env)->checkBranch(reinterpret_cast<uintptr_t>(__builtin_return_address(0)));
}
}

namespace trapline {
using namespace layout;

namespace {
constexpr int GP_FAULT = 13;
constexpr uint32_t ZERO_FLAG = 0x40;
constexpr int RCX = 1;
constexpr int RSP = 4;
constexpr int RBP = 5;

bool isLoop(int opcode) { return opcode >= 0xe0 && opcode <= 0xe3; }
bool isJcc(int opcode) { return opcode >= 0x70 && opcode <= 0x7f; }
}  // namespace

uint32_t Vcpu::codeWord(uint64_t linear, int bytes) {
  uint32_t value = 0;
  for (int i = 0; i < bytes; i++) value |= (static_cast<uint32_t>(codeByte(linear + static_cast<uint64_t>(i))) & 0xff) << 8 * i;
  return value;
}

Vcpu::Branch Vcpu::branchOf(const Head& head) {
  const int opcode = head.opcode;
  if (head.twoBytes) return (opcode & 0xf0) == 0x80 ? Branch::Near : Branch::None;
  if (opcode == 0xe8 || opcode == 0xe9) return Branch::Near;
  if (opcode == 0xeb || isJcc(opcode) || isLoop(opcode)) return Branch::Short;
  if (opcode == 0xc2 || opcode == 0xc3) return Branch::Return;
  const int group = (head.modrm >> 3) & 7;
  return opcode == 0xff && head.modrm >= 0 && (group == 2 || group == 4) ? Branch::Indirect : Branch::None;
}

uint64_t Vcpu::stackMask() { return (env<uint32_t>(ENV_HFLAGS) & HF_SS32) != 0 ? 0xffffffff : 0xffff; }
uint64_t Vcpu::stackPointer() { return env<uint64_t>(ENV_REGS + 8 * RSP) & stackMask(); }

// Of a branch whose distance is a part of it: where it goes.
uint32_t Vcpu::branchTarget(const Head& head, Branch kind) {
  const int bytes = kind == Branch::Near ? 4 : 1;
  const uint32_t distance = codeWord(head.at, bytes);
  const auto next = static_cast<uint32_t>(head.at + static_cast<uint64_t>(bytes) - segment(SEG_CS).base);
  return next + (bytes == 1 ? static_cast<uint32_t>(static_cast<int8_t>(distance)) : distance);
}

bool Vcpu::isTaken(const Head& head) {
  const uint32_t flags = readFlags();
  if (isLoop(head.opcode)) {
    const uint64_t counter = env<uint64_t>(ENV_REGS + 8 * RCX) & (head.wideAddress ? 0xffffffff : 0xffff);
    if (head.opcode == 0xe3) return counter == 0;
    const bool zero = (flags & ZERO_FLAG) != 0;
    return counter != 1 && (head.opcode == 0xe2 || zero == (head.opcode == 0xe1));
  }
  if (!head.twoBytes && !isJcc(head.opcode)) return true;
  const auto flag = [flags](int bit) { return (flags >> bit & 1) != 0; };
  const bool less = flag(7) != flag(11);
  const bool conditions[] = {flag(11), flag(0), flag(6), flag(0) || flag(6), flag(7), flag(2), less, less || flag(6)};
  return conditions[head.opcode >> 1 & 7] != ((head.opcode & 1) != 0);
}

// Where an operand in memory is; false for a register.
bool Vcpu::effectiveAddress(const Head& head, int* base, uint32_t* offset) {
  if (head.modrm < 0 || head.modrm >= 0xc0) return false;
  const auto reg = [this](int i) { return static_cast<uint32_t>(env<uint64_t>(ENV_REGS + 8 * static_cast<size_t>(i))); };
  const int mod = head.modrm >> 6;
  int rm = head.modrm & 7;
  uint64_t at = head.at + 1;
  uint32_t sum = 0;
  int displacement = mod == 1 ? 1 : 0;
  *base = SEG_DS;
  if (head.wideAddress) {
    if (mod == 2) displacement = 4;
    if (rm == 4) {
      const int sib = codeByte(at++);
      const int index = sib >> 3 & 7;
      if (index != 4) sum += reg(index) << (sib >> 6 & 3);
      rm = sib & 7;
    }
    if (mod == 0 && rm == RBP) {
      displacement = 4;
    } else {
      sum += reg(rm);
      if (rm == RSP || rm == RBP) *base = SEG_SS;
    }
  } else {
    constexpr int FIRST[8] = {3, 3, 5, 5, 6, 7, 5, 3};
    if (mod == 2) displacement = 2;
    if (mod == 0 && rm == 6) {
      displacement = 2;
    } else {
      sum += reg(FIRST[rm]);
      if (rm < 4) sum += reg(6 + (rm & 1));
      if (FIRST[rm] == RBP) *base = SEG_SS;
    }
  }
  const uint32_t by = codeWord(at, displacement);
  sum += displacement == 1 ? static_cast<uint32_t>(static_cast<int8_t>(by)) : by;
  *offset = head.wideAddress ? sum : sum & 0xffff;
  const int prefix = segmentPrefix(head);
  if (prefix >= 0) *base = prefix;
  return true;
}

// 32 bits of memory, if it is RAM and the segment has them: else the access itself comes to the same end.
bool Vcpu::peek(int base, uint32_t offset, uint32_t* value) {
  const Segment& s = segment(base);
  if (!hasRoom(base, offset, 4, false)) return false;
  for (uint64_t i = 0; i < 4; i++) {
    if (codeByte(static_cast<uint32_t>(s.base + offset + i)) < 0) return false;
  }
  *value = codeWord(static_cast<uint32_t>(s.base + offset), 4);
  return true;
}

// Before the instruction at RIP.
void Vcpu::checkBranch(uintptr_t retaddr) {
  __real_cpu_restore_state_x86_64(cpu_, retaddr, false);
  const Head head = headAt(segment(SEG_CS).base + env<uint64_t>(ENV_EIP));
  const Branch kind = branchOf(head);
  uint32_t target = 0;
  if (kind == Branch::Return) {
    if (!peek(SEG_SS, static_cast<uint32_t>(stackPointer()), &target)) return;
  } else if (kind == Branch::Indirect) {
    int base = 0;
    uint32_t offset = 0;
    if (!effectiveAddress(head, &base, &offset)) {
      target = static_cast<uint32_t>(env<uint64_t>(ENV_REGS + 8 * static_cast<size_t>(head.modrm & 7)));
    } else if (!peek(base, offset, &target)) {
      return;
    }
  } else {
    if (!isTaken(head)) return;
    target = branchTarget(head, kind);
  }
  // A processor makes room for the return address before it looks where it goes.
  const bool isCall = !head.twoBytes && (head.opcode == 0xe8 || (head.opcode == 0xff && (head.modrm >> 3 & 7) == 2));
  const uint64_t top = stackPointer() - 4;
  if (isCall && !hasRoom(SEG_SS, stackMask() & top, 4, true)) return;
  if (target > segment(SEG_CS).limit) raise_exception_err_ra_x86_64(envOf(cpu_), GP_FAULT, 0, retaddr);
}

// While an instruction is translated, before it.
void Vcpu::guardBranch(const Head& head) {
  if (head.operandBytes != 4 || (env<uint32_t>(ENV_HFLAGS) & HF_CS32) != 0) return;
  const Branch kind = branchOf(head);
  if (kind == Branch::None || head.lock) return;
  if ((kind == Branch::Near || kind == Branch::Short) && branchTarget(head, kind) <= 0xffff) return;
  const uintptr_t nothing = tcg_const_i64_x86_64(field<void*>(uc_, UC_TCG_CTX), 0);
  emitCall(reinterpret_cast<void*>(&trapline_check_branch), nothing);
  dropTemp(nothing);
}

// RET and RETF release up to FFFF bytes.
void Vcpu::beginRelease(const Head& head) {
  constexpr int RET = 0xc2, RETF = 0xca;
  releasesMore_ = !head.twoBytes && (head.opcode == RET || head.opcode == RETF) && (codeWord(head.at, 2) & 0x8000) != 0;
}

int64_t Vcpu::released(uintptr_t from, int64_t bytes) {
  if (!releasesMore_ || from != field<uintptr_t>(field<void*>(uc_, UC_TCG_CTX), TCG_CPU_REGS + 8 * RSP)) return bytes;
  return bytes + 0x10000;
}

// ENTER whose operands are not as wide as the stack pointer. With 32 bits on a stack of 16, the frame pointer is SP less
// some bytes under the upper half of ESP, and all of it goes into EBP; the library lets all of ESP borrow, and changes half
// of EBP. With 16 bits on a stack of 32 only BP changes; the library changes all of EBP.
// Called before the library translates the instruction, so that it has no use for the temporary, and behind it.
void Vcpu::beginEnter(const Head& head) {
  const bool stack32 = (env<uint32_t>(ENV_HFLAGS) & HF_SS32) != 0;
  enterFrame_ = !head.twoBytes && head.opcode == ENTER ? tcg_const_i64_x86_64(field<void*>(uc_, UC_TCG_CTX), static_cast<int64_t>(frameOf(head))) : 0;
  enterTemp_ = !head.twoBytes && head.opcode == ENTER && (head.operandBytes == 4) != stack32 ? newTemp() : 0;
  if (enterTemp_ == 0 || !stack32) return;
  auto* tcg = field<char*>(uc_, UC_TCG_CTX);
  const auto base = reinterpret_cast<uintptr_t>(tcg);
  const uintptr_t ebp = base + field<uintptr_t>(tcg, TCG_CPU_REGS + 8 * RBP);
  tcg_gen_op2_x86_64(tcg, OP_EXT16U_I64, base + enterTemp_, ebp);
  tcg_gen_op3_x86_64(tcg, OP_SUB_I64, base + enterTemp_, ebp, base + enterTemp_);
}

void Vcpu::mendEnter(void* lastOpBefore) {
  if (enterFrame_ != 0) probeEnter(lastOpBefore);
  dropTemp(std::exchange(enterFrame_, 0));
  if (enterTemp_ == 0) return;
  auto* tcg = field<char*>(uc_, UC_TCG_CTX);
  const auto base = reinterpret_cast<uintptr_t>(tcg);
  const uintptr_t temp = std::exchange(enterTemp_, 0);
  if ((env<uint32_t>(ENV_HFLAGS) & HF_SS32) == 0) mendFrame(lastOpBefore, tcg + temp);
  const uintptr_t ebp = base + field<uintptr_t>(tcg, TCG_CPU_REGS + 8 * RBP);
  tcg_gen_op2_x86_64(tcg, OP_EXT16U_I64, ebp, ebp);
  tcg_gen_op3_x86_64(tcg, OP_OR_I64, ebp, ebp, base + temp);
  dropTemp(temp);
}

// Behind where the frame pointer is computed: it and `upper` get the upper half of ESP.
void Vcpu::mendFrame(void* lastOpBefore, void* upper) {
  auto* tcg = field<char*>(uc_, UC_TCG_CTX);
  void* const esp = tcg + field<uintptr_t>(tcg, TCG_CPU_REGS + 8 * RSP);
  void* frame = nullptr;
  void* at = lastOpBefore == nullptr ? firstOp(tcg) : opBehind(lastOpBefore);
  for (; at != nullptr && frame == nullptr; at = opBehind(at)) {
    const bool sum = codeOf(at) == OP_SUB_I64 || codeOf(at) == OP_ADD_I64;
    if (sum && argOf(at, 1) == esp && argOf(at, 0) != esp) frame = argOf(at, 0);
  }
  if (frame == nullptr || at == nullptr) return contain();
  const auto insert = [&](int code, void* to, void* from, void* other) {
    void* op = tcg_op_insert_before_x86_64(tcg, at, code);
    argOf(op, 0) = to;
    argOf(op, 1) = from;
    if (other != nullptr) argOf(op, 2) = other;
  };
  insert(OP_EXT16U_I64, upper, esp, nullptr);
  insert(OP_SUB_I64, upper, esp, upper);
  insert(OP_EXT16U_I64, frame, frame, nullptr);
  insert(OP_OR_I64, frame, frame, upper);
}

}  // namespace trapline
