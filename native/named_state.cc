// SPDX-License-Identifier: GPL-2.0-only
// Class Vcpu: x87, SSE and the system-call registers by name, through the library's public calls, for saved images.
#include <cstring>

#include "vcpu.h"

namespace trapline {

namespace {
// In the order in which an HVM context's CPU record wants them, tsc last.
constexpr uint32_t MSRS[] = {0x174, 0x175, 0x176, 0xc0000102, 0xc0000082, 0xc0000081, 0xc0000083, 0xc0000084, 0xc0000103};

template <class T>
T readRegister(uc_engine* uc, int id) {
  T value{};
  uc_reg_read(uc, id, &value);
  return value;
}
}  // namespace

void Vcpu::extended(uint8_t* into) {
  rollback();
  std::memset(into, 0, EXTENDED_BYTES);
  const auto put = [into](size_t at, const void* from, size_t bytes) { std::memcpy(into + at, from, bytes); };
  const auto control = readRegister<uint16_t>(uc_, UC_X86_REG_FPCW);
  const auto status = readRegister<uint16_t>(uc_, UC_X86_REG_FPSW);
  const auto tags = readRegister<uint16_t>(uc_, UC_X86_REG_FPTAG);
  uint8_t inUse = 0;
  for (int i = 0; i < 8; i++) inUse |= static_cast<uint8_t>(((tags >> (2 * i)) & 3) != 3) << i;
  put(0, &control, 2);
  put(2, &status, 2);
  put(4, &inUse, 1);
  const auto mxcsr = readRegister<uint32_t>(uc_, UC_X86_REG_MXCSR);
  put(24, &mxcsr, 4);
  const uint32_t mask = 0xffff;
  put(28, &mask, 4);
  const int top = (status >> 11) & 7;
  for (int i = 0; i < 8; i++) {
    uint8_t physical[16] = {};
    uc_reg_read(uc_, UC_X86_REG_FP0 + ((top + i) & 7), physical);
    put(32 + 16 * static_cast<size_t>(i), physical, 10);
  }
  for (int i = 0; i < 8; i++) {
    uint8_t vector[16] = {};
    uc_reg_read(uc_, UC_X86_REG_XMM0 + i, vector);
    put(160 + 16 * static_cast<size_t>(i), vector, 16);
  }
  size_t at = 512;
  for (const uint32_t number : MSRS) {
    uc_x86_msr msr{number, 0};
    uc_reg_read(uc_, UC_X86_REG_MSR, &msr);
    put(at, &msr.value, 8);
    at += 8;
  }
  // The time stamp counts instructions.
  const auto ticks = static_cast<uint64_t>(instructionCount());
  put(at, &ticks, 8);
}

}  // namespace trapline
