// SPDX-License-Identifier: GPL-2.0-only
// Wrapped library functions through which a guest reaches a device: string port helpers, loads and stores.
// The linker sends the library's calls of NAME to __wrap_NAME (see unicorn.gypi); __real_NAME is the library's own.
#include "vcpu.h"

using trapline::Vcpu;
using trapline::layout::OI_ALIGNED;
using trapline::layout::OI_EVEN;
using trapline::layout::OI_SOLE;

// The helper's own return address lies in the translated code and identifies the instruction.
#define RETADDR reinterpret_cast<uintptr_t>(__builtin_return_address(0))

namespace {
uint64_t in(void* env, uint32_t port, uint32_t size, uintptr_t retaddr) {
  return Vcpu::ofEnv(env)->stringAccess(true, port, size, 0, retaddr);
}
void out(void* env, uint32_t port, uint32_t size, uint32_t value, uintptr_t retaddr) {
  Vcpu::ofEnv(env)->stringAccess(false, port, size, value, retaddr);
}
}  // namespace

extern "C" {

// INS and OUTS: called instead of the helpers in trap_entry.cc, see Vcpu::afterInsn().
uint64_t trapline_insb(void* env, uint32_t port) { return static_cast<uint8_t>(in(env, port, 1, RETADDR)); }
uint64_t trapline_insw(void* env, uint32_t port) { return static_cast<uint16_t>(in(env, port, 2, RETADDR)); }
uint64_t trapline_insl(void* env, uint32_t port) { return static_cast<uint32_t>(in(env, port, 4, RETADDR)); }
void trapline_outsb(void* env, uint32_t port, uint32_t v) { out(env, port, 1, v & 0xff, RETADDR); }
void trapline_outsw(void* env, uint32_t port, uint32_t v) { out(env, port, 2, v & 0xffff, RETADDR); }
void trapline_outsl(void* env, uint32_t port, uint32_t v) { out(env, port, 4, v, RETADDR); }

// Loads and stores of translated code that missed the TLB, cross a page or meet a device: called from trap_entry.cc,
// where each of the library's helpers has a size. `oi` holds the MMU index in its low four bits.
uint64_t __real_helper_ret_ldub_mmu_x86_64(void*, uint64_t, uint32_t, uintptr_t);
uint64_t __real_helper_le_lduw_mmu_x86_64(void*, uint64_t, uint32_t, uintptr_t);
uint64_t __real_helper_le_ldul_mmu_x86_64(void*, uint64_t, uint32_t, uintptr_t);
uint64_t __real_helper_le_ldq_mmu_x86_64(void*, uint64_t, uint32_t, uintptr_t);
void __real_helper_ret_stb_mmu_x86_64(void*, uint64_t, uint8_t, uint32_t, uintptr_t);
void __real_helper_le_stw_mmu_x86_64(void*, uint64_t, uint16_t, uint32_t, uintptr_t);
void __real_helper_le_stl_mmu_x86_64(void*, uint64_t, uint32_t, uint32_t, uintptr_t);
void __real_helper_le_stq_mmu_x86_64(void*, uint64_t, uint64_t, uint32_t, uintptr_t);

// Apart from their callers, which then keep no registers.
static __attribute__((noinline)) Vcpu::TrapStart loadSlowly(void* env, uint64_t linear, uint32_t oi, uintptr_t retaddr, uint32_t what) {
  Vcpu* vcpu = Vcpu::ofEnv(env);
  const uint32_t size = what >> trapline::WHAT_SIZE_SHIFT & trapline::WHAT_SIZE;
  const int mmu = static_cast<int>(oi & 15);
  if (__builtin_expect(Vcpu::isMarked(linear), 0)) linear = vcpu->withinLimit(linear, size, retaddr);
  if ((oi & OI_ALIGNED) != 0 && (linear & (size - 1)) != 0) vcpu->checkUnaligned(linear, (oi & OI_EVEN) != 0, retaddr);
  if (vcpu->isDevice(linear, size, false, mmu, retaddr)) {
    if (vcpu->isSole(linear, size, oi)) return vcpu->soleBegins(what, linear, vcpu->physical(linear), 0, retaddr);
    return {nullptr, vcpu->mmioLoad(linear, size, mmu, retaddr)};
  }
  oi &= ~(OI_ALIGNED | OI_EVEN | OI_SOLE);
  switch (size) {
    case 1: return {nullptr, __real_helper_ret_ldub_mmu_x86_64(env, linear, oi, retaddr)};
    case 2: return {nullptr, __real_helper_le_lduw_mmu_x86_64(env, linear, oi, retaddr)};
    case 4: return {nullptr, __real_helper_le_ldul_mmu_x86_64(env, linear, oi, retaddr)};
    default: return {nullptr, __real_helper_le_ldq_mmu_x86_64(env, linear, oi, retaddr)};
  }
}

static __attribute__((noinline)) Vcpu::TrapStart storeSlowly(void* env, uint64_t linear, uint64_t value, uint32_t oi, uintptr_t retaddr, uint32_t what) {
  Vcpu* vcpu = Vcpu::ofEnv(env);
  const uint32_t size = what >> trapline::WHAT_SIZE_SHIFT & trapline::WHAT_SIZE;
  const int mmu = static_cast<int>(oi & 15);
  if (__builtin_expect(Vcpu::isMarked(linear), 0)) linear = vcpu->withinLimit(linear, size, retaddr);
  if ((oi & OI_ALIGNED) != 0 && (linear & (size - 1)) != 0) vcpu->checkUnaligned(linear, (oi & OI_EVEN) != 0, retaddr);
  if (vcpu->isDevice(linear, size, true, mmu, retaddr)) {
    if (vcpu->isSole(linear, size, oi)) return vcpu->soleBegins(what, linear, vcpu->physical(linear), value, retaddr);
    vcpu->mmioStore(linear, size, size == 8 ? value : value & ((1ull << (8 * size)) - 1), mmu, retaddr);
    return {nullptr, 0};
  }
  oi &= ~(OI_ALIGNED | OI_EVEN | OI_SOLE);
  switch (size) {
    case 1: __real_helper_ret_stb_mmu_x86_64(env, linear, static_cast<uint8_t>(value), oi, retaddr); break;
    case 2: __real_helper_le_stw_mmu_x86_64(env, linear, static_cast<uint16_t>(value), oi, retaddr); break;
    case 4: __real_helper_le_stl_mmu_x86_64(env, linear, static_cast<uint32_t>(value), oi, retaddr); break;
    default: __real_helper_le_stq_mmu_x86_64(env, linear, value, oi, retaddr);
  }
  vcpu->stored(linear, mmu);
  return {nullptr, 0};
}

// `what`: the exit that a sole access would be, but for its address. The usual case needs no registers kept; the others
// have functions of their own.
static __attribute__((noinline)) Vcpu::TrapStart loadOtherwise(Vcpu* vcpu, void* env, uint64_t linear, uint32_t oi, uintptr_t retaddr, uint32_t what) {
  uint64_t gpa;
  if (vcpu->isPlainSole(linear, what >> trapline::WHAT_SIZE_SHIFT & trapline::WHAT_SIZE, oi, &gpa)) {
    return vcpu->soleBegins(what, linear, gpa, 0, retaddr);
  }
  return loadSlowly(env, linear, oi, retaddr, what);
}
static __attribute__((noinline)) Vcpu::TrapStart storeOtherwise(void* env, uint64_t linear, uint64_t value, uint32_t oi, uintptr_t retaddr, uint32_t what) {
  Vcpu* vcpu = Vcpu::ofEnv(env);
  uint64_t gpa;
  if (vcpu->isPlainSole(linear, what >> trapline::WHAT_SIZE_SHIFT & trapline::WHAT_SIZE, oi, &gpa)) {
    return vcpu->soleBegins(what, linear, gpa, value, retaddr);
  }
  return storeSlowly(env, linear, value, oi, retaddr, what);
}

Vcpu::TrapStart trapline_load_begins(void* env, uint64_t linear, uint32_t oi, uintptr_t retaddr, uint32_t what) {
  Vcpu* vcpu = Vcpu::ofEnv(env);
  if (__builtin_expect((oi & OI_SOLE) != 0 && vcpu->isAgain(what, linear), 1)) return vcpu->sentAgain(0, retaddr);
  return loadOtherwise(vcpu, env, linear, oi, retaddr, what);
}

Vcpu::TrapStart trapline_store_begins(void* env, uint64_t linear, uint64_t value, uint32_t oi, uintptr_t retaddr, uint32_t what) {
  Vcpu* vcpu = Vcpu::ofEnv(env);
  if (__builtin_expect((oi & OI_SOLE) != 0 && vcpu->isAgain(what, linear), 1)) return vcpu->sentAgain(vcpu->againData(value), retaddr);
  return storeOtherwise(env, linear, value, oi, retaddr, what);
}

// Accesses made by the library's C helpers (far calls, descriptor loads, x87 extended, FXSAVE...). Left to themselves
// they would split and widen device accesses. Without a return address there is no instruction to restart: those go
// through the library and end in Vcpu::physicalAccess().
#define WRAP_HELPER_LOAD(NAME, TYPE, SIZE)                                                            \
  TYPE __real_##NAME(void*, uint64_t, int, uintptr_t);                                                \
  TYPE __wrap_##NAME(void* env, uint64_t linear, int mmu, uintptr_t retaddr) {                        \
    Vcpu* vcpu = Vcpu::ofEnv(env);                                                                    \
    if (retaddr != 0) linear = vcpu->helperOperand(linear, SIZE, false, retaddr);                     \
    if (retaddr != 0 && vcpu->isDevice(linear, SIZE, false, mmu, retaddr)) {                          \
      return static_cast<TYPE>(vcpu->mmioLoad(linear, SIZE, mmu, retaddr));                           \
    }                                                                                                 \
    const TYPE value = __real_##NAME(env, linear, mmu, retaddr);                                      \
    return (SIZE) == 4 ? vcpu->gateWord(linear, static_cast<uint32_t>(value), retaddr) : value;        \
  }
