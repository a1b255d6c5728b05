// SPDX-License-Identifier: GPL-2.0-only
// The way of one access between JavaScript and translated code, in as few mispredicted jumps as possible.
//
// A processor predicts a "ret" from the "call"s it has seen. Between entering the guest and leaving it at a trap the
// stacks are exchanged, so the address on top of either stack is not the one that was called last, and each "ret" across
// the switch costs some 15 cycles. The functions here are entered by "call" and left by "jmp": a "jmp" is predicted
// from where it went before. Everything they call returns to them in the ordinary way.
#include "trap_entry.h"

using trapline::Fiber;
using trapline::Vcpu;

extern "C" {
__attribute__((visibility("hidden"), used)) Vcpu::TrapStart trapline_port_begins(void* env, uint32_t port, uint32_t value,
                                                                                 uint32_t what, uintptr_t retaddr) {
  return Vcpu::ofEnv(env)->portBegins(port, value, what, retaddr);
}
__attribute__((visibility("hidden"), used)) uint64_t trapline_trap_ends(Vcpu* vcpu) { return vcpu->trapEnds(); }
__attribute__((visibility("hidden"), used)) Vcpu::TrapStart trapline_fiber_to_enter(Vcpu* vcpu, int32_t how, uint32_t data) {
  return vcpu->fiberToEnter(how, data);
}
}

Vcpu* trapline_running[trapline::RUN_IDS] = {};

static_assert(trapline::EXIT_PIO == 1 && trapline::EXIT_MMIO == 3 && trapline::WHAT_SOLE == 512 && trapline::WHAT_READ == 16 && trapline::WHAT_SIZE_SHIFT == 5, "used below");
static_assert(Fiber::STACK_OFFSET == 0 && Fiber::OWNER_OFFSET == 8 && Fiber::WHAT_OFFSET == 16 && trapline::RUN_IDS == 4096, "used below");

