// SPDX-License-Identifier: GPL-2.0-only
// Wrapped library functions that are not device accesses: translation, the main loop, the TLB, instructions whose result
// would depend on the host, and the places where a guest could take the process down.
#include <cstdarg>
#include <cstdio>

#include "vcpu.h"

using trapline::Vcpu;
using namespace trapline::layout;

#define RETADDR reinterpret_cast<uintptr_t>(__builtin_return_address(0))

extern "C" {

// --- translation ---

void __real_gen_intermediate_code_x86_64(void* cpu, void* tb, int limit);
void __wrap_gen_intermediate_code_x86_64(void* cpu, void* tb, int limit) {
  Vcpu* vcpu = Vcpu::ofCpu(cpu);
  // Some instructions leak a temporary each; uncapped, about 450 of them overrun an array of 512.
  const int capped = limit < Vcpu::MAX_BLOCK ? limit : Vcpu::MAX_BLOCK;
  vcpu->beginTranslation(tb, capped);
  __real_gen_intermediate_code_x86_64(cpu, tb, capped);
  vcpu->endTranslation(tb);
}

void __real_translator_loop_x86_64(const TranslatorOps* ops, void* db, void* cpu, void* tb, int limit);
}

namespace {
// The library has one constant table of these; every CPU sees the same one.
const TranslatorOps* libraryOps = nullptr;

void startBlock(void* db, void* cpu) {
  libraryOps->tb_start(db, cpu);
  Vcpu::ofCpu(cpu)->emitCount();
}
void endBlock(void* db, void* cpu) {
  libraryOps->tb_stop(db, cpu);
  Vcpu::ofCpu(cpu)->emitRefused();
}
void translateInsn(void* db, void* cpu) {
  Vcpu* vcpu = Vcpu::ofCpu(cpu);
  const uint64_t pc = field<uint64_t>(db, DB_PC_NEXT);
  vcpu->beforeTranslating(db, pc);
  if (vcpu->isReserved(pc)) vcpu->contain();
  void* before = vcpu->beforeInsn();
  libraryOps->translate_insn(db, cpu);
  vcpu->afterInsn(db, pc, before);
}
}  // namespace

extern "C" {

void __wrap_translator_loop_x86_64(const TranslatorOps* ops, void* db, void* cpu, void* tb, int limit) {
  if (libraryOps != ops) libraryOps = ops;
  TranslatorOps ours = *ops;
  ours.tb_start = startBlock;
  ours.translate_insn = translateInsn;
  ours.tb_stop = endBlock;
  __real_translator_loop_x86_64(&ours, db, cpu, tb, limit);
}

// The translator's fetch of one byte.
uint32_t __real_cpu_ldub_code_x86_64(void* env, uint64_t linear);
uint32_t __wrap_cpu_ldub_code_x86_64(void* env, uint64_t linear) {
  const int instead = Vcpu::ofEnv(env)->byteInstead(linear);
  return instead >= 0 ? static_cast<uint32_t>(instead) : __real_cpu_ldub_code_x86_64(env, linear);
}

// --- segment limits, see limits.cc: how the translator puts an address together, and where it uses it ---

void __real_tcg_gen_ext32u_i64_x86_64(void* tcg, uintptr_t to, uintptr_t from);
void __wrap_tcg_gen_ext32u_i64_x86_64(void* tcg, uintptr_t to, uintptr_t from) {
  __real_tcg_gen_ext32u_i64_x86_64(tcg, to, from);
  if (to == from) Vcpu::active()->addressMade(to);
  else Vcpu::active()->forgetOperand(to);
}
void __real_tcg_gen_ext16u_i64_x86_64(void* tcg, uintptr_t to, uintptr_t from);
void __wrap_tcg_gen_ext16u_i64_x86_64(void* tcg, uintptr_t to, uintptr_t from) {
  __real_tcg_gen_ext16u_i64_x86_64(tcg, to, from);
  Vcpu::active()->forgetOperand(to);
}
void __real_tcg_gen_addi_i64_x86_64(void* tcg, uintptr_t to, uintptr_t from, int64_t value);
void __wrap_tcg_gen_addi_i64_x86_64(void* tcg, uintptr_t to, uintptr_t from, int64_t value) {
  value = Vcpu::active()->released(from, value);
  __real_tcg_gen_addi_i64_x86_64(tcg, to, from, value);
  Vcpu::active()->addressMoved(to, from, value);
}
#define WRAP_MEMORY_OP(NAME, STORE)                                                                               \
  void __real_##NAME(void* tcg, uintptr_t value, uintptr_t address, uintptr_t index, uint32_t kind);        \
  void __wrap_##NAME(void* tcg, uintptr_t value, uintptr_t address, uintptr_t index, uint32_t kind) {       \
    Vcpu* vcpu = Vcpu::active();                                                                           \
    vcpu->keepShadow();                                                                                    \
    const uintptr_t guarded = vcpu->guarded(address, 1u << (kind & 3), STORE, &kind);                             \
    kind |= vcpu->soleKind(kind);                                                                          \
    __real_##NAME(tcg, value, guarded, index, kind);                                                       \
    if (guarded != address) vcpu->dropTemp(guarded);                                                       \
  }
