// SPDX-License-Identifier: GPL-2.0-only
// Everything this addon assumes about the inside of libunicorn 2.0.1.post1 (amd64): field offsets, enumerators and the
// internal functions it calls or wraps. Nothing outside this header holds such a number, and self_test.cc refuses a
// library for which they are not true. Offsets are bytes.
#pragma once
#include <unicorn/unicorn.h>

#include <cstddef>
#include <cstdint>

namespace trapline::layout {

// CPUState; the architecture's state ("env") lies inside the same allocation.
constexpr size_t CPU_CFLAGS_NEXT_TB = 0x18;      // u32, all ones: none
constexpr size_t CPU_INTERRUPT_REQUEST = 0x1c;   // u32
constexpr size_t CPU_RANDOM_SEED = 0x38;         // u64, unused by x86: we keep the instruction budget there
constexpr size_t CPU_JMP_ENV = 0x40;             // 200 bytes, unused since the engine has its own: room for eight registers
constexpr size_t CPU_ROOMS = CPU_JMP_ENV + 64;   // and for twelve words of what segments hold, see rooms.cc
constexpr size_t CPU_OPAQUE = 0x8170;            // void*, unused by the library: our Vcpu
constexpr size_t CPU_MEM_IO_PC = 0x8178;         // return address of the access being done by a C helper
constexpr size_t CPU_EXCEPTION_INDEX = 0x81a0;   // i32, -1: none
constexpr size_t CPU_ICOUNT_DECR_HIGH = 0x8742;  // u16; non-zero sign bit makes every block return to the main loop
constexpr size_t CPU_ENV = 0x8750;

// CPUX86State, relative to env.
constexpr size_t ENV_REGS = 0x0;  // u64[16] in hardware order
constexpr size_t ENV_EIP = 0x80;
constexpr size_t ENV_EFLAGS = 0x88;  // u64, without the arithmetic flags and DF while inside the main loop
constexpr size_t ENV_CC_DST = 0x90;
constexpr size_t ENV_CC_SRC = 0x98;
constexpr size_t ENV_CC_SRC2 = 0xa0;
constexpr size_t ENV_CC_OP = 0xa8;
constexpr size_t ENV_DF = 0xac;  // i32, 1 or -1
constexpr size_t ENV_HFLAGS = 0xb0;
constexpr size_t ENV_SEGS = 0xb8;
constexpr size_t ENV_LDT = 0x148;
constexpr size_t ENV_TR = 0x160;
constexpr size_t ENV_GDT = 0x178;
constexpr size_t ENV_IDT = 0x190;
constexpr size_t ENV_CR = 0x1a8;  // u64[5]
constexpr size_t ENV_A20_MASK = 0x1d0;
constexpr size_t ENV_EFER = 0x230;
constexpr size_t ENV_ERROR_CODE = 0x14e8;
constexpr size_t ENV_EXCEPTION_IS_INT = 0x14ec;
constexpr size_t ENV_EXCEPTION_NEXT_EIP = 0x14f0;  // u64
constexpr size_t ENV_DR = 0x14f8;  // u64[8]
constexpr size_t ENV_OLD_EXCEPTION = 0x1558;
constexpr size_t ENV_FEATURES = 0x15e0;  // u64 words; 0: CPUID.1.EDX
constexpr size_t ENV_UC = 0x1b38;

struct Segment {
  uint32_t selector;
  uint32_t pad;
  uint64_t base;
  uint32_t limit;
  uint32_t flags;  // descriptor's high word: type at bit 8, S 12, DPL 13, P 15, AVL 20, L 21, D/B 22, G 23
};
static_assert(sizeof(Segment) == 24, "SegmentCache is 24 bytes");
enum SegmentIndex { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS };
constexpr int SEGMENTS = 6;

// uc_struct
constexpr size_t UC_CPU = 0x180;
constexpr size_t UC_TCG_CTX = 0x2c0;
constexpr size_t UC_NO_EXIT_REQUEST = 0x78a;  // u8: blocks are never left in the middle of an instruction

// TranslationBlock
constexpr size_t TB_PC = 0x0;
constexpr size_t TB_CS_BASE = 0x8;
constexpr size_t TB_ICOUNT = 0x16;   // u16
constexpr size_t TB_CODE = 0x20;     // void*, then size_t: the side table follows the code
constexpr size_t TB_CODE_SIZE = 0x28;

// DisasContextBase and TranslatorOps
constexpr size_t DB_TB = 0x0;
constexpr size_t DB_PC_NEXT = 0x10;
constexpr size_t DB_IS_JMP = 0x18;       // u32
constexpr size_t DB_FLAGS = 0xa8;        // u64, of the translator of this architecture: hidden flags of the block
constexpr uint32_t DISAS_NEXT = 0;
constexpr uint32_t DISAS_TOO_MANY = 1;  // ends the block behind this instruction, for the main loop
struct TranslatorOps {
  void (*init_disas_context)(void* db, void* cpu);
  void (*tb_start)(void* db, void* cpu);
  void (*insn_start)(void* db, void* cpu);
  bool (*breakpoint_check)(void* db, void* cpu, const void* bp);
  void (*translate_insn)(void* db, void* cpu);
  void (*tb_stop)(void* db, void* cpu);
};

// TCGContext and TCGOp
constexpr size_t TCG_CODE_GEN_PTR = 0xc0;
constexpr size_t TCG_CODE_GEN_HIGHWATER = 0xd0;
constexpr size_t TCG_EXITREQ_LABEL = 0x100;
constexpr size_t TCG_CPU_ENV = 0x98f0;
constexpr size_t TCG_CPU_REGS = 0x9998;  // the translator's names for the general registers
constexpr size_t TCG_SEG_BASE = TCG_CPU_REGS + 8 * 56;  // of the segments' bases, in hardware order
constexpr size_t TCG_OPS = 0x7388;
constexpr size_t OP_LINK = 0x8;
constexpr size_t OP_ARGS = 0x18;
constexpr int OP_SET_LABEL = 1;
constexpr int OP_CALL = 2;
constexpr int OP_MOV_I64 = 63;
constexpr int OP_LD32U_I64 = 71;
constexpr int OP_LD_I64 = 73;
constexpr int OP_ST_I64 = 77;
constexpr int OP_ADD_I64 = 78;
constexpr int OP_SUB_I64 = 79;
constexpr int OP_OR_I64 = 88;
constexpr int OP_EXT16U_I64 = 108;
constexpr int OP_EXT32U_I64 = 109;
constexpr int OP_QEMU_LD_I32 = 133;  // the first of four: loads and stores, 32 and 64 bits
constexpr int OP_QEMU_ST_I32 = 134;
constexpr int OP_QEMU_ST_I64 = 136;
constexpr uint8_t LABEL_PRESENT = 1;  // in the first byte of a label: it was placed
constexpr uint32_t ALIGNED = 0x70;  // of a memory operation: its address is a multiple of its size
constexpr uint32_t OI_ALIGNED = ALIGNED << 4;  // the same, as its helper is told
// Ours, in a bit that the library hands through: the operation is all that a MOV does with memory.
constexpr uint32_t SOLE = 0x80;
constexpr uint32_t OI_SOLE = SOLE << 4;
// Ours, in the next one: the operation is marked as aligned for its segment's limit, see limits.cc.
constexpr uint32_t EVEN = 0x100;
constexpr uint32_t OI_EVEN = EVEN << 4;
constexpr int COND_LT = 2;
constexpr int TYPE_I64 = 1;
constexpr int INSN_START_WORDS = 2;  // pc, cc_op

constexpr uint32_t CC_OP_DYNAMIC = 0;
constexpr uint32_t CC_OP_EFLAGS = 1;
constexpr uint32_t CC_MASK = 0x8d5;  // OF SF ZF AF PF CF
constexpr uint32_t DF_MASK = 0x400;

constexpr uint32_t TSS_BUSY = 0x200;  // of Segment::flags; the library keeps it in memory only

constexpr uint32_t HF_CPL_MASK = 3;
constexpr uint32_t HF_INHIBIT_IRQ = 1u << 3;
constexpr uint32_t HF_CS32 = 1u << 4;
constexpr uint32_t HF_SS32 = 1u << 5;
constexpr uint32_t HF_ADDSEG = 1u << 6;
constexpr uint32_t HF_PE = 1u << 7;
constexpr uint32_t HF_LMA = 1u << 14;
constexpr uint32_t HF_CS64 = 1u << 15;
constexpr uint32_t HF_VM = 1u << 17;

constexpr uint32_t INTERRUPT_HARD = 2;
constexpr uint32_t EXIT_CPU_LOOP = 0x10000;  // exception numbers from here on leave the main loop
enum Mmu { ACCESS_LOAD = 0, ACCESS_STORE = 1 };

template <class T>
inline T& field(void* base, size_t offset) {
  return *reinterpret_cast<T*>(static_cast<char*>(base) + offset);
}
inline void* cpuOf(void* env) { return static_cast<char*>(env) - CPU_ENV; }
inline void* envOf(void* cpu) { return static_cast<char*>(cpu) + CPU_ENV; }

}  // namespace trapline::layout

