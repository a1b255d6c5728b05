// SPDX-License-Identifier: GPL-2.0-only
// uc_open() refers to every target of the library. Defining the others' entry points here keeps their 16 MB out of the
// link; none can be reached, because we only ever open x86.
#define TARGET(name)                                                   \
  void name##_uc_init(void) { __builtin_trap(); }                      \
  void name##_context_reg_read(void) { __builtin_trap(); }             \
  void name##_context_reg_write(void) { __builtin_trap(); }

TARGET(arm)
TARGET(arm64)
TARGET(m68k)
TARGET(mips)
TARGET(mipsel)
TARGET(mips64)
TARGET(mips64el)
TARGET(ppc)
TARGET(ppc64)
TARGET(riscv32)
TARGET(riscv64)
TARGET(s390)
TARGET(sparc)
TARGET(sparc64)
TARGET(tricore)
