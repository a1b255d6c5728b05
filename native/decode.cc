// SPDX-License-Identifier: GPL-2.0-only
// Class Vcpu: what instruction stands where. Only as much of the opcode map as exits and the library's gaps need.
#include "vcpu.h"

namespace trapline {
using namespace layout;

namespace {
constexpr uint64_t TRAP_FLAG = 0x100;

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

// MOV between a general register, or an immediate, and memory, MOVZX and MOVSX.
bool Vcpu::isMove(const Head& head) {
  if (head.lock || head.repeated) return false;
  if (head.twoBytes) return (head.opcode & 0xf6) == 0xb6;
  return (head.opcode & 0xfc) == 0x88 || (head.opcode & 0xfc) == 0xa0 || (head.opcode & 0xfe) == 0xc6;
}

// POPA is the one instruction that writes registers between its memory accesses. Its block keeps them as they were
// before it, so that an exit in its middle shows them, and an instruction sent back to its start has them.
bool Vcpu::atPopa() {
  return popaTranslated_ && opcodeAt(segment(SEG_CS).base + env<uint64_t>(ENV_EIP)) == POPA;
}

// Where the CMPS at RIP reads, linear; false if there is none.
bool Vcpu::cmpsOperands(uint64_t* source, uint64_t* destination) {
  bool narrow = (env<uint32_t>(ENV_HFLAGS) & HF_CS32) == 0;
  int base = SEG_DS;
  uint64_t at = segment(SEG_CS).base + env<uint64_t>(ENV_EIP);
  const uint64_t start = at;
  int byte = codeByte(at);
  for (; isPrefix(byte) && at - start < 15; byte = codeByte(++at)) {
    switch (byte) {
      case 0x67: narrow = (env<uint32_t>(ENV_HFLAGS) & HF_CS32) != 0; break;
      case 0x26: base = SEG_ES; break;
      case 0x2e: base = SEG_CS; break;
      case 0x36: base = SEG_SS; break;
      case 0x3e: base = SEG_DS; break;
      case 0x64: base = SEG_FS; break;
      case 0x65: base = SEG_GS; break;
      default: break;
    }
  }
  if (byte != 0xa6 && byte != 0xa7) return false;
  const uint32_t mask = narrow ? 0xffffu : 0xffffffffu;
  *source = static_cast<uint32_t>(segment(base).base + (env<uint64_t>(ENV_REGS + 8 * 6) & mask));
  *destination = static_cast<uint32_t>(segment(SEG_ES).base + (env<uint64_t>(ENV_REGS + 8 * 7) & mask));
  return true;
}

Vcpu::Head Vcpu::headAt(uint64_t linear) {
  Head head;
  const uint32_t wide = (env<uint32_t>(ENV_HFLAGS) & HF_CS32) != 0 ? 4 : 2;
  head.operandBytes = wide;
  head.wideAddress = wide == 4;
  head.start = linear;
  uint64_t at = linear;
  int opcode = codeByte(at);
  for (; isPrefix(opcode) && at - linear < 15; opcode = codeByte(++at)) {
    head.lock |= opcode == 0xf0;
    head.repeated |= opcode == 0xf2 || opcode == 0xf3;
    if (opcode == 0x66) head.operandBytes = 6 - wide;
    if (opcode == 0x67) head.wideAddress = wide != 4;
  }
  head.opcodeAt = at;
  head.twoBytes = opcode == 0x0f;
  if (head.twoBytes) opcode = codeByte(++at);
  head.at = at + 1;
  head.modrm = codeByte(head.at);
  if (!isPrefix(opcode) || head.twoBytes) head.opcode = opcode;
  return head;
}

// The segment register that the instruction names by a prefix, or -1. Of several the last one counts.
int Vcpu::segmentPrefix(const Head& head) {
  constexpr int PREFIXES[6] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
  for (uint64_t at = head.opcodeAt; at-- > head.start;) {
    const int byte = codeByte(at);
    for (int s = SEG_ES; s <= SEG_GS; s++) {
      if (byte == PREFIXES[s]) return s;
    }
  }
  return -1;
}

// POP and MOV with an immediate are their group's only members.
bool Vcpu::isIllegal(const Head& head) {
  if (head.twoBytes || head.modrm < 0 || (head.modrm & 0x38) == 0) return false;
  return head.opcode == 0x8f || head.opcode == 0xc6 || head.opcode == 0xc7;
}

// LOCK is allowed on instructions that read, modify and write a memory operand. The library ignores it elsewhere, the
// processor raises #UD.
bool Vcpu::lockIsIllegal(const Head& head) {
  if (!head.lock || head.opcode < 0 || head.modrm < 0) return false;
  if (head.modrm >= 0xc0) return true;
  const int group = (head.modrm >> 3) & 7;
  if (head.twoBytes) {
    switch (head.opcode) {
      case 0xab: case 0xb0: case 0xb1: case 0xb3: case 0xbb: case 0xc0: case 0xc1: return false;  // BTS CMPXCHG BTR BTC XADD
      case 0xba: return group < 5;   // BTS BTR BTC
      case 0xc7: return group != 1;  // CMPXCHG8B
      default: return true;
    }
  }
  if (head.opcode < 0x38) return (head.opcode & 7) >= 2;  // ADD OR ADC SBB AND SUB XOR with a memory destination
  switch (head.opcode) {
    case 0x80: case 0x81: case 0x82: case 0x83: return group == 7;
    case 0x86: case 0x87: return false;
    case 0xf6: case 0xf7: return group != 2 && group != 3;
    case 0xfe: case 0xff: return group > 1;
    default: return true;
  }
}

// RETF, LES and LDS, LSS, LFS and LGS, CALL and JMP through a far pointer: two parts, each of them an access of its own.
bool Vcpu::wrapsBetween(const Head& head) {
  if (head.twoBytes) return head.opcode == 0xb2 || head.opcode == 0xb4 || head.opcode == 0xb5;
  const int group = (head.modrm >> 3) & 7;
  return head.opcode == 0xca || head.opcode == 0xcb || head.opcode == 0xc4 || head.opcode == 0xc5 ||
         (head.opcode == 0xff && (group == 3 || group == 5));
}

// How many bytes of memory a C function of the library accesses for the translated code, or a sequence that is put
// together elsewhere; 0 for other instructions.
uint32_t Vcpu::extentOf(const Head& head) {
  if (head.modrm < 0 || head.modrm >= 0xc0) return 0;
  const int group = (head.modrm >> 3) & 7;
  const uint32_t environment = head.operandBytes == 2 ? 14 : 28;
  if (head.twoBytes) {
    if (head.opcode == 0xc7) return 8;                  // CMPXCHG8B
    if (head.opcode == 0xae && group < 2) return 512;   // FXSAVE, FXRSTOR
  } else {
    switch (head.opcode) {
      case 0x62: return 0x10000;                // BOUND: looked at part by part, see helperOperand()
      case 0x86: return 1;                      // XCHG
      case 0x87: return head.operandBytes;
      case 0xd9: return group == 4 || group == 6 ? environment : 0;
      case 0xdb: return group == 5 || group == 7 ? 10 : 0;
      case 0xdd: return group == 4 || group == 6 ? environment + 80 : 0;
      case 0xdf: return group == 4 || group == 6 ? 10 : 0;
      default: break;
    }
  }
  if (!head.lock) return 0;
  const bool bits = head.twoBytes && ((head.opcode & 0xc7) == 0x83 || head.opcode == 0xba);
  return bits || (head.opcode & 1) != 0 ? head.operandBytes : 1;
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
    words[STRING_PLAIN] = !paging() && page_[PAGE_A20] != 0 && (env<uint64_t>(ENV_EFLAGS) & TRAP_FLAG) == 0;
    if (kind == KIND_INS || kind == KIND_OUTS) {
      const bool ins = kind == KIND_INS;
      const uint64_t bytes = static_cast<uint64_t>(words[STRING_COUNT]) * words[STRING_SIZE];
      if (!hasRoom(ins ? SEG_ES : source, words[ins ? STRING_DST_INDEX : STRING_SRC_INDEX], bytes, ins)) words[STRING_PLAIN] = 0;
    }
    // An element that ends behind the segment is no matter of Xen's: the instruction faults.
    if (kind == KIND_MOVS && !hasRoom(SEG_ES, words[STRING_DST_INDEX], words[STRING_SIZE], true)) words[STRING_OP] = KIND_NONE;
    return words[STRING_OP] != KIND_NONE;
  }
  return false;
}

void Vcpu::describe() {
  if (park_ == Park::Trap) __real_cpu_restore_state_x86_64(cpu_, trapReturn_, false);
  decodeString();
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

}  // namespace trapline
