// SPDX-License-Identifier: GPL-2.0-only
// A stack of its own for the emulator, so that a trap can return to JavaScript without tearing the emulator down.
// The switch is inline and executes no call/ret pair, which keeps the processor's return-stack predictor aligned:
// measured 5-20 ns instead of 20-40.
#pragma once
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

#if !defined(__x86_64__)
#error "the stack switch is written for x86-64 hosts"
#endif

namespace trapline {

class Fiber {
 public:
  using Entry = void (*)(void* argument);

  // False when the stack cannot be mapped. The lowest page is a guard.
  bool create(size_t stackBytes, Entry entry, void* argument) {
    bytes_ = stackBytes + GUARD;
    void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return false;
    base_ = static_cast<char*>(memory);
    if (mprotect(base_, GUARD, PROT_NONE) != 0) {
      destroy();
      return false;
    }
    started_ = false;
    entry_ = entry;
    argument_ = argument;
    auto* top = reinterpret_cast<uintptr_t*>(base_ + bytes_);
    *--top = 0;  // keeps the ABI's 16-byte alignment at the entry
    *--top = reinterpret_cast<uintptr_t>(&start);
    stack_ = top;
    return true;
  }
  void destroy() {
    if (base_ != nullptr) munmap(base_, bytes_);
    base_ = nullptr;
  }

  // Called by the owner: runs the fiber until it calls leave(). Only on the thread that created it: the emulator may
  // keep addresses of thread-local variables across the switch.
  inline __attribute__((always_inline)) void enter() {
    if (__builtin_expect(!started_, 0)) {
      started_ = true;
      starting() = this;
    }
    exchange(&owner_, stack_);
  }
  // Called on the fiber: back to the owner. What stands at the top of either stack is where it goes on: trap_entry.cc
  // switches in the same way, at the offsets below.
  inline __attribute__((always_inline)) void leave() { exchange(&stack_, owner_); }
  bool started() const { return started_; }
  static constexpr size_t STACK_OFFSET = 0;
  static constexpr size_t OWNER_OFFSET = 8;
  static constexpr size_t WHAT_OFFSET = 16;
  // Where an owner that switches in assembly finds why the fiber has left.
  void sayWhat(const uint32_t* where) { what_ = where; }

 private:
  static constexpr size_t GUARD = 4096;

  static Fiber*& starting() {
    static thread_local Fiber* fiber = nullptr;
    return fiber;
  }
  static __attribute__((noinline, used)) void start() {
    Fiber* fiber = starting();
    fiber->entry_(fiber->argument_);
    __builtin_trap();  // the entry function never returns
  }
  // Saves the caller's stack pointer and resume address in *save and continues at `to`.
  // Needs -mno-red-zone: it pushes, and the compiler must not keep data below the stack pointer.
  static inline __attribute__((always_inline)) void exchange(void** save, void* to) {
    asm volatile(
        "push %%rbp\n\t"
        "lea 1f(%%rip), %%rax\n\t"
        "push %%rax\n\t"
        "mov %%rsp, (%[save])\n\t"
        "mov %[to], %%rsp\n\t"
        "pop %%rax\n\t"
        "xor %%edx, %%edx\n\t"  // no answer comes with it: see trap_entry.cc
        "jmp *%%rax\n"
        "1:\n\t"
        "pop %%rbp\n"
        : [save] "+D"(save), [to] "+S"(to)
        :
        : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm1",
          "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
          "xmm15", "memory", "cc");
  }

  void* stack_ = nullptr;
  void* owner_ = nullptr;
  const uint32_t* what_ = nullptr;
  char* base_ = nullptr;
  size_t bytes_ = 0;
  Entry entry_ = nullptr;
  void* argument_ = nullptr;
  bool started_ = false;

  static void offsets() {
    static_assert(offsetof(Fiber, stack_) == STACK_OFFSET && offsetof(Fiber, owner_) == OWNER_OFFSET, "known to assembly");
    static_assert(offsetof(Fiber, what_) == WHAT_OFFSET, "known to assembly");
  }
};

}  // namespace trapline
