// SPDX-License-Identifier: GPL-2.0-only
// Class Vcpu: what a device access is. Ports with their permission check, memory outside RAM in whole and in parts,
// string instructions decoded, and where in its block an access stands.
#include <cstring>
#include <utility>

#include "vcpu.h"

namespace trapline {
using namespace layout;

extern "C" uint64_t __real_helper_ret_ldub_mmu_x86_64(void*, uint64_t, uint32_t, uintptr_t);
extern "C" void __real_helper_ret_stb_mmu_x86_64(void*, uint64_t, uint8_t, uint32_t, uintptr_t);
extern "C" bool __real_cpu_restore_state_x86_64(void* cpu, uintptr_t retaddr, bool willExit);

namespace {
constexpr int GP_FAULT = 13;
constexpr int INVALID_OPCODE = 6;
constexpr int POPA = 0x61;

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

void Vcpu::uncount(uintptr_t retaddr) {
  uint32_t count = 0;
  const uint32_t index = blockIndex(retaddr, &count);
  budget() += count - index;
}

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
  if (atPopa()) std::memcpy(&env<uint64_t>(ENV_REGS), &cpuField<uint64_t>(CPU_JMP_ENV), 8 * 8);
  cpuField<int32_t>(CPU_EXCEPTION_INDEX) = -1;
  cpu_loop_exit_x86_64(cpu_);
}

int Vcpu::mmuIndex() {
  const uint32_t hidden = env<uint32_t>(ENV_HFLAGS);
  if ((hidden & HF_CPL_MASK) == 3) return 1;
  return (hidden & (1u << 23)) == 0 || (env<uint64_t>(ENV_EFLAGS) & (1u << 18)) != 0 ? 2 : 0;
}

// --- ports ---

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

uint64_t Vcpu::portAccess(bool read, uint32_t port, uint32_t size, uint32_t value, uintptr_t retaddr, bool isString) {
  if ((env<uint32_t>(ENV_HFLAGS) & HF_PE) != 0) checkPortPermission(port, size, retaddr);
  uint32_t reason = EXIT_PIO;
  if (isString) {
    reason = EXIT_PIO_STRING;
    __real_cpu_restore_state_x86_64(cpu_, retaddr, false);
    if (answeredNext_ == answeredCount_) decodeString();
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
  }
  return access(reason, read, size, port & 0xffff, 0, value, retaddr);
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
  const uint32_t room = 4096 - (linear & 4095);
  for (int pass = 0; pass < 2; pass++) {
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

// --- decoding ---

namespace {
bool isPrefix(int byte) {
  switch (byte) {
    case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65:
    case 0x66: case 0x67: case 0xf0: case 0xf2: case 0xf3:
      return true;
    default:
      return false;
  }
}
}  // namespace

int Vcpu::codeByte(uint64_t linear) {
  const uint64_t gpa = physical(static_cast<uint32_t>(linear));
  return gpa != ~0ull && isRam(gpa) ? *hostOf(gpa) : -1;
}

// The first byte that is not a prefix, or -1.
int Vcpu::opcodeAt(uint64_t linear) {
  for (uint64_t i = 0; i < 15; i++) {
    const int byte = codeByte(linear + i);
    if (!isPrefix(byte)) return byte;
  }
  return -1;
}

// POPA is the one instruction that writes registers between its memory accesses. Its block keeps them as they were
// before it, so that an exit in its middle shows them, and an instruction sent back to its start has them.
bool Vcpu::atPopa() {
  return popaTranslated_ && opcodeAt(segment(SEG_CS).base + env<uint64_t>(ENV_EIP)) == POPA;
}

// LOCK is allowed on instructions that read, modify and write a memory operand. The library ignores it elsewhere, the
// processor raises #UD.
bool Vcpu::lockIsIllegal(uint64_t linear) {
  bool lock = false;
  uint64_t at = linear;
  int opcode = codeByte(at);
  for (; isPrefix(opcode) && at - linear < 15; opcode = codeByte(++at)) lock |= opcode == 0xf0;
  if (!lock || opcode < 0) return false;
  const bool twoBytes = opcode == 0x0f;
  if (twoBytes) opcode = codeByte(++at);
  const int modrm = codeByte(at + 1);
  if (opcode < 0 || modrm < 0) return false;
  if (modrm >= 0xc0) return true;
  const int group = (modrm >> 3) & 7;
  if (twoBytes) {
    switch (opcode) {
      case 0xab: case 0xb0: case 0xb1: case 0xb3: case 0xbb: case 0xc0: case 0xc1: return false;  // BTS CMPXCHG BTR BTC XADD
      case 0xba: return group < 5;   // BTS BTR BTC
      case 0xc7: return group != 1;  // CMPXCHG8B
      default: return true;
    }
  }
  if (opcode < 0x38) return (opcode & 7) >= 2;  // ADD OR ADC SBB AND SUB XOR with a memory destination
  switch (opcode) {
    case 0x80: case 0x81: case 0x82: case 0x83: return group == 7;
    case 0x86: case 0x87: return false;
    case 0xf6: case 0xf7: return group != 2 && group != 3;
    case 0xfe: case 0xff: return group > 1;
    default: return true;
  }
}

void Vcpu::beforeTranslating(uint64_t pc) {
  illegalAt_ = lockIsIllegal(pc) ? pc : ~0ull - 1;
  if (opcodeAt(pc) != POPA) return;
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

// Fills the string words for the instruction at RIP; false (and STRING_OP 0) if it is not one that Xen batches.
bool Vcpu::decodeString() {
  uint32_t* words = page_ + PAGE_STRING;
  words[STRING_OP] = KIND_NONE;
  const bool code32 = (env<uint32_t>(ENV_HFLAGS) & HF_CS32) != 0;
  uint32_t operand = code32 ? 4 : 2;
  uint32_t addressBytes = code32 ? 4 : 2;
  int source = SEG_DS;
  bool rep = false;
  const uint64_t start = segment(SEG_CS).base + env<uint64_t>(ENV_EIP);
  for (uint32_t i = 0; i < 15; i++) {
    const int byte = codeByte(start + i);
    switch (byte) {
      case 0x66: operand = code32 ? 2 : 4; continue;
      case 0x67: addressBytes = code32 ? 2 : 4; continue;
      case 0xf2: case 0xf3: rep = true; continue;
      case 0x26: source = SEG_ES; continue;
      case 0x2e: source = SEG_CS; continue;
      case 0x36: source = SEG_SS; continue;
      case 0x3e: source = SEG_DS; continue;
      case 0x64: source = SEG_FS; continue;
      case 0x65: source = SEG_GS; continue;
      case 0xf0: continue;
      default: break;
    }
    uint32_t kind = KIND_NONE;
    if (byte == 0x6c || byte == 0x6d) kind = KIND_INS;
    if (byte == 0x6e || byte == 0x6f) kind = KIND_OUTS;
    if (byte == 0xa4 || byte == 0xa5) kind = KIND_MOVS;
    if (byte == 0xaa || byte == 0xab) kind = KIND_STOS;
    if (kind == KIND_NONE) return false;
    const uint32_t mask = addressBytes == 2 ? 0xffffu : 0xffffffffu;
    words[STRING_OP] = kind;
    words[STRING_SIZE] = (byte & 1) != 0 ? operand : 1;
    words[STRING_REP] = rep;
    words[STRING_COUNT] = rep ? static_cast<uint32_t>(env<uint64_t>(ENV_REGS + 8 * 1)) & mask : 1;
    words[STRING_DF] = env<int32_t>(ENV_DF) < 0;
    words[STRING_PORT] = static_cast<uint32_t>(env<uint64_t>(ENV_REGS + 8 * 2)) & 0xffff;
    words[STRING_ADDR_SIZE] = addressBytes;
    words[STRING_SRC_BASE] = static_cast<uint32_t>(segment(source).base);
    words[STRING_SRC_INDEX] = static_cast<uint32_t>(env<uint64_t>(ENV_REGS + 8 * 6)) & mask;
    words[STRING_DST_BASE] = static_cast<uint32_t>(segment(SEG_ES).base);
    words[STRING_DST_INDEX] = static_cast<uint32_t>(env<uint64_t>(ENV_REGS + 8 * 7)) & mask;
    words[STRING_LENGTH] = i + 1;
    return true;
  }
  return false;
}

void Vcpu::describe() {
  if (park_ == Park::Trap) __real_cpu_restore_state_x86_64(cpu_, trapReturn_, false);
  decodeString();
}

uint64_t Vcpu::tsc(uintptr_t retaddr) {
  uint32_t count = 0;
  const uint32_t index = blockIndex(retaddr, &count);
  int64_t left = budget();
  if (step_ == Step::Running) left = savedBudget_ - (1 - left);
  return static_cast<uint64_t>(static_cast<int64_t>(deadline_) - left - (count - index));
}

// --- translation ---

namespace {
struct Link {
  void* next;
  Link* previous;
};
Link& linkOf(void* op) { return field<Link>(op, OP_LINK); }
void* lastOp(void* tcg) {
  // A queue head is a link whose `previous` names the last element's link; that one's predecessor points at the element.
  return field<Link>(tcg, TCG_OPS).previous->previous->next;
}
void* firstOp(void* tcg) { return field<Link>(tcg, TCG_OPS).next; }
int opcodeOf(void* op) { return static_cast<int>(field<uint32_t>(op, 0) & 0xff); }
}  // namespace

void Vcpu::beginTranslation(void* tb, int limit) {
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

// CALL and JMP far through a register: the library aborts, or, where an address is left over from an earlier
// instruction of the block, takes that one.
bool Vcpu::isReserved(uint64_t pc) {
  for (uint64_t at = pc; at - pc < 14; at++) {
    const int opcode = codeByte(at);
    if (isPrefix(opcode)) continue;
    if (opcode != 0xff) return false;
    const int modrm = codeByte(at + 1);
    return modrm >= 0xc0 && ((modrm & 0x38) == 0x18 || (modrm & 0x38) == 0x28);
  }
  return false;
}

void* Vcpu::beforeInsn() { return lastOp(field<void*>(uc_, UC_TCG_CTX)); }

// Counts the block down before its first instruction, or leaves for the main loop when fewer are left:
//   if (budget < n) goto exit; budget -= n
// with n, the number of instructions, filled in by endTranslation(). Loaded twice because a branch ends the life of
// the translator's temporaries.
void Vcpu::emitCount() {
  void* tcg = field<void*>(uc_, UC_TCG_CTX);
  const auto base = reinterpret_cast<uintptr_t>(tcg);
  const uintptr_t envTemp = base + field<uintptr_t>(tcg, TCG_CPU_ENV);
  const auto offset = static_cast<uintptr_t>(static_cast<intptr_t>(CPU_RANDOM_SEED) - static_cast<intptr_t>(CPU_ENV));
  const auto loadBudget = [&]() -> uintptr_t {
    const auto temp = reinterpret_cast<uintptr_t>(tcg_temp_new_internal_x86_64(tcg, TYPE_I64, false));
    tcg_gen_op3_x86_64(tcg, OP_LD_I64, temp, envTemp, offset);
    return temp;
  };
  uintptr_t left = loadBudget();
  const uintptr_t limit = tcg_const_i64_x86_64(tcg, COUNT_PLACEHOLDER);
  countOps_[0] = lastOp(tcg);
  tcg_gen_brcond_i64_x86_64(tcg, COND_LT, left - base, limit, field<void*>(tcg, TCG_EXITREQ_LABEL));
  left = loadBudget();
  const uintptr_t step = tcg_const_i64_x86_64(tcg, COUNT_PLACEHOLDER);
  countOps_[1] = lastOp(tcg);
  tcg_gen_op3_x86_64(tcg, OP_SUB_I64, left, left, base + step);
  tcg_gen_op3_x86_64(tcg, OP_ST_I64, left, envTemp, offset);
}

void Vcpu::endTranslation(void* tb) {
  translating_ = false;
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

namespace {
// Where a call keeps the function it calls.
void*& calledBy(void* op) {
  const uint32_t head = field<uint32_t>(op, 0);
  const uint32_t position = ((head >> 8) & 15) + ((head >> 12) & 15);
  return field<void*>(op, OP_ARGS + 8 * position);
}
}  // namespace

// RCL, RCR and SETcc compute the flags into the place of their operands before they reach memory, but the side table
// still says how they were to be computed when the instruction began: whoever leaves at the access, for a trap or a
// page fault, would compute them twice. The table is told that they are computed.
void Vcpu::flagsBeforeAccess(uint64_t pc, void* insnStart) {
  if (insnStart == nullptr || field<uint64_t>(insnStart, OP_ARGS) != pc) return;
  bool computed = false;
  for (void* op = linkOf(insnStart).next; op != nullptr; op = linkOf(op).next) {
    const int code = opcodeOf(op);
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
  const uint64_t next = field<uint64_t>(db, DB_PC_NEXT);
  int opcode = -1;
  for (uint64_t at = pc; at < next && at - pc < 15; at++) {
    opcode = codeByte(at);
    if (!isPrefix(opcode)) break;
  }
  if (opcode < 0x6c || opcode > 0x6f) return;
  void* tcg = field<void*>(uc_, UC_TCG_CTX);
  bool storeSeen = opcode >= 0x6e;
  void* op = before == nullptr ? firstOp(tcg) : linkOf(before).next;
  void* dummy = nullptr;
  for (; op != nullptr; op = linkOf(op).next) {
    const int code = opcodeOf(op);
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

// The library met something it would abort the process for. While translating: once more as a block of one
// instruction, so that what stood before it is executed; a block of one that fails again is an invalid instruction.
void Vcpu::contain() {
  if (std::exchange(delivering_, false)) {
    // No task register to take the inner stack from: #TS, then #DF, which cannot be delivered either.
    __wrap_qemu_system_reset_request(uc_);
    cpuField<int32_t>(CPU_EXCEPTION_INDEX) = static_cast<int32_t>(EXIT_CPU_LOOP) + 1;
    cpu_loop_exit_x86_64(cpu_);
  }
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