WRAP_MEMORY_OP(tcg_gen_qemu_ld_i32_x86_64, false)
WRAP_MEMORY_OP(tcg_gen_qemu_st_i32_x86_64, true)
WRAP_MEMORY_OP(tcg_gen_qemu_ld_i64_x86_64, false)
WRAP_MEMORY_OP(tcg_gen_qemu_st_i64_x86_64, true)

// --- flags that the library leaves as they are ---

// RCL and RCR by more than one: OF is undefined, and on processors what it is after the last step.
#define WRAP_ROTATE(NAME, BITS, LEFT)                                                                      \
  uint64_t __real_helper_##NAME##_x86_64(void* env, uint64_t value, uint64_t count);                        \
  uint64_t __wrap_helper_##NAME##_x86_64(void* env, uint64_t value, uint64_t count) {                       \
    const uint64_t result = __real_helper_##NAME##_x86_64(env, value, count);                              \
    if ((count & 31) == 0) return result;                                                                  \
    auto& flags = field<uint64_t>(env, ENV_CC_SRC);                                                        \
    const uint64_t top = result >> ((BITS) - 1);                                                           \
    const uint64_t other = (LEFT) ? flags : result >> ((BITS) - 2);                                        \
    flags = (flags & ~0x800ull) | ((top ^ other) & 1) << 11;                                               \
    return result;                                                                                         \
  }
WRAP_ROTATE(rclb, 8, true)
WRAP_ROTATE(rclw, 16, true)
WRAP_ROTATE(rcll, 32, true)
WRAP_ROTATE(rcrb, 8, false)
WRAP_ROTATE(rcrw, 16, false)
WRAP_ROTATE(rcrl, 32, false)

// --- leaving a block: the count must lose what was not executed ---

bool __wrap_cpu_restore_state_x86_64(void* cpu, uintptr_t retaddr, bool willExit) {
  if (willExit) {
    Vcpu::ofCpu(cpu)->uncount(retaddr);
    Vcpu::ofCpu(cpu)->fault();
  }
  const bool restored = __real_cpu_restore_state_x86_64(cpu, retaddr, willExit);
  if (willExit) Vcpu::ofCpu(cpu)->undoPopa();
  return restored;
}

// Code that modifies its own block leaves through cpu_loop_exit_noexc() without naming the place again.
void __real_tb_invalidate_phys_page_fast_x86_64(void* uc, void* pages, uint64_t start, int bytes, uintptr_t retaddr);
void __wrap_tb_invalidate_phys_page_fast_x86_64(void* uc, void* pages, uint64_t start, int bytes, uintptr_t retaddr) {
  Vcpu* vcpu = Vcpu::ofEngine(uc);
  vcpu->pageStored(start);
  vcpu->setSmcReturn(retaddr);
  __real_tb_invalidate_phys_page_fast_x86_64(uc, pages, start, bytes, retaddr);
  vcpu->setSmcReturn(0);
}
// Locks of all pages that share a block with the page of a store, against other threads that translate: there are none.
// The library collects them in a tree, a microsecond for each store beside code. One empty collection serves all
// stores; code that modifies its own block has it freed on the way out.
static thread_local void* noPages = nullptr;
constexpr uint64_t NOWHERE = 1ull << 40;
void* __real_page_collection_lock_x86_64(void* uc, uint64_t start, uint64_t end);
void* __wrap_page_collection_lock_x86_64(void* uc, uint64_t, uint64_t) {
  if (noPages == nullptr) noPages = __real_page_collection_lock_x86_64(uc, NOWHERE, NOWHERE);
  return noPages;
}
void __wrap_page_collection_unlock_x86_64(void*) {}
[[noreturn]] void __real_cpu_loop_exit_noexc_x86_64(void* cpu);
[[noreturn]] void __wrap_cpu_loop_exit_noexc_x86_64(void* cpu) {
  Vcpu* vcpu = Vcpu::ofCpu(cpu);
  const uintptr_t retaddr = vcpu->takeSmcReturn();
  if (retaddr != 0) {
    noPages = nullptr;
    vcpu->uncount(retaddr);
  }
  __real_cpu_loop_exit_noexc_x86_64(cpu);
}