// Internal functions of the library that we call. The ones we wrap are declared where they are wrapped.
extern "C" {
[[noreturn]] void cpu_loop_exit_x86_64(void* cpu);
void x86_cpu_do_interrupt_x86_64(void* cpu);
void do_interrupt_x86_hardirq_x86_64(void* env, int vector, int isHardware);
[[noreturn]] void raise_exception_err_ra_x86_64(void* env, int index, int error, uintptr_t retaddr);
void x86_cpu_set_a20_x86_64(void* cpu, int on);
void cpu_x86_update_cr0_x86_64(void* env, uint32_t value);
void cpu_x86_update_cr3_x86_64(void* env, uint64_t value);
void cpu_x86_update_cr4_x86_64(void* env, uint32_t value);
uint32_t cpu_cc_compute_all_x86_64(void* env, int op);
uint64_t helper_cc_compute_all_x86_64(uint64_t dst, uint64_t src1, uint64_t src2, int op);
uint64_t x86_cpu_get_phys_page_attrs_debug_x86_64(void* cpu, uint64_t linear, uint32_t* attrs);
void* probe_access_x86_64(void* env, uint64_t linear, int size, int access, int mmuIndex, uintptr_t retaddr);
void* tlb_vaddr_to_host_x86_64(void* env, uint64_t linear, int access, int mmuIndex);
void tlb_set_dirty_x86_64(void* cpu, uint64_t linear);
void tlb_reset_dirty_x86_64(void* cpu, uint64_t hostStart, uint64_t length);
void tlb_flush_x86_64(void* cpu);
void tb_invalidate_phys_range_x86_64(void* uc, uint64_t start, uint64_t end);
void* qemu_map_ram_ptr_x86_64(void* uc, void* block, uint64_t ramAddress);
uint64_t qemu_ram_addr_from_host_x86_64(void* uc, void* host);  // all ones: not RAM
void* tcg_tb_lookup_x86_64(void* tcg, uintptr_t hostPc);
void* tcg_temp_new_internal_x86_64(void* tcg, int type, bool local);
uintptr_t tcg_const_i64_x86_64(void* tcg, int64_t value);
void tcg_gen_op3_x86_64(void* tcg, int opcode, uintptr_t a, uintptr_t b, uintptr_t c);
void* gen_new_label_x86_64(void* tcg);
void tcg_gen_op1_x86_64(void* tcg, int opcode, uintptr_t a);
void tcg_gen_brcond_i64_x86_64(void* tcg, int condition, uintptr_t a, uintptr_t b, void* label);
void tcg_op_remove_x86_64(void* tcg, void* op);
void tcg_gen_callN_x86_64(void* tcg, void* function, void* result, int count, void** arguments);
void helper_fldt_ST0_x86_64(void* env, uint64_t linear);
void* tcg_op_insert_before_x86_64(void* tcg, void* op, int opcode);
void tcg_temp_free_internal_x86_64(void* tcg, void* temp);
void tcg_gen_op2_x86_64(void* tcg, int opcode, uintptr_t a, uintptr_t b);
void tcg_gen_shri_i64_x86_64(void* tcg, uintptr_t to, uintptr_t from, int64_t count);
void tcg_gen_shli_i64_x86_64(void* tcg, uintptr_t to, uintptr_t from, int64_t count);
void __real_tcg_gen_addi_i64_x86_64(void* tcg, uintptr_t to, uintptr_t from, int64_t value);
void __real_tcg_gen_ext32u_i64_x86_64(void* tcg, uintptr_t to, uintptr_t from);
bool __real_cpu_restore_state_x86_64(void* cpu, uintptr_t retaddr, bool willExit);  // wrapped: this one does not count
}