// Exchanges stacks as Fiber::exchange() does: the address to go on at is pushed last.
//   env in rdi, port in esi, value in edx (OUT), what in ecx: EXIT_PIO, WHAT_READ, the size; the return address identifies the instruction
// The library aborts an instruction by a longjmp out of what is called here: nothing here
// minds. The calling convention's registers are kept over the switch by being pushed.
asm(R"(
  .text
  .macro TRAPLINE_KEEP
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
  .endm
  .macro TRAPLINE_GIVE_BACK
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
  .endm
  .macro TRAPLINE_IN name, what
    .globl \name
    .hidden \name
    .type \name, @function
  \name:
    mov $\what, %ecx
    xor %edx, %edx
    jmp trapline_port
  .endm
  .macro TRAPLINE_OUT name, what
    .globl \name
    .hidden \name
    .type \name, @function
  \name:
    mov $\what, %ecx
    jmp trapline_port
  .endm

  # A branch that changes nothing: a processor predicts an indirect jump from the branches before it, and those between
  # two accesses are the same ones whatever the place in translated code. Six bits of that place tell them apart.
  .macro TRAPLINE_TELL bit
    test $(1 << \bit), %ecx
    jz 9f
    nop
  9:
  .endm
  .macro TRAPLINE_BACK
    pop %rcx
    TRAPLINE_TELL 4
    TRAPLINE_TELL 5
    TRAPLINE_TELL 6
    TRAPLINE_TELL 7
    TRAPLINE_TELL 8
    TRAPLINE_TELL 9
    jmp *%rcx
  .endm

  # Loads: env in rdi, linear in rsi, oi in edx, retaddr in rcx. Stores: value in rdx, oi in ecx, retaddr in r8; translated
  # code jumps to them with a return address that it has pushed, which no "ret" expects.
  .macro TRAPLINE_LOAD name, size
    .globl \name
    .hidden \name
    .type \name, @function
  \name:
    mov $(3 + 16 + (\size << 5) + 512), %r8d
    sub $8, %rsp
    call trapline_load_begins
    jmp trapline_switch
  .endm
  .macro TRAPLINE_STORE name, size
    .globl \name
    .hidden \name
    .type \name, @function
  \name:
    mov $(3 + (\size << 5) + 512), %r9d
    sub $8, %rsp
    call trapline_store_begins
    test %rax, %rax
    jnz trapline_switch
    add $8, %rsp
    TRAPLINE_BACK
  .endm

  TRAPLINE_LOAD __wrap_helper_ret_ldub_mmu_x86_64, 1
  TRAPLINE_LOAD __wrap_helper_le_lduw_mmu_x86_64, 2
  TRAPLINE_LOAD __wrap_helper_le_ldul_mmu_x86_64, 4
  TRAPLINE_LOAD __wrap_helper_le_ldq_mmu_x86_64, 8
  TRAPLINE_STORE __wrap_helper_ret_stb_mmu_x86_64, 1
  TRAPLINE_STORE __wrap_helper_le_stw_mmu_x86_64, 2
  TRAPLINE_STORE __wrap_helper_le_stl_mmu_x86_64, 4
  TRAPLINE_STORE __wrap_helper_le_stq_mmu_x86_64, 8

  # Where posted.cc has no answer.
  TRAPLINE_IN trapline_in_1, 1 + 16 + (1 << 5)
  TRAPLINE_IN trapline_in_2, 1 + 16 + (2 << 5)
  TRAPLINE_IN trapline_in_4, 1 + 16 + (4 << 5)
  TRAPLINE_OUT trapline_out_1, 1 + (1 << 5)
  TRAPLINE_OUT trapline_out_2, 1 + (2 << 5)
  TRAPLINE_OUT trapline_out_4, 1 + (4 << 5)

  .type trapline_port, @function
trapline_port:
    mov (%rsp), %r8
    sub $8, %rsp
    call trapline_port_begins
trapline_switch:
    test %rax, %rax
    jz 3f
    TRAPLINE_KEEP
    push %rdx
    lea 1f(%rip), %rcx
    push %rcx
    mov %rsp, (%rax)
    mov 8(%rax), %rsp
    pop %rcx
    jmp *%rcx
1:
    pop %rdi
    bt $32, %rdx  # Vcpu::ANSWERED
    jnc 4f
    mov %edx, %eax
2:
    TRAPLINE_GIVE_BACK
    add $8, %rsp
    TRAPLINE_BACK
4:
    call trapline_trap_ends
    jmp 2b
  # The stacks were not exchanged: this is what was called last.
3:
    add $8, %rsp
    mov %rdx, %rax
    ret
  .size trapline_port, . - trapline_port

  # uint32_t trapline_run_by_id(void* ignored, id, how, data), uint32_t trapline_run(Vcpu*, how, data)
  .globl trapline_run_by_id
  .hidden trapline_run_by_id
  .type trapline_run_by_id, @function
trapline_run_by_id:
    cmp $4096, %esi
    jae 3f
    lea trapline_running(%rip), %rax
    mov (%rax,%rsi,8), %rdi
    test %rdi, %rdi
    jz 3f
    mov %edx, %esi
    mov %ecx, %edx
    jmp trapline_run
3:
    xor %eax, %eax
    ret
  .size trapline_run_by_id, . - trapline_run_by_id

  .globl trapline_run
  .hidden trapline_run
  .type trapline_run, @function
trapline_run:
    sub $8, %rsp
    call trapline_fiber_to_enter
    add $8, %rsp
    test %rax, %rax
    jz 2f
    TRAPLINE_KEEP
    push %rax
    lea 1f(%rip), %rcx
    push %rcx
    mov %rsp, 8(%rax)
    mov (%rax), %rsp
    pop %rcx
    jmp *%rcx
1:
    pop %rax
    mov 16(%rax), %rdx
    mov (%rdx), %edx
    TRAPLINE_GIVE_BACK
2:
    mov %edx, %eax
    pop %rcx
    jmp *%rcx
  .size trapline_run, . - trapline_run
)");