// By the time of its delivery the library has moved EIP behind INT n; a fault during delivery must point at it.
void __real_helper_raise_interrupt_x86_64(void* env, int number, int length);
void __wrap_helper_raise_interrupt_x86_64(void* env, int number, int length) {
  Vcpu::ofEnv(env)->setInterruptEip(field<uint64_t>(env, ENV_EIP));
  __real_helper_raise_interrupt_x86_64(env, number, length);
}

// INTO leaves in the middle of a block without a return address of its own.
void __real_helper_into_x86_64(void* env, int length);
void __wrap_helper_into_x86_64(void* env, int length) {
  const uint32_t flags = cpu_cc_compute_all_x86_64(env, static_cast<int>(field<uint32_t>(env, ENV_CC_OP)));
  if ((flags & 0x800) != 0) {
    Vcpu::ofEnv(env)->uncountAfter(RETADDR);
    Vcpu::ofEnv(env)->setInterruptEip(field<uint64_t>(env, ENV_EIP));
  }
  __real_helper_into_x86_64(env, length);
}

// --- the main loop ---

bool __wrap_x86_cpu_exec_interrupt_x86_64(void* cpu, int) { return Vcpu::ofCpu(cpu)->boundary(); }

void __wrap_helper_hlt_x86_64(void* env, int length) { Vcpu::ofEnv(env)->halt(length); }

void __real_qemu_system_reset_request(void* uc);
void __wrap_qemu_system_reset_request(void* uc) {
  Vcpu* vcpu = Vcpu::ofEngine(uc);
  if (vcpu != nullptr) vcpu->tripleFault();
  __real_qemu_system_reset_request(uc);
}

// --- memory ---

void* __real_memory_mapping(void* uc, uint64_t address);
void* __wrap_memory_mapping(void* uc, uint64_t address) {
  Vcpu* vcpu = Vcpu::ofEngine(uc);
  return vcpu != nullptr && vcpu->mappingAnswer() != nullptr ? vcpu->mappingAnswer() : __real_memory_mapping(uc, address);
}

// This release walks the page tables for faults and then uses the virtual address as the physical one.
void __real_tlb_set_page_with_attrs_x86_64(void* cpu, uint64_t linear, uint64_t physical, uint32_t attrs, int protection, int mmu, uint64_t size);
void __wrap_tlb_set_page_with_attrs_x86_64(void* cpu, uint64_t linear, uint64_t physical, uint32_t attrs, int protection, int mmu, uint64_t size) {
  Vcpu* vcpu = Vcpu::ofCpu(cpu);
  if (vcpu != nullptr) {
    vcpu->endWalk(true);
    physical = vcpu->region(vcpu->physical(linear));
  }
  __real_tlb_set_page_with_attrs_x86_64(cpu, linear, physical, attrs, protection, mmu, size);
}

// The page walk notes "accessed" and "dirty" in the guest's page tables: stores that no translated code makes.
void __real_x86_stl_phys_notdirty_x86_64(void* cpu, uint64_t address, uint32_t value);
void __wrap_x86_stl_phys_notdirty_x86_64(void* cpu, uint64_t address, uint32_t value) {
  Vcpu* vcpu = Vcpu::ofCpu(cpu);
  if (vcpu != nullptr) vcpu->noteInWalk(address, value);
  else __real_x86_stl_phys_notdirty_x86_64(cpu, address, value);
}

void __wrap_tlb_protect_code_x86_64(void* uc, uint64_t ramAddress) {
  Vcpu* vcpu = Vcpu::ofEngine(uc);
  if (vcpu != nullptr) vcpu->pageHasCode(ramAddress, true);
}
void __wrap_tlb_unprotect_code_x86_64(void* uc, uint64_t ramAddress) {
  Vcpu* vcpu = Vcpu::ofEngine(uc);
  if (vcpu != nullptr) vcpu->pageHasCode(ramAddress, false);
}

// Each CPU would reserve 1 GiB for translated code.
void __real_tcg_exec_init_x86_64(void* uc, unsigned long bytes);
void __wrap_tcg_exec_init_x86_64(void* uc, unsigned long) { __real_tcg_exec_init_x86_64(uc, 64ul << 20); }

