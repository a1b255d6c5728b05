// SPDX-License-Identifier: GPL-2.0-only
// The page that one vCPU and its JavaScript owner share: exit records, actions, registers.
// Mirrored by src/cpu/run-page.ts; scripts/check-abi.mjs compares the two. All words are 32-bit little endian.
#pragma once
#include <cstdint>

namespace trapline {

constexpr uint32_t RUN_PAGE_BYTES = 1024;

// Word indices. Names are the ones of src/cpu/run-page.ts.
enum RunWord : uint32_t {
  PAGE_WHAT = 0,           // the exit in one word, see What
  PAGE_ADDR = 4,           // port, or guest-physical address, low word then high word
  PAGE_LINEAR = 6,         // linear address of an MMIO access, low, high
  PAGE_DATA = 8,           // data: from the guest for writes, to the guest for reads; low, high
  PAGE_ACCESS_INDEX = 10,  // accesses of this instruction already answered
  PAGE_UNSUPPORTED = 11,   // EXIT_UNSUPPORTED: see Unsupported
  PAGE_ACTION = 12,        // in: what run() does with the exit it finds pending, see Action
  PAGE_IRQ_VECTOR = 13,    // in: vector to deliver at the next boundary that allows it, or -1; set to -1 when taken;
                           // -2: exit as EXIT_IRQ_WINDOW at that boundary instead
  PAGE_IRQS_TAKEN = 14,    // external interrupts delivered so far
  PAGE_EXCEPTIONS = 15,    // exceptions and software interrupts delivered so far
  PAGE_DEADLINE = 16,      // in, f64: instruction count at which run() returns EXIT_BUDGET
  PAGE_ICOUNT = 18,        // f64: instructions completed, exceptions delivered included; valid while PAGE_COUNTED is set
  PAGE_SYNCED = 20,        // 1: the register words describe this exit
  PAGE_CHARGE = 21,        // in: instructions to add to the count with ACTION_RETRY (a batch done by the owner)
  PAGE_A20 = 22,           // 1: address line 20 passes; change it with setA20()

  PAGE_HALTED = 23,        // 1: after HLT, waiting for an interrupt; taken by load() with the registers

  PAGE_STRING = 24,  // string instruction, 13 words: see StringWord

  PAGE_INJECT = 40,       // in: 1 + vector of an exception to deliver before the next instruction, 0 for none
  PAGE_INJECT_CODE = 41,  // its error code
  PAGE_CATCH = 42,        // in: 1: exceptions are not delivered but exit as EXIT_EXCEPTION
  PAGE_VECTOR = 43,       // EXIT_EXCEPTION: its vector
  PAGE_ERROR_CODE = 44,   // and error code, where it has one
  PAGE_COUNTED = 45,      // 1: PAGE_ICOUNT describes this exit
  PAGE_COUNTS = 46,       // in: 1: exits at IN and OUT, and those with WHAT_SOLE, leave the count in PAGE_ICOUNT
  PAGE_AGAIN_SLOT = 47,   // in: not 0: the access answered last is put into this slot (see useSlot) when it comes again
  PAGE_AGAIN_WORD = 48,   // with this in its word with the state,
  PAGE_AGAIN_PORT = 49,   // while its channel is this one
  PAGE_SENT = 50,         // u64: accesses put into slots so far