#define WRAP_HELPER_STORE(NAME, TYPE, SIZE)                                                           \
  void __real_##NAME(void*, uint64_t, TYPE, int, uintptr_t);                                          \
  void __wrap_##NAME(void* env, uint64_t linear, TYPE value, int mmu, uintptr_t retaddr) {            \
    Vcpu* vcpu = Vcpu::ofEnv(env);                                                                    \
    if (retaddr != 0) linear = vcpu->helperOperand(linear, SIZE, true, retaddr);                      \
    else vcpu->checkStackWord(linear, SIZE, true, 0);                                                 \
    if (retaddr != 0 && vcpu->isDevice(linear, SIZE, true, mmu, retaddr)) {                           \
      vcpu->mmioStore(linear, SIZE, value & ((SIZE) == 1 ? 0xffu : (SIZE) == 2 ? 0xffffu : ~static_cast<TYPE>(0)), mmu, retaddr); \
      return;                                                                                         \
    }                                                                                                 \
    __real_##NAME(env, linear, value, mmu, retaddr);                                                  \
  }
WRAP_HELPER_LOAD(cpu_ldub_mmuidx_ra_x86_64, uint32_t, 1)
WRAP_HELPER_LOAD(cpu_lduw_mmuidx_ra_x86_64, uint32_t, 2)
WRAP_HELPER_LOAD(cpu_ldl_mmuidx_ra_x86_64, uint32_t, 4)
WRAP_HELPER_LOAD(cpu_ldq_mmuidx_ra_x86_64, uint64_t, 8)
WRAP_HELPER_STORE(cpu_stb_mmuidx_ra_x86_64, uint32_t, 1)
WRAP_HELPER_STORE(cpu_stw_mmuidx_ra_x86_64, uint32_t, 2)
WRAP_HELPER_STORE(cpu_stl_mmuidx_ra_x86_64, uint32_t, 4)
WRAP_HELPER_STORE(cpu_stq_mmuidx_ra_x86_64, uint64_t, 8)