// The first time its buffer of translated code is full, this release starts over at its beginning without forgetting
// what it had put there. Reported full a little earlier, it takes the other way, which forgets everything.
void* __real_tcg_tb_alloc_x86_64(void* tcg);
void* __wrap_tcg_tb_alloc_x86_64(void* tcg) {
  constexpr uintptr_t LARGEST_BLOCK = 512 << 10;
  const auto next = field<uintptr_t>(tcg, TCG_CODE_GEN_PTR);
  if (next + LARGEST_BLOCK > field<uintptr_t>(tcg, TCG_CODE_GEN_HIGHWATER)) return nullptr;
  return __real_tcg_tb_alloc_x86_64(tcg);
}

// --- instructions that would see the host ---

void __wrap_helper_cpuid_x86_64(void* env) {
  auto* regs = &field<uint64_t>(env, ENV_REGS);
  const auto leaf = static_cast<uint32_t>(regs[0]);
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
  switch (leaf) {
    case 0:
      eax = 1;  // "GenuineIntel" in EBX, EDX, ECX: software of the real-mode age knows nothing else
      ebx = 0x756e6547;
      edx = 0x49656e69;
      ecx = 0x6c65746e;
      break;
    case 1: {
      // What this emulator carries out in full: FPU PSE TSC MSR PAE CX8 PGE CMOV MMX FXSR SSE SSE2.
      constexpr uint32_t OFFERED = 1u << 0 | 1u << 3 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 8 | 1u << 13 | 1u << 15 | 1u << 23 | 1u << 24 | 1u << 25 | 1u << 26;
      eax = 0x600;
      edx = OFFERED & static_cast<uint32_t>(field<uint64_t>(env, ENV_FEATURES));
      break;
    }
    default:
      break;
  }
  regs[0] = eax;
  regs[3] = ebx;
  regs[1] = ecx;
  regs[2] = edx;
}

// One tick per instruction: the same run gives the same numbers.
void __real_helper_rdtsc_x86_64(void* env);
void __wrap_helper_rdtsc_x86_64(void* env) {
  if ((field<uint64_t>(env, ENV_CR + 32) & 4) != 0 && (field<uint32_t>(env, ENV_HFLAGS) & HF_CPL_MASK) != 0) {
    Vcpu::ofEnv(env)->privileged(RETADDR);
  }
  const uint64_t ticks = Vcpu::ofEnv(env)->tsc(RETADDR);
  field<uint64_t>(env, ENV_REGS) = static_cast<uint32_t>(ticks);
  field<uint64_t>(env, ENV_REGS + 16) = ticks >> 32;
}

// --- places where a guest could take the process down ---

// Arming a hardware breakpoint flushes the translated code that is being executed. The registers hold what is written;
// breakpoints do not fire.
void __wrap_helper_set_dr_x86_64(void* env, int number, uint64_t value) {
  if (number == 4 || number == 5) number += 2;
  if (number == 6) value |= 0xffff0ff0;
  if (number == 7) value |= 0x400;
  field<uint64_t>(env, ENV_DR + 8 * number) = static_cast<uint32_t>(value);
}

// Before it aborts the library prints a line; a guest must not be able to write to our terminal.
int __wrap___fprintf_chk(FILE* stream, int, const char* format, ...) {
  const Vcpu* vcpu = Vcpu::active();
  if (vcpu != nullptr && vcpu->onFiber()) return 0;
  va_list arguments;
  va_start(arguments, format);
  const int written = std::vfprintf(stream, format, arguments);
  va_end(arguments);
  return written;
}
size_t __real_fwrite(const void* data, size_t size, size_t count, FILE* stream);
size_t __wrap_fwrite(const void* data, size_t size, size_t count, FILE* stream) {
  const Vcpu* vcpu = Vcpu::active();
  return vcpu != nullptr && vcpu->onFiber() ? count : __real_fwrite(data, size, count, stream);
}
[[noreturn]] void __real_abort(void);
[[noreturn]] void __wrap_abort(void) {
  Vcpu* vcpu = Vcpu::active();
  if (vcpu == nullptr || !vcpu->onFiber()) __real_abort();
  vcpu->contain();
}
[[noreturn]] void __wrap___assert_fail(const char* expression, const char* file, unsigned line, const char*) {
  Vcpu* vcpu = Vcpu::active();
  if (vcpu == nullptr || !vcpu->onFiber()) {
    std::fprintf(stderr, "emulator library: %s:%u: %s\n", file, line, expression);
    __real_abort();
  }
  vcpu->contain();
}

}  // extern "C"