  PAGE_GPR = 64,      // RAX RCX RDX RBX RSP RBP RSI RDI R8..R15, low and high word each
  PAGE_RIP = 96,      // low, high
  PAGE_RFLAGS = 98,   // one word
  PAGE_SHADOW = 99,   // 1: interrupts are held off for this one boundary (STI, MOV SS)
  PAGE_SEGMENT = 100, // ES CS SS DS FS GS LDTR TR, eight words each: selector, base low, base high, limit, attributes
  PAGE_GDT = 164,     // base low, base high, limit
  PAGE_IDT = 168,     // base low, base high, limit
  PAGE_CR0 = 172,     // CR0 CR2 CR3 CR4, one word each
  PAGE_EFER = 176,
  PAGE_DR = 180,      // DR0..DR7, one word each
};

// Of PAGE_WHAT: what an exit is, as far as one word can tell.
enum What : uint32_t {
  WHAT_REASON = 15,  // see Exit
  WHAT_READ = 16,    // of an access: IN, load
  WHAT_SIZE_SHIFT = 5,
  WHAT_SIZE = 15,   // of the word shifted: bytes of the access, 1 to 8
  WHAT_SOLE = 512,  // EXIT_MMIO: a MOV of at most 4 bytes, whose only access this is: its answer completes it
  WHAT_POSTED = 1024,  // something waits in the log of posted_page.h, or a register was read there
  WHAT_SENT = 2048,    // the access stands in its slot, as PAGE_AGAIN_SLOT has it
  WHAT_KNOWN = 4096,   // the page of posted accesses knows the place: it might have stayed in the guest
  WHAT_DISTURBED = 8192,  // no exit: the slot is not as the device model should have left it, the guest was not entered
  WHAT_ADDR_SHIFT = 16,  // the port; of memory, the low half of its address
};

enum StringWord : uint32_t {
  STRING_OP = 0,  // 0 none, else StringKind
  STRING_SIZE, STRING_REP, STRING_COUNT, STRING_DF, STRING_PORT, STRING_ADDR_SIZE,
  STRING_SRC_BASE, STRING_SRC_INDEX, STRING_DST_BASE, STRING_DST_INDEX, STRING_LENGTH,
  STRING_PLAIN,  // 1: its linear addresses are physical ones within the segment, and it is not single-stepped
};
enum StringKind : uint32_t { KIND_NONE = 0, KIND_INS = 1, KIND_OUTS = 2, KIND_MOVS = 3, KIND_STOS = 4 };

enum Exit : uint32_t {
  EXIT_NONE = 0, EXIT_PIO = 1, EXIT_PIO_STRING = 2, EXIT_MMIO = 3, EXIT_HLT = 4, EXIT_BUDGET = 5,
  EXIT_KICK = 6, EXIT_SHUTDOWN = 7, EXIT_UNSUPPORTED = 8, EXIT_BOUNDARY = 9, EXIT_EXCEPTION = 10,
  EXIT_IRQ_WINDOW = 11,
};

// What run() does with a pending access.
enum Action : uint32_t {
  ACTION_RETRY = 0,   // nothing of the instruction has happened; it will be executed again
  ACTION_ANSWER = 1,  // the access is answered with PAGE_DATA; the guest runs on
  ACTION_FINISH = 2,  // answered; run() returns at the instruction's next access, or at its end (EXIT_BOUNDARY)
  ACTION_ROLLBACK = 3,  // as RETRY, but run() returns EXIT_NONE at the instruction's start instead of running
  ACTION_DONE = 4,  // EXIT_PIO_STRING at the first element: the owner has done all of them; EXIT_NONE behind the instruction
};

// Of a run with an answer in its arguments.
enum How : int32_t {
  HOW_AS_PAGE = 0,   // none: as PAGE_ACTION has it
  HOW_ANSWERED = 1,  // as by ACTION_ANSWER
  HOW_AGAIN = 2,     // the same behind WHAT_SENT: or nothing happens, and WHAT_DISTURBED says so
};

// Why EXIT_UNSUPPORTED.
enum Unsupported : uint32_t {
  UNSUPPORTED_NONE = 0,
  UNSUPPORTED_FETCH = 1,      // instruction fetch from memory that is not RAM; PAGE_ADDR says where
  UNSUPPORTED_LONG_MODE = 2,  // the guest switched long mode on
  UNSUPPORTED_DIVERGED = 3,   // an instruction executed again made other accesses than the first time
  UNSUPPORTED_ENGINE = 4,     // the emulator library stopped with an error; PAGE_DATA holds its number
  UNSUPPORTED_TOO_MANY = 5,   // one instruction made more device accesses than can be kept
  UNSUPPORTED_CONTEXT = 6,    // a device access outside any instruction: interrupt delivery or a page table in device memory
};

static_assert(PAGE_DR + 8 <= RUN_PAGE_BYTES / 4, "run page too small");

}  // namespace trapline
