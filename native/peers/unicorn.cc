// SPDX-License-Identifier: GPL-2.0-only
// A peer of the benchmark: Unicorn as it comes, by its public interface alone, with hooks in C++. Built and run by
// src/peers/.
#include <unicorn/unicorn.h>

#include <cstring>

#include "peer.h"

namespace {
uint64_t accesses = 0;

uint32_t in(uc_engine*, uint32_t, int, void*) {
  accesses++;
  return 0;
}
void out(uc_engine*, uint32_t, int, uint32_t, void*) { accesses++; }
uint64_t load(uc_engine*, uint64_t, unsigned, void*) {
  accesses++;
  return 0;
}
void store(uc_engine*, uint64_t, unsigned, uint64_t, void*) { accesses++; }

void must(uc_err error) {
  if (error != UC_ERR_OK) fail(1, uc_strerror(error));
}

template <typename T>
void set(uc_engine* uc, int reg, T value) {
  must(uc_reg_write(uc, reg, &value));
}
}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--version") == 0) {
    const unsigned version = uc_version(nullptr, nullptr);
    std::printf("%u.%u.%u\n", version >> 24, version >> 16 & 0xff, version >> 8 & 0xff);
    return 0;
  }
  const std::vector<uint8_t> code = codeFrom(argc, argv);
  uc_engine* uc = nullptr;
  must(uc_open(UC_ARCH_X86, UC_MODE_16, &uc));
  must(uc_mem_map(uc, 0, DEVICE, UC_PROT_ALL));
  must(uc_mmio_map(uc, DEVICE, DEVICE_BYTES, load, nullptr, store, nullptr));
  must(uc_mem_map(uc, DEVICE + DEVICE_BYTES, RAM_BYTES - DEVICE - DEVICE_BYTES, UC_PROT_ALL));
  uc_hook hooks[2];
  must(uc_hook_add(uc, &hooks[0], UC_HOOK_INSN, reinterpret_cast<void*>(in), nullptr, 1, 0, UC_X86_INS_IN));
  must(uc_hook_add(uc, &hooks[1], UC_HOOK_INSN, reinterpret_cast<void*>(out), nullptr, 1, 0, UC_X86_INS_OUT));
  must(uc_mem_write(uc, LOAD, code.data(), code.size()));
  std::vector<uint8_t> stack(STACK + 4);
  putReturn(stack.data());
  must(uc_mem_write(uc, STACK, &stack[STACK], 4));
  serve([&](uint32_t rounds) {
    set(uc, UC_X86_REG_CS, uint16_t{0});
    set(uc, UC_X86_REG_ESP, STACK);
    set(uc, UC_X86_REG_EDX, PORT);
    set(uc, UC_X86_REG_EBP, rounds);
    accesses = 0;
    must(uc_emu_start(uc, LOAD, END, 0, 0));
    return accesses;
  });
  uc_close(uc);
}