// The forms that take the MMU index from the CPU's mode are the same functions one call earlier.
#define WRAP_DATA_LOAD(WIDTH, TYPE)                                                                   \
  TYPE __wrap_cpu_ld##WIDTH##_data_ra_x86_64(void* env, uint64_t linear, uintptr_t retaddr) {         \
    return __wrap_cpu_ld##WIDTH##_mmuidx_ra_x86_64(env, linear, Vcpu::ofEnv(env)->mmuIndex(), retaddr); \
  }
#define WRAP_DATA_STORE(WIDTH, TYPE)                                                                  \
  void __wrap_cpu_st##WIDTH##_data_ra_x86_64(void* env, uint64_t linear, TYPE value, uintptr_t retaddr) { \
    __wrap_cpu_st##WIDTH##_mmuidx_ra_x86_64(env, linear, value, Vcpu::ofEnv(env)->mmuIndex(), retaddr); \
  }
int __wrap_cpu_ldsw_data_ra_x86_64(void* env, uint64_t linear, uintptr_t retaddr) {
  return static_cast<int16_t>(__wrap_cpu_lduw_mmuidx_ra_x86_64(env, linear, Vcpu::ofEnv(env)->mmuIndex(), retaddr));
}
WRAP_DATA_LOAD(ub, uint32_t)
WRAP_DATA_LOAD(uw, uint32_t)
WRAP_DATA_LOAD(l, uint32_t)
WRAP_DATA_LOAD(q, uint64_t)
WRAP_DATA_STORE(b, uint32_t)
WRAP_DATA_STORE(w, uint32_t)
WRAP_DATA_STORE(l, uint32_t)
WRAP_DATA_STORE(q, uint64_t)

}  // extern "C"
