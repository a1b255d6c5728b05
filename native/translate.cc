// SPDX-License-Identifier: GPL-2.0-only
// Class Vcpu: a hand in the translation of guest code: counting, string port access, and instructions the library
// translates wrongly or not at all.
#include "tcg_ops.h"
#include "vcpu.h"

namespace trapline {
using namespace layout;

namespace {
constexpr int INVALID_OPCODE = 6;
constexpr int INT3 = 0xcc;
}  // namespace

void Vcpu::beforeTranslating(void* db, uint64_t pc) {
  const Head head = headAt(pc);
  illegalAt_ = isIllegal(head) || lockIsIllegal(head) ? pc : ~0ull - 1;
  const bool unary = !head.twoBytes && (head.opcode == 0xf6 || head.opcode == 0xf7) && head.modrm >= 0;
  // The library does not know that /1 is TEST as well as /0.
  otherAt_ = unary && (head.modrm & 0x38) == 0x08 ? head.at : ~0ull;
  other_ = head.modrm & ~0x38;
  // Nor that there is ICEBP: an INT3 with another vector, see vectorOf().
  if (!head.twoBytes && head.opcode == ICEBP) {
    otherAt_ = head.opcodeAt;
    other_ = INT3;
  }
  // It makes wrong flags of LOCK NEG.
  ignoredLocksAt_ = pc;
  ignoredLocks_ = unary && head.lock && (head.modrm & 0x38) == 0x18 ? head.opcodeAt - pc : 0;
  move_ = isMove(head);
  beginOperands(head);
  guardBranch(head);
  beginRelease(head);
  beginEnter(head);
  beginRepeat(head);
  beginShadow(head, db);
  beginPushAll(head);
  const int opcode = head.twoBytes ? 0x0f : head.opcode;
  if (opcode == PUSHA || opcode == 0xa6 || opcode == 0xa7) reorderedTranslated_ = true;
  if (opcode != POPA) return;
  popaTranslated_ = true;
  void* tcg = field<void*>(uc_, UC_TCG_CTX);
  const auto base = reinterpret_cast<uintptr_t>(tcg);
  const uintptr_t envTemp = base + field<uintptr_t>(tcg, TCG_CPU_ENV);
  for (int i = 0; i < 8; i++) {
    const uintptr_t reg = base + field<uintptr_t>(tcg, TCG_CPU_REGS + 8 * i);
    const auto offset = static_cast<uintptr_t>(static_cast<intptr_t>(CPU_JMP_ENV + 8 * i) - static_cast<intptr_t>(CPU_ENV));
    tcg_gen_op3_x86_64(tcg, OP_ST_I64, reg, envTemp, offset);
  }
}

// A repeated string instruction behind STI or MOV SS has two ways out of its block: no repetition is left, or one is done.
// On the first the translator ends the time without interrupts, and believes that this serves for the other. It is told
// otherwise at the instruction's first access, which stands between the two.
void Vcpu::beginShadow(const Head& head, void* db) {
  const int opcode = head.opcode & ~3;
  const bool string = !head.twoBytes && (opcode == 0x6c || opcode == 0xa4 || (opcode >= 0xa8 && opcode <= 0xac && head.opcode >= 0xaa));
  shadowed_ = string && head.repeated && (env<uint32_t>(ENV_HFLAGS) & HF_INHIBIT_IRQ) != 0 ? db : nullptr;
}
void Vcpu::keepShadow() {
  if (shadowed_ != nullptr) field<uint64_t>(shadowed_, DB_FLAGS) |= HF_INHIBIT_IRQ;
}

// In 16-bit code IP goes from FFFF to 0. The library goes on to 10000, in the middle of a block and by the address of
// what stands behind a jump that is not taken. Blocks end there, and no block begins there.
void Vcpu::wrapIp() {
  uint64_t& ip = env<uint64_t>(ENV_EIP);
  if (ip > 0xffff && (env<uint32_t>(ENV_HFLAGS) & (HF_CS32 | HF_CS64)) == 0) ip &= 0xffff;
}

void Vcpu::beginTranslation(void* tb, int limit) {
  const uint64_t ip = env<uint64_t>(ENV_EIP);
  wrapIp();
  if (env<uint64_t>(ENV_EIP) != ip) {
    cpuField<int32_t>(CPU_EXCEPTION_INDEX) = -1;
    cpu_loop_exit_x86_64(cpu_);
  }
  const uint64_t gpa = physical(static_cast<uint32_t>(field<uint64_t>(tb, TB_PC)));
  if (gpa == ~0ull || !isRam(gpa)) {
    if (gpa == ~0ull) return;  // a page fault: the library raises it
    parkUnsupported(UNSUPPORTED_FETCH, gpa);
    cpuField<int32_t>(CPU_EXCEPTION_INDEX) = -1;
    cpu_loop_exit_x86_64(cpu_);
  }
  translating_ = true;
  fetchedDevice_ = false;
  translationLimit_ = limit;
  insnsInBlock_ = 0;
}


void* Vcpu::beforeInsn() { return lastOp(field<void*>(uc_, UC_TCG_CTX)); }

// Counts the block down before its first instruction, and leaves for the main loop when there is not that much left:
//   budget -= n; if (budget < 0) goto refused
// with n, the number of instructions, filled in by endTranslation(). One load of the budget for each block: a second one,
// of what was just stored, costs more than all of this.
void Vcpu::emitCount() {
  void* tcg = field<void*>(uc_, UC_TCG_CTX);
  refused_ = gen_new_label_x86_64(tcg);
  const uintptr_t left = emitBudget(OP_SUB_I64, &countOps_[0]);
  const auto base = reinterpret_cast<uintptr_t>(tcg);
  const uintptr_t zero = tcg_const_i64_x86_64(tcg, 0);
  tcg_gen_brcond_i64_x86_64(tcg, COND_LT, left - base, zero, refused_);
}

// Behind the block's last instruction, where only the branch above comes: nothing of the block was executed.
//   refused: budget += n; leave
// The library's own way out of the block stands right behind it.
void Vcpu::emitRefused() {
  placeLabel(refused_);
  emitBudget(OP_ADD_I64, &countOps_[1]);
}

void Vcpu::placeLabel(void* label) {
  field<uint8_t>(label, 0) |= LABEL_PRESENT;
  tcg_gen_op1_x86_64(field<void*>(uc_, UC_TCG_CTX), OP_SET_LABEL, reinterpret_cast<uintptr_t>(label));
}

// A call of void function(void* env, uint64_t).
void Vcpu::emitCall(void* function, uintptr_t argument) {
  auto* tcg = field<char*>(uc_, UC_TCG_CTX);
  void* arguments[] = {tcg + field<uintptr_t>(tcg, TCG_CPU_ENV), tcg + argument};
  // The library calls only functions that it knows: one of the same kind stands in for ours.
  tcg_gen_callN_x86_64(tcg, reinterpret_cast<void*>(&helper_fldt_ST0_x86_64), nullptr, 2, arguments);
  calledBy(lastOp(tcg)) = function;
}

// The call that was emitted last goes in front of the operation `at`.
void Vcpu::moveLast(void* at) {
  auto* tcg = field<char*>(uc_, UC_TCG_CTX);
  void* call = lastOp(tcg);
  if (at == call) return;
  void* moved = tcg_op_insert_before_x86_64(tcg, at, OP_CALL);
  field<uint32_t>(moved, 0) = field<uint32_t>(call, 0);
  constexpr int ARGUMENTS = 4;  // two of the function's, the function, flags
  for (int i = 0; i < ARGUMENTS; i++) argOf(moved, i) = argOf(call, i);
  tcg_op_remove_x86_64(tcg, call);
}

// Adds the number of instructions to the budget, or takes it off. Returns the result; the constant's operation, which has a
// placeholder, is left in *constant.
uintptr_t Vcpu::emitBudget(int opcode, void** constant) {
  void* tcg = field<void*>(uc_, UC_TCG_CTX);
  const auto base = reinterpret_cast<uintptr_t>(tcg);
  const uintptr_t envTemp = base + field<uintptr_t>(tcg, TCG_CPU_ENV);
  const auto offset = static_cast<uintptr_t>(static_cast<intptr_t>(CPU_RANDOM_SEED) - static_cast<intptr_t>(CPU_ENV));
  const auto left = reinterpret_cast<uintptr_t>(tcg_temp_new_internal_x86_64(tcg, TYPE_I64, false));
  tcg_gen_op3_x86_64(tcg, OP_LD_I64, left, envTemp, offset);
  const uintptr_t step = tcg_const_i64_x86_64(tcg, COUNT_PLACEHOLDER);
  *constant = lastOp(tcg);
  tcg_gen_op3_x86_64(tcg, opcode, left, left, base + step);
  tcg_gen_op3_x86_64(tcg, OP_ST_I64, left, envTemp, offset);
  return left;
}

void Vcpu::endTranslation(void* tb) {
  translating_ = false;
  forgetSites(tb);
  for (void* op : countOps_) {
    // The constant is the second argument of a "move immediate"; anything else means an unknown translator.
    auto& value = field<int64_t>(op, OP_ARGS + 8);
    if (value == COUNT_PLACEHOLDER) value = field<uint16_t>(tb, TB_ICOUNT);
  }
}

extern "C" void __wrap_qemu_system_reset_request(void* uc);
extern "C" uint64_t trapline_insb(void*, uint32_t);
extern "C" uint64_t trapline_insw(void*, uint32_t);
extern "C" uint64_t trapline_insl(void*, uint32_t);
extern "C" void trapline_outsb(void*, uint32_t, uint32_t);
extern "C" void trapline_outsw(void*, uint32_t, uint32_t);
extern "C" void trapline_outsl(void*, uint32_t, uint32_t);
extern "C" uint64_t __wrap_helper_inb_x86_64(void*, uint32_t);
extern "C" uint64_t __wrap_helper_inw_x86_64(void*, uint32_t);
extern "C" uint64_t __wrap_helper_inl_x86_64(void*, uint32_t);
extern "C" void __wrap_helper_outb_x86_64(void*, uint32_t, uint32_t);
extern "C" void __wrap_helper_outw_x86_64(void*, uint32_t, uint32_t);
extern "C" void __wrap_helper_outl_x86_64(void*, uint32_t, uint32_t);

namespace {
struct StringTwin {
  void* plain;
  void* string;
};
const StringTwin STRING_TWINS[] = {
    {reinterpret_cast<void*>(&__wrap_helper_inb_x86_64), reinterpret_cast<void*>(&trapline_insb)},
    {reinterpret_cast<void*>(&__wrap_helper_inw_x86_64), reinterpret_cast<void*>(&trapline_insw)},
    {reinterpret_cast<void*>(&__wrap_helper_inl_x86_64), reinterpret_cast<void*>(&trapline_insl)},
    {reinterpret_cast<void*>(&__wrap_helper_outb_x86_64), reinterpret_cast<void*>(&trapline_outsb)},
    {reinterpret_cast<void*>(&__wrap_helper_outw_x86_64), reinterpret_cast<void*>(&trapline_outsw)},
    {reinterpret_cast<void*>(&__wrap_helper_outl_x86_64), reinterpret_cast<void*>(&trapline_outsl)},
};
}  // namespace

// RCL, RCR and SETcc compute the flags into the place of their operands before they reach memory, but the side table
// still says how they were to be computed when the instruction began: whoever leaves at the access, for a trap or a
// page fault, would compute them twice. The table is told that they are computed.
void Vcpu::flagsBeforeAccess(uint64_t pc, void* insnStart) {
  if (insnStart == nullptr || field<uint64_t>(insnStart, OP_ARGS) != pc) return;
  bool computed = false;
  for (void* op = opBehind(insnStart); op != nullptr; op = opBehind(op)) {
    const int code = codeOf(op);
    if (code >= OP_QEMU_LD_I32 && code <= OP_QEMU_ST_I64) {
      if (computed) field<uint64_t>(insnStart, OP_ARGS + 8) = CC_OP_EFLAGS;
      return;
    }
    if (code == OP_CALL && calledBy(op) == reinterpret_cast<void*>(&helper_cc_compute_all_x86_64)) computed = true;
  }
}

// After one instruction was translated. INS and OUTS call helpers of their own, so that a trap knows at no cost that it
// is a string instruction; and the store of zero that the library makes before the device is asked is taken out.
void Vcpu::afterInsn(void* db, uint64_t pc, void* before) {
  const uint32_t index = insnsInBlock_++;
  endOperands();
  if (loadsSegment_) followSegmentLoad(before);
  mendEnter(before);
  move_ = false;
  shadowed_ = nullptr;
  if (fetchedDevice_) {
    translating_ = false;
    if (index == 0) {
      parkUnsupported(UNSUPPORTED_FETCH, fetchAddress_);
    } else {
      cpuField<uint32_t>(CPU_CFLAGS_NEXT_TB) = index;  // first the instructions that lie wholly in RAM
    }
    cpuField<int32_t>(CPU_EXCEPTION_INDEX) = -1;
    cpu_loop_exit_x86_64(cpu_);
  }
  flagsBeforeAccess(pc, before);
  const uint64_t behind = field<uint64_t>(db, DB_PC_NEXT) - field<uint64_t>(field<void*>(db, DB_TB), TB_CS_BASE);
  if (behind > 0xffff && (env<uint32_t>(ENV_HFLAGS) & (HF_CS32 | HF_CS64)) == 0 &&
      field<uint32_t>(db, DB_IS_JMP) == DISAS_NEXT) {
    field<uint32_t>(db, DB_IS_JMP) = DISAS_TOO_MANY;
  }
  const int opcode = field<uint64_t>(db, DB_PC_NEXT) > pc ? opcodeAt(pc) : -1;
  if (opcode < 0x6c || opcode > 0x6f) return;
  void* tcg = field<void*>(uc_, UC_TCG_CTX);
  bool storeSeen = opcode >= 0x6e;
  void* op = before == nullptr ? firstOp(tcg) : opBehind(before);
  void* dummy = nullptr;
  for (; op != nullptr; op = opBehind(op)) {
    const int code = codeOf(op);
    if (!storeSeen && (code == OP_QEMU_ST_I64 || code == OP_QEMU_ST_I32)) {
      storeSeen = true;
      dummy = op;
    }
    if (code != OP_CALL) continue;
    void*& function = calledBy(op);
    for (const StringTwin& t : STRING_TWINS) {
      if (function == t.plain) function = t.string;
    }
  }
  if (dummy != nullptr) tcg_op_remove_x86_64(tcg, dummy);
}

void Vcpu::shutDown() {
  __wrap_qemu_system_reset_request(uc_);
  cpuField<int32_t>(CPU_EXCEPTION_INDEX) = static_cast<int32_t>(EXIT_CPU_LOOP) + 1;
  cpu_loop_exit_x86_64(cpu_);
}

// The library met something it would abort the process for. While translating: once more as a block of one
// instruction, so that what stood before it is executed; a block of one that fails again is an invalid instruction.
void Vcpu::contain() {
  // No task register to take the inner stack from: #TS, then #DF, which cannot be delivered either.
  if (std::exchange(delivering_, false)) shutDown();
  const uint64_t pc = segment(SEG_CS).base + env<uint64_t>(ENV_EIP);
  const bool single = translating_ ? translationLimit_ == 1 : containedPc_ == pc;
  translating_ = false;
  if (single) {
    faulted_ = true;
    containedPc_ = ~0ull;
    cpuField<int32_t>(CPU_EXCEPTION_INDEX) = INVALID_OPCODE;
    env<int32_t>(ENV_ERROR_CODE) = 0;
    env<int32_t>(ENV_EXCEPTION_IS_INT) = 0;
  } else {
    containedPc_ = pc;
    cpuField<uint32_t>(CPU_CFLAGS_NEXT_TB) = 1;
    cpuField<int32_t>(CPU_EXCEPTION_INDEX) = -1;
  }
  cpu_loop_exit_x86_64(cpu_);
}

}  // namespace trapline
