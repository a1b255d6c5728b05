// SPDX-License-Identifier: GPL-2.0-only
// Class Vcpu: limits and rights of segments in protected mode. The library looks at both when a segment is loaded, and
// never again.
//
// Twelve words say what each segment has room for: the last offset that may be read, and the last one that may be
// written. Translated code compares the last byte of an operand with one of them and marks the address as in real mode
// (limits.cc). Of a segment that expands down every address is marked, and looked at in the slow way. Where ES, SS and DS
// are flat, base 0 and all of 4 GiB, the library leaves bases out of addresses, and nothing is compared: HF_ADDSEG, a part
// of what tells translations apart, is kept set as long as one of them is not.
#include <algorithm>

#include "tcg_ops.h"
#include "vcpu.h"

extern "C" {
void helper_load_seg_x86_64(void* env, int index, int selector);
void helper_lcall_protected_x86_64(void* env, int selector, uint64_t eip, int shift, uint64_t next);
void helper_ljmp_protected_x86_64(void* env, int selector, uint64_t eip, uint64_t next);
void trapline_segment_loaded(void* env, uint64_t) { trapline::Vcpu::ofEnv(env)->measureRooms(); }
}

namespace trapline {
using namespace layout;

namespace {
constexpr uint32_t PRESENT = 1u << 15, BIG = 1u << 22, CODE = 1u << 11, DOWN = 1u << 10, ALLOWED = 1u << 9;
constexpr uint32_t REAL_MODE_DATA = 0x9300;
constexpr int64_t EVERYWHERE = 1ll << 40;
constexpr int64_t NOWHERE = -1;

bool expandsDown(const Segment& s) { return (s.flags & (CODE | DOWN)) == DOWN; }
// What is null is not present.
bool allows(const Segment& s, bool store) {
  if ((s.flags & PRESENT) == 0) return false;
  if ((s.flags & CODE) != 0) return !store && (s.flags & ALLOWED) != 0;
  return !store || (s.flags & ALLOWED) != 0;
}
}  // namespace

void Vcpu::measureRooms() {
  if (limited()) return;
  int64_t* rooms = &cpuField<int64_t>(CPU_ROOMS);
  for (int i = SEG_ES; i <= SEG_GS; i++) {
    const Segment& s = segment(i);
    const int64_t room = expandsDown(s) ? NOWHERE : s.limit == ~0u ? EVERYWHERE : s.limit;
    rooms[i] = allows(s, false) ? room : NOWHERE;
    rooms[i + SEGMENTS] = allows(s, true) ? room : NOWHERE;
  }
  for (const int i : {SEG_ES, SEG_SS, SEG_DS}) {
    if (rooms[i + SEGMENTS] != EVERYWHERE) env<uint32_t>(ENV_HFLAGS) |= HF_ADDSEG;
  }
}

// At a boundary. What was null in protected mode and was loaded in real mode is not null any more, but the library has
// not taken note of that.
void Vcpu::followMode() {
  if ((env<uint32_t>(ENV_HFLAGS) & HF_PE) == 0) {
    wasReal_ = true;
    return;
  }
  if (std::exchange(wasReal_, false)) {
    for (int i = SEG_ES; i <= SEG_GS; i++) {
      Segment& s = segment(i);
      if ((s.flags & PRESENT) == 0) s = {s.selector, s.pad, s.base, 0xffff, REAL_MODE_DATA};
    }
  }
  measureRooms();
}

void Vcpu::knowMode() {
  wasReal_ = (env<uint32_t>(ENV_HFLAGS) & HF_PE) == 0;
  measureRooms();
}

// Whether a segment has these bytes, in any mode, and lets them be accessed.
bool Vcpu::hasRoom(int index, uint64_t offset, uint64_t bytes, bool store) {
  if (bytes == 0) return true;
  const Segment& s = segment(index);
  const uint64_t last = offset + bytes - 1;
  if (limited()) return last <= s.limit;
  if (!allows(s, store)) return false;
  if (expandsDown(s)) return offset > s.limit && last <= ((s.flags & BIG) != 0 ? 0xffffffffu : 0xffffu);
  return last <= s.limit;
}

// Of the instruction being translated: whether operands in this segment are looked at. FS, GS and CS are named by a
// prefix, and bring their base, in flat code, too.
bool Vcpu::isWatched(int index) {
  if (limited_) return true;
  const bool flat = (env<uint32_t>(ENV_HFLAGS) & (HF_CS32 | HF_ADDSEG)) == HF_CS32;
  return !flat || index == SEG_CS || index == SEG_FS || index == SEG_GS;
}

// Whether an operand in memory is changed: read and then written, or written by a C function of the library. A processor
// asks for the right to write before it reads. (Not for ARPL, which writes only what differs.)
bool Vcpu::changesMemory(const Head& head) {
  const int group = (head.modrm >> 3) & 7;
  if (head.twoBytes) {
    switch (head.opcode) {
      case 0xa4: case 0xa5: case 0xac: case 0xad: case 0xab: case 0xb3: case 0xbb:  // SHLD SHRD BTS BTR BTC
      case 0xb0: case 0xb1: case 0xc0: case 0xc1: case 0xc7: return true;           // CMPXCHG XADD CMPXCHG8B
      case 0xba: return group > 4;   // BTS BTR BTC
      case 0xae: return group == 0;  // FXSAVE
      default: return false;
    }
  }
  if (head.opcode < 0x38) return (head.opcode & 7) < 2;  // ADD OR ADC SBB AND SUB XOR
  switch (head.opcode) {
    case 0x86: case 0x87: return true;  // XCHG
    case 0xc0: case 0xc1: case 0xd0: case 0xd1: case 0xd2: case 0xd3: return true;
    case 0x80: case 0x81: case 0x82: case 0x83: return group != 7;
    case 0xf6: case 0xf7: return group == 2 || group == 3;
    case 0xfe: case 0xff: return group < 2;
    case 0xd9: case 0xdd: case 0xdf: return group == 6;  // FNSTENV FNSAVE FBSTP
    case 0xdb: return group == 7;                        // FSTP of 10 bytes
    default: return false;
  }
}

bool Vcpu::loadsSegment(const Head& head) {
  const int group = (head.modrm >> 3) & 7;
  if (head.twoBytes) return (head.opcode & 0xf7) == 0xa1 || head.opcode == 0xb2 || head.opcode == 0xb4 || head.opcode == 0xb5;
  switch (head.opcode) {
    case 0x07: case 0x17: case 0x1f: case 0x8e: case 0xc4: case 0xc5: case 0x9a: case 0xea: return true;
    case 0xff: return group == 3 || group == 5;
    default: return false;
  }
}

// Behind where the library loads a segment: some of these instructions are not the last of their block, and from some
// the next block is gone to at once.
void Vcpu::followSegmentLoad(void* before) {
  auto* tcg = field<char*>(uc_, UC_TCG_CTX);
  void* const loads[] = {reinterpret_cast<void*>(&helper_load_seg_x86_64), reinterpret_cast<void*>(&helper_lcall_protected_x86_64),
                         reinterpret_cast<void*>(&helper_ljmp_protected_x86_64)};
  for (void* op = before == nullptr ? firstOp(tcg) : opBehind(before); op != nullptr; op = opBehind(op)) {
    if (codeOf(op) != OP_CALL || std::find(std::begin(loads), std::end(loads), calledBy(op)) == std::end(loads)) continue;
    emitCall(reinterpret_cast<void*>(&trapline_segment_loaded), field<uintptr_t>(tcg, TCG_CPU_ENV));
    moveLast(opBehind(op));
    return;
  }
}

// A word that a C function of the library is about to push or pop: of a far CALL or RET, of IRET, or of a delivery (no
// return address). Stacks of another ring are no matter of SS yet.
void Vcpu::checkStackWord(uint64_t linear, uint32_t size, bool store, uintptr_t retaddr) {
  if (size == 1 || size == 8 || limited() || (&cpuField<int64_t>(CPU_ROOMS))[SEG_SS + SEGMENTS] == EVERYWHERE) return;
  if (retaddr == 0 && (!store || !delivering_)) return;
  constexpr uint64_t MOST_WORDS = 5;
  const uint64_t esp = env<uint64_t>(ENV_REGS + 8 * 4);
  const auto offsetOf = [&](uint64_t i) { return (store ? esp - (i + 1) * size : esp + i * size) & stackMask(); };
  uint64_t word = 0;
  while (word < MOST_WORDS && static_cast<uint32_t>(segment(SEG_SS).base + offsetOf(word)) != linear) word++;
  if (word == MOST_WORDS) return;
  uint64_t last = word;
  if (retaddr != 0) {
    __real_cpu_restore_state_x86_64(cpu_, retaddr, false);
    const int opcode = opcodeAt(segment(SEG_CS).base + env<uint64_t>(ENV_EIP));
    const bool calls = opcode == 0x9a || opcode == 0xff;
    const bool returns = opcode == 0xca || opcode == 0xcb || opcode == 0xcf;
    if (store ? !calls : !returns) return;
    if (calls) last = 1;
  }
  for (; word <= last; word++) {
    if (hasRoom(SEG_SS, offsetOf(word), size, store)) continue;
    if (retaddr != 0) overLimit(SEG_SS, retaddr);
    // The error code says whether somebody else than an INT is the cause.
    constexpr int STACK_FAULT = 12;
    raise_exception_err_ra_x86_64(envOf(cpu_), STACK_FAULT, env<int32_t>(ENV_EXCEPTION_IS_INT) == 0 ? 1 : 0, 0);
  }
}

// A marked address in protected mode: of a segment that does not expand down it is beyond, for sure.
uint64_t Vcpu::withinRoom(int mark, uint64_t linear, uint32_t size, uintptr_t retaddr) {
  const int index = mark % SEGMENTS;
  const Segment& s = segment(index);
  const bool store = mark >= SEGMENTS;
  const uint64_t offset = static_cast<uint32_t>(linear - s.base);
  if (!expandsDown(s) || !hasRoom(index, offset, size, store)) overLimit(index, retaddr);
  return linear;
}

}  // namespace trapline
