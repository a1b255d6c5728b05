// SPDX-License-Identifier: GPL-2.0-only
// Each probe is a few bytes of guest code whose result is wrong if one assumption of unicorn_layout.h, or one wrap, does
// not hold for the library this addon was linked with.
#include "self_test.h"

#include <sys/mman.h>

#include <cstring>
#include <initializer_list>

#include "vcpu.h"

namespace trapline {
namespace {

constexpr uint64_t RAM = 0x10000;
constexpr uint32_t CODE = 0x1000;
constexpr uint32_t CS_PARAGRAPH = 0x40;  // code segments do not start at 0, so that IP and linear address differ
constexpr double FOREVER = 9007199254740992.0;

class Machine {
 public:
  Machine() {
    void* memory = mmap(nullptr, RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ram = memory == MAP_FAILED ? nullptr : static_cast<uint8_t*>(memory);
    if (ram == nullptr) return;
    cpu = std::make_unique<Vcpu>(ram, RAM, page, dirty);
    problem = cpu->open({RamSegment{0, RAM, 0, true, 0}});
  }
  ~Machine() {
    cpu.reset();
    if (ram != nullptr) munmap(ram, RAM);
  }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // Real mode, code at CS_PARAGRAPH:(CODE - base), data segments at 0, DX = port 0x1234.
  void start(std::initializer_list<uint8_t> code, uint32_t flags = 2) {
    std::memcpy(ram + CODE, std::data(code), code.size());
    cpu->invalidate(CODE, code.size());
    cpu->sync();
    for (int i = 0; i < 8; i++) gpr(i) = 0;
    gpr(2) = 0x1234;
    gpr(4) = 0x8000;
    for (uint32_t i = 0; i < 6; i++) {
      uint32_t* s = page + PAGE_SEGMENT + 8 * i;
      const uint32_t selector = i == 1 ? CS_PARAGRAPH : 0;
      s[0] = selector;
      s[1] = selector << 4;
      s[2] = 0;
      s[3] = 0xffff;
      s[4] = i == 1 ? 0x9b00 : 0x9300;
    }
    page[PAGE_RIP] = CODE - (CS_PARAGRAPH << 4);
    page[PAGE_RIP + 1] = 0;
    page[PAGE_RFLAGS] = flags;
    page[PAGE_HALTED] = 0;
    cpu->load();
    page[PAGE_SYNCED] = 0;
    deadline(FOREVER);
  }
  uint32_t run(uint32_t action = ACTION_RETRY, uint32_t data = 0) {
    page[PAGE_ACTION] = action;
    page[PAGE_DATA] = data;
    page[PAGE_DATA + 1] = 0;
    return cpu->run();
  }
  uint32_t& gpr(int index) { return page[PAGE_GPR + 2 * index]; }
  uint32_t reg(int index) {
    cpu->sync();
    return gpr(index);
  }
  uint32_t ip() {
    cpu->sync();
    return page[PAGE_RIP] + (CS_PARAGRAPH << 4) - CODE;
  }
  uint32_t flags() {
    cpu->sync();
    return page[PAGE_RFLAGS];
  }
  double count() {
    cpu->sync();
    double value;
    std::memcpy(&value, page + PAGE_ICOUNT, 8);
    return value;
  }
  uint32_t size() const { return page[PAGE_WHAT] >> WHAT_SIZE_SHIFT & WHAT_SIZE; }
  bool reads() const { return (page[PAGE_WHAT] & WHAT_READ) != 0; }
  void deadline(double value) { std::memcpy(page + PAGE_DEADLINE, &value, 8); }

  alignas(8) uint32_t page[RUN_PAGE_BYTES / 4] = {};
  uint8_t dirty[2 * (RAM >> 12)] = {};  // then those with translations
  uint8_t* ram = nullptr;
  std::unique_ptr<Vcpu> cpu;
  const char* problem = "no memory";
};

enum Reg { AX, CX, DX, BX, SP, BP, SI, DI };
constexpr uint32_t CARRY = 1;

#define EXPECT(condition, what) \
  if (!(condition)) return what

const char* portExit(Machine& m) {
  // mov bx,5; inc bx; stc; in al,dx; inc cx; hlt
  m.start({0xbb, 5, 0, 0x43, 0xf9, 0xec, 0x41, 0xf4});
  m.gpr(AX) = 0;
  for (int i = 0; i < 3; i++) {
    EXPECT(m.run() == EXIT_PIO, "a port access does not exit");
    EXPECT(m.page[PAGE_ADDR] == 0x1234 && m.size() == 1 && m.reads(), "a port exit is not described right");
    EXPECT(m.ip() == 5 && m.reg(BX) == 6 && m.reg(CX) == 0 && (m.flags() & CARRY) != 0, "a port exit is not at its instruction");
  }
  EXPECT(m.run(ACTION_ANSWER, 0xa5) == EXIT_HLT, "HLT does not exit");
  EXPECT((m.reg(AX) & 0xff) == 0xa5 && m.reg(CX) == 1 && m.ip() == 8, "an answered port access does not go on behind it");
  return nullptr;
}

const char* mixedBlock(Machine& m) {
  // inc ax; out 0x80,al; push bx; hlt: a stop in the middle of the block must not repeat its beginning
  m.start({0x40, 0xe6, 0x80, 0x53, 0xf4});
  EXPECT(m.run() == EXIT_PIO && m.reg(AX) == 1 && m.reg(SP) == 0x8000, "a stop inside a block repeats or skips instructions");
  EXPECT(m.run(ACTION_ROLLBACK) == EXIT_NONE && m.ip() == 1, "a rolled back access is not at its instruction");
  EXPECT(m.run() == EXIT_PIO && m.run(ACTION_FINISH) == EXIT_BOUNDARY, "a finished access does not end at its instruction");
  EXPECT(m.ip() == 3 && m.reg(SP) == 0x8000 && m.reg(AX) == 1, "a finished access runs beyond its instruction");
  EXPECT(m.run() == EXIT_HLT && m.reg(SP) == 0x7ffe, "the rest of a block is lost");
  return nullptr;
}

const char* counting(Machine& m) {
  // l: inc ax; jnz l; hlt
  m.start({0x40, 0x75, 0xfd, 0xf4});
  const double begin = m.count();
  for (const int step : {1, 2, 7, 64, 65, 1000}) {
    const double before = m.count();
    m.deadline(before + step);
    EXPECT(m.run() == EXIT_BUDGET && m.count() == before + step, "instructions are not counted exactly");
  }
  const auto executed = static_cast<uint32_t>(m.count() - begin);
  EXPECT(m.reg(AX) == (executed + 1) / 2, "the instruction count is not the number of instructions");
  return nullptr;
}

const char* deviceMemory(Machine& m) {
  // mov ds,0x2000 by register; add word [0x10],1; inc bx; hlt: 0x20010 is beyond RAM
  m.start({0xb8, 0, 0x20, 0x8e, 0xd8, 0x83, 0x06, 0x10, 0, 1, 0x43, 0xf4});
  EXPECT(m.run() == EXIT_MMIO && m.page[PAGE_ADDR] == 0x20010 && m.size() == 2 && m.reads(), "device memory does not exit");
  EXPECT(m.ip() == 5, "a device memory exit is not at its instruction");
  EXPECT(m.run(ACTION_FINISH, 41) == EXIT_MMIO && !m.reads() && m.page[PAGE_DATA] == 42 && m.page[PAGE_ACCESS_INDEX] == 1,
         "a read-modify-write of device memory is not two accesses");
  EXPECT(m.ip() == 5 && m.run(ACTION_FINISH) == EXIT_BOUNDARY && m.ip() == 10, "a read-modify-write does not finish");
  EXPECT(m.run() == EXIT_HLT && m.reg(BX) == 1, "device memory stops the guest");
  return nullptr;
}

const char* stores(Machine& m) {
  // mov [0x4000],al; hlt
  m.start({0xa2, 0, 0x40, 0xf4});
  m.dirty[4] = 0;
  m.cpu->rearmDirty();
  EXPECT(m.run() == EXIT_HLT && m.dirty[4] == 1, "a store is not seen as making its page dirty");
  m.dirty[4] = 0;
  m.start({0xa2, 0, 0x40, 0xf4});
  EXPECT(m.run() == EXIT_HLT && m.dirty[4] == 0, "a store to a dirty page does not take the fast path");
  m.cpu->rearmDirty();
  m.start({0xa2, 0, 0x40, 0xf4});
  EXPECT(m.run() == EXIT_HLT && m.dirty[4] == 1, "dirty pages cannot be armed again");
  // mov byte [next],0x43 (inc bx) over a nop that follows in the same block
  m.start({0xc6, 0x06, 0x05, 0x10, 0x43, 0x90, 0xf4});
  const double before = m.count();
  EXPECT(m.run() == EXIT_HLT && m.reg(BX) == 1 && m.count() == before + 3, "code that changes itself is not executed as changed");
  return nullptr;
}

const char* strings(Machine& m) {
  // rep insb to 0:4000, two bytes; hlt
  m.start({0xbf, 0, 0x40, 0xb9, 2, 0, 0xf3, 0x6c, 0xf4});
  std::memset(m.ram + 0x4000, 0x77, 4);
  EXPECT(m.run() == EXIT_PIO_STRING && m.page[PAGE_STRING + STRING_OP] == KIND_INS && m.page[PAGE_STRING + STRING_COUNT] == 2 &&
             m.page[PAGE_STRING + STRING_DST_INDEX] == 0x4000 && m.ip() == 6,
         "a string port access is not recognised");
  EXPECT(m.ram[0x4000] == 0x77, "INS stores before its device was asked");
  EXPECT(m.run(ACTION_ANSWER, 1) == EXIT_PIO_STRING && m.reg(CX) == 1 && m.reg(DI) == 0x4001, "REP INS is not element by element");
  EXPECT(m.run(ACTION_FINISH, 2) == EXIT_BOUNDARY && m.ram[0x4000] == 1 && m.ram[0x4001] == 2 && m.reg(CX) == 0, "INS does not store its answer");
  EXPECT(m.run() == EXIT_HLT, "REP INS does not end");
  // in al,0x6c: its last byte looks like INSB
  m.start({0xe4, 0x6c, 0xf4});
  EXPECT(m.run() == EXIT_PIO && m.run(ACTION_ANSWER, 9) == EXIT_HLT && m.reg(AX) == 9, "IN is taken for INS");
  return nullptr;
}

const char* repeatedStrings(Machine& m) {
  // rep stosb; hlt
  m.start({0xf3, 0xaa, 0xf4});
  m.gpr(CX) = 100;
  m.gpr(DI) = 0x5000;
  m.gpr(AX) = 0x77;
  m.cpu->load();
  const double count = m.count();
  m.deadline(count + 60);
  EXPECT(m.run() == EXIT_BUDGET && m.count() == count + 60 && m.reg(CX) == 40 && m.reg(DI) == 0x503c && m.ip() == 0 &&
             m.ram[0x503b] == 0x77 && m.ram[0x503c] != 0x77,
         "elements done at once are not counted");
  m.deadline(FOREVER);
  EXPECT(m.run() == EXIT_HLT && m.reg(CX) == 0 && m.ram[0x5063] == 0x77 && m.ram[0x5064] != 0x77, "a repeated instruction does not end");
  // sti; rep stosb; hlt, with an interrupt waiting: vector 0x20 at 0:0x6000 is cli; hlt
  m.start({0xfb, 0xf3, 0xaa, 0xf4});
  const uint32_t handler = 0x6000;
  std::memcpy(m.ram + 4 * 0x20, &handler, 4);
  m.ram[handler] = 0xfa;
  m.ram[handler + 1] = 0xf4;
  m.gpr(CX) = 100;
  m.gpr(DI) = 0x5000;
  m.cpu->load();
  m.page[PAGE_IRQ_VECTOR] = 0x20;
  EXPECT(m.run() == EXIT_HLT && m.reg(CX) == 99, "interrupts are held off for all of a repeated instruction");
  return nullptr;
}

const char* popa(Machine& m) {
  // popa; hlt with its first words in RAM and the rest beyond
  m.start({0x61, 0xf4});
  for (int i = 0; i < 8; i++) m.gpr(i) = 0x100 + static_cast<uint32_t>(i);
  m.gpr(SP) = 0xffe8;
  m.page[PAGE_SEGMENT + 8 * 2 + 1] = 0x10;  // SS base: the stack's second half lies beyond RAM
  m.cpu->load();
  m.page[PAGE_SYNCED] = 0;
  std::memset(m.ram + 0xfff8, 0x5a, 8);
  EXPECT(m.run() == EXIT_MMIO && m.reg(DI) == 0x107 && m.reg(SI) == 0x106, "an exit inside POPA shows registers that it has popped");
  EXPECT(m.run(ACTION_ROLLBACK) == EXIT_NONE && m.reg(DI) == 0x107, "POPA sent back to its start has popped registers");
  return nullptr;
}

const char* faults(Machine& m) {
  // IVT 6 -> CS:handler; FF E8 (far jump through a register, which the library aborts on); handler: mov al,6; hlt
  m.start({0x90, 0xff, 0xe8, 0xf4, 0xb0, 0x06, 0xf4});
  const uint16_t handler = CODE + 4 - (CS_PARAGRAPH << 4);
  const uint16_t selector = CS_PARAGRAPH;
  std::memcpy(m.ram + 6 * 4, &handler, 2);
  std::memcpy(m.ram + 6 * 4 + 2, &selector, 2);
  EXPECT(m.run() == EXIT_HLT && m.reg(AX) == 6, "an instruction that the library aborts on is not an invalid opcode");
  // int 6
  m.start({0xcd, 0x06, 0xf4, 0x90, 0xb0, 0x06, 0xf4});
  using namespace layout;
  const uint64_t behind = CODE + 2 - (CS_PARAGRAPH << 4);
  EXPECT(m.run() == EXIT_HLT && field<uint64_t>(envOf(m.cpu->cpu()), ENV_EXCEPTION_NEXT_EIP) == behind,
         "the address behind an INT is not where it is expected");
  // sti; nop; hlt with vector 6 pending: taken after the instruction that follows STI
  m.start({0xfb, 0x43, 0x43, 0xf4, 0xb0, 0x07, 0xf4});
  m.page[PAGE_IRQ_VECTOR] = 6;
  EXPECT(m.run() == EXIT_HLT && m.reg(BX) == 1 && (m.reg(AX) & 0xff) == 7, "an interrupt is not taken at its boundary");
  EXPECT(static_cast<int32_t>(m.page[PAGE_IRQ_VECTOR]) == -1, "an interrupt that was taken stays pending");
  return nullptr;
}

// IVT entry of `vector` -> CODE + offset.
void setVector(Machine& m, int vector, uint32_t offset) {
  const auto ip = static_cast<uint16_t>(CODE + offset - (CS_PARAGRAPH << 4));
  const auto selector = static_cast<uint16_t>(CS_PARAGRAPH);
  std::memcpy(m.ram + 4 * vector, &ip, 2);
  std::memcpy(m.ram + 4 * vector + 2, &selector, 2);
}

const char* limits(Machine& m) {
  constexpr uint32_t GP = 8;
  constexpr uint32_t SS = 11;
  const auto vector = [&](std::initializer_list<uint8_t> code, uint32_t bx, uint32_t sp) -> uint32_t {
    m.start(code);
    // mov al,13; hlt; mov al,12; hlt
    const uint8_t handlers[] = {0xb0, 13, 0xf4, 0xb0, 12, 0xf4};
    std::memcpy(m.ram + CODE + GP, handlers, sizeof handlers);
    m.cpu->invalidate(CODE, 16);
    setVector(m, 13, GP);
    setVector(m, 12, SS);
    m.gpr(BX) = bx;
    m.gpr(SP) = sp;
    m.gpr(AX) = 0;
    m.cpu->load();
    m.page[PAGE_SYNCED] = 0;
    return m.run() == EXIT_HLT ? m.reg(AX) & 0xff : ~0u;
  };
  // mov cx,[bx]; hlt
  EXPECT(vector({0x8b, 0x0f, 0xf4}, 0xfffe, 0x8000) == 0, "a word that ends at its segment's limit faults");
  EXPECT(vector({0x8b, 0x0f, 0xf4}, 0xffff, 0x8000) == 13, "a segment's limit is not looked at");
  // mov [bx],ecx; hlt
  EXPECT(vector({0x66, 0x89, 0x0f, 0xf4}, 0xfffd, 0x8000) == 13, "a segment's limit is not looked at by a store");
  // les cx,[bx]; hlt
  EXPECT(vector({0xc4, 0x0f, 0xf4}, 0xfffd, 0x8000) == 13, "a segment's limit is not looked at by a second access");
  // xchg cx,[bx]; hlt; bound cx,[bx]; hlt
  EXPECT(vector({0x87, 0x0f, 0xf4}, 0xffff, 0x8000) == 13 && vector({0x62, 0x0f, 0xf4}, 0xfffd, 0x8000) == 13,
         "a segment's limit is not looked at by functions of the library");
  // mov cl,[ebx]; hlt
  EXPECT(vector({0x67, 0x8a, 0x0b, 0xf4}, 0x10000, 0x8000) == 13 && vector({0x67, 0x8a, 0x0b, 0xf4}, 0xffff, 0x8000) == 0,
         "a segment's limit is not looked at with 32-bit addresses");
  // pop cx; hlt
  EXPECT(vector({0x59, 0xf4}, 0, 0xffff) == 12 && vector({0x59, 0xf4}, 0, 0xfff1) == 0, "the stack's limit is not looked at");
  // enter 1,0; hlt; pusha; hlt
  EXPECT(vector({0xc8, 1, 0, 0, 0xf4}, 0, 2) == 12 && vector({0xc8, 1, 0, 0, 0xf4}, 0, 3) == 0, "ENTER does not look at its last stack pointer");
  std::memset(m.ram, 0, 16);
  EXPECT(vector({0x60, 0xf4}, 0x1357, 0xf) == 12 && m.ram[7] == 0x57 && m.ram[8] == 0x13, "PUSHA that faults has not stored what comes before");
  return nullptr;
}

const char* encodings(Machine& m) {
  // mov byte [0x5000],1; lock neg byte [0x5000]; hlt
  m.start({0xc6, 0x06, 0, 0x50, 1, 0xf0, 0xf6, 0x1e, 0, 0x50, 0xf4});
  EXPECT(m.run() == EXIT_HLT && (m.flags() & 0x81) == 0x81, "LOCK NEG leaves wrong flags");
  // stc; test ax,ffff as F7 /1; hlt
  m.start({0xf9, 0xf7, 0xc8, 0xff, 0xff, 0xf4});
  EXPECT(m.run() == EXIT_HLT && (m.flags() & 0x41) == 0x40, "F7 /1 is not TEST");
  // rcl ax,2 of 4000; hlt
  m.start({0xb8, 0, 0x40, 0xf8, 0xc1, 0xd0, 2, 0xf4});
  EXPECT(m.run() == EXIT_HLT && m.reg(AX) == 0 && (m.flags() & 0x801) == 0x801, "RCL leaves another OF");
  return nullptr;
}

const char* states(Machine& m) {
  // inc ax; hlt
  m.start({0x40, 0xf4});
  m.gpr(BX) = 0x1111;
  m.page[PAGE_IDT + 2] = 0x123;
  m.cpu->load();
  std::vector<uint8_t> state(m.cpu->stateBytes());
  m.cpu->save(state.data());
  const double count = m.count();
  EXPECT(m.run() == EXIT_HLT && m.reg(AX) == 1, "a guest does not run");
  m.page[PAGE_IDT + 2] = 0x3ff;
  m.gpr(BX) = 0x2222;
  m.cpu->load();
  EXPECT(m.cpu->restore(state.data(), state.size()) == nullptr, "its own saved state is refused");
  EXPECT(m.reg(AX) == 0 && m.reg(BX) == 0x1111 && m.page[PAGE_IDT + 2] == 0x123 && m.ip() == 0 && m.count() == count, "a saved state is not restored whole");
  EXPECT(m.run() == EXIT_HLT && m.reg(AX) == 1, "a restored guest does not run on");
  m.page[PAGE_IDT + 2] = 0x3ff;
  m.cpu->load();
  return nullptr;
}

const char* pagingWorks(Machine& m) {
  // Flat 32-bit protected mode with paging: linear 0x5000 is physical 0x6000. mov al,[0x5000]; hlt
  m.start({0xa0, 0x00, 0x50, 0, 0, 0xf4});
  uint32_t table[16];
  for (uint32_t i = 0; i < 16; i++) table[i] = i << 12 | 3;
  table[5] = 0x6000 | 3;
  std::memcpy(m.ram + 0xa000, table, sizeof table);
  const uint32_t directory = 0xa000 | 3;
  std::memcpy(m.ram + 0x9000, &directory, 4);
  m.ram[0x5000] = 1;
  m.ram[0x6000] = 2;
  m.cpu->sync();
  for (uint32_t i = 0; i < 6; i++) {
    uint32_t* s = m.page + PAGE_SEGMENT + 8 * i;
    s[1] = 0;
    s[3] = 0xffffffff;
    s[4] = i == 1 ? 0xcf9b00 : 0xcf9300;
  }
  m.page[PAGE_RIP] = CODE;
  m.page[PAGE_HALTED] = 0;
  m.page[PAGE_CR0] = 0xe0000011;
  m.page[PAGE_CR0 + 2] = 0x9000;
  m.cpu->load();
  m.page[PAGE_SYNCED] = 0;
  std::memset(m.dirty, 0, RAM >> 12);
  EXPECT(m.run() == EXIT_HLT && (m.reg(AX) & 0xff) == 2, "paging does not translate addresses");
  EXPECT(m.ram[0xa000 + 4 * 5] == 0x23 && m.dirty[0xa] != 0, "what the page walk writes is not seen");
  EXPECT(m.ram[0x9000] == 0x23, "what the page walk notes in a directory is lost");
  m.cpu->reset();
  return nullptr;
}

// Flat 32-bit protected mode but for a limit of DS. mov al,[0x5000]; hlt, behind a far jump to the next instruction
const char* rooms(Machine& m) {
  const auto start = [&](uint32_t limit, uint32_t attributes) {
    m.start({0xea, 0x07, 0x10, 0, 0, 0x08, 0, 0xa0, 0x00, 0x50, 0, 0, 0xf4});
    const uint32_t descriptors[] = {0, 0, 0xffff, 0xcf9b00};
    std::memcpy(m.ram + 0x9000, descriptors, sizeof descriptors);
    m.cpu->sync();
    for (uint32_t i = 0; i < 6; i++) {
      uint32_t* s = m.page + PAGE_SEGMENT + 8 * i;
      s[1] = 0;
      s[3] = i == layout::SEG_DS ? limit : 0xffffffff;
      s[4] = i == layout::SEG_CS ? 0xcf9b00 : i == layout::SEG_DS ? attributes : 0xcf9300;
    }
    m.page[PAGE_RIP] = CODE;
    m.page[PAGE_GDT] = 0x9000;
    m.page[PAGE_GDT + 2] = sizeof descriptors - 1;
    m.page[PAGE_CR0] = 0x60000011;
    m.cpu->load();
    m.page[PAGE_SYNCED] = 0;
    m.page[PAGE_CATCH] = 1;
    const uint32_t exit = m.run();
    m.page[PAGE_CATCH] = 0;
    return exit;
  };
  EXPECT(start(0x5000, 0x409300) == EXIT_HLT, "what a segment holds in protected mode faults");
  EXPECT(start(0x4fff, 0x409300) == EXIT_EXCEPTION && m.page[PAGE_VECTOR] == 13, "a segment's limit is not looked at in protected mode");
  EXPECT(start(0, 0) == EXIT_EXCEPTION && m.page[PAGE_VECTOR] == 13, "a null segment is accessed");
  m.cpu->reset();
  return nullptr;
}

}  // namespace

std::string selfTest() {
  const unsigned version = uc_version(nullptr, nullptr);
  if ((version >> 8) != 0x020001) return "it was written for release 2.0.1";
  Machine machine;
  if (machine.problem != nullptr) return machine.problem;
  if (layout::field<void*>(layout::envOf(machine.cpu->cpu()), layout::ENV_UC) != machine.cpu->engine()) {
    return "the CPU state is not laid out as expected";
  }
  for (const auto probe : {portExit, mixedBlock, counting, deviceMemory, stores, strings, repeatedStrings, popa, faults, limits, encodings, states, pagingWorks, rooms}) {
    if (const char* problem = probe(machine)) return problem;
  }
  return "";
}

}  // namespace trapline
