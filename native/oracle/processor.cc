// SPDX-License-Identifier: GPL-2.0-only
// A third opinion: the host's own processor executes a piece of guest code in this process, in 16- or 32-bit segments
// of its own, with RAM where devices are. Of accesses it is only told which page of a device is touched first, which
// second: each is closed until then. What a process may not do ends the code. Not part of the addon; built and run by
// test/oracle/helper.ts.
#include <asm/ldt.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>

#include "question.h"

namespace {
constexpr uintptr_t GUEST = 0x20000000;  // below 4 GiB: it is the base of segments
constexpr int CODE_ENTRY = 0;
constexpr int DATA_ENTRY = 1;
constexpr size_t STACK = 0x10000;
constexpr int GENERAL_PROTECTION = 13;
constexpr int PAGE_FAULT = 14;
constexpr uint16_t selectorOf(int entry) { return static_cast<uint16_t>(entry << 3 | 7); }

Question question;
auto* const guest = reinterpret_cast<uint8_t*>(GUEST);
mcontext_t before;
mcontext_t after;
volatile bool inGuest;
volatile int endedBy;

bool makeSegment(int entry, const Segment& like, bool code) {
  user_desc d{};
  d.entry_number = static_cast<unsigned>(entry);
  d.base_addr = static_cast<unsigned>(GUEST + like.base);
  d.seg_32bit = like.attributes >> 22 & 1;
  d.limit_in_pages = like.attributes >> 23 & 1;
  d.limit = d.limit_in_pages ? like.limit >> 12 : like.limit;
  d.contents = code ? MODIFY_LDT_CONTENTS_CODE : MODIFY_LDT_CONTENTS_DATA;
  d.useable = 1;
  return syscall(SYS_modify_ldt, 1, &d, sizeof d) == 0;
}

// Whether a page of a device was still closed.
bool opens(const mcontext_t& now) {
  const auto at = static_cast<uint64_t>(now.gregs[REG_CR2]) - GUEST;
  const auto page = at >> 12 << 12;
  for (const Range& range : question.ranges) {
    if (now.gregs[REG_TRAPNO] != PAGE_FAULT || range.port != 0 || at < range.start || at > range.end) continue;
    std::printf("touch %llx\n", static_cast<unsigned long long>(at));
    return mprotect(guest + page, PAGE, PROT_READ | PROT_WRITE) == 0;
  }
  return false;
}

// DS and ES are no part of a signal's context.
void setDataSegments(uint16_t selector) { asm volatile("mov %0, %%ds\n\tmov %0, %%es" : : "r"(selector)); }

// Two kinds of signals: SIGUSR1 goes into the guest, any other one comes back from it.
void onSignal(int number, siginfo_t*, void* context) {
  mcontext_t& now = static_cast<ucontext_t*>(context)->uc_mcontext;
  greg_t* g = now.gregs;
  if (inGuest && number == SIGSEGV && opens(now)) return;
  if (inGuest) {
    setDataSegments(0);
    after = now;
    endedBy = number;
    inGuest = false;
    // The state of the FPU stays where the context's pointer says.
    std::memcpy(g, before.gregs, sizeof before.gregs);
    return;
  }
  if (number != SIGUSR1) {
    signal(number, SIG_DFL);
    return;
  }
  before = now;
  const Request& r = question.request;
  const int order[8] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI};
  for (int i = 0; i < 8; i++) g[order[i]] = r.gpr[i];
  g[REG_RIP] = r.rip;
  g[REG_EFL] = r.rflags;
  const uint64_t segments = static_cast<uint64_t>(g[REG_CSGSFS]);
  g[REG_CSGSFS] = static_cast<greg_t>((segments & 0x0000ffffffff0000) | selectorOf(CODE_ENTRY) |
                                      static_cast<uint64_t>(selectorOf(DATA_ENTRY)) << 48);
  inGuest = true;
  setDataSegments(selectorOf(DATA_ENTRY));
}

bool prepare() {
  void* const at = mmap(guest, MOST_RAM, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  stack_t stack{};
  stack.ss_sp = mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  stack.ss_size = STACK;
  struct sigaction action {};
  action.sa_sigaction = onSignal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  bool ok = at == guest && stack.ss_sp != MAP_FAILED && sigaltstack(&stack, nullptr) == 0;
  for (const int number : {SIGUSR1, SIGSEGV, SIGILL, SIGBUS, SIGFPE, SIGTRAP, SIGALRM}) {
    ok = ok && sigaction(number, &action, nullptr) == 0;
  }
  return ok;
}

bool run() {
  const Request& r = question.request;
  if (!makeSegment(CODE_ENTRY, r.segments[1], true) || !makeSegment(DATA_ENTRY, r.segments[3], false)) return false;
  if (mprotect(guest, MOST_RAM, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) return false;
  std::memcpy(guest, question.image.data(), question.image.size());
  for (const Range& range : question.ranges) {
    if (range.port == 0 && mprotect(guest + range.start, range.end + 1 - range.start, PROT_NONE) != 0) return false;
  }
  const uint32_t mxcsr = 0x1f80;
  asm volatile("fninit\n\tldmxcsr %0" : : "m"(mxcsr));
  // Code that never faults would run for ever.
  const itimerval limit{{0, 0}, {0, 300000}};
  setitimer(ITIMER_REAL, &limit, nullptr);
  raise(SIGUSR1);
  const itimerval none{};
  setitimer(ITIMER_REAL, &none, nullptr);
  const auto reg = [](int which) { return static_cast<uint64_t>(after.gregs[which]) & 0xffffffff; };
  if (mprotect(guest, MOST_RAM, PROT_READ | PROT_WRITE) != 0) return false;
  // A fault at CLI or HLT is how a case ends.
  const uint64_t at = r.segments[1].base + reg(REG_RIP);
  const bool ended = endedBy == SIGSEGV && reg(REG_TRAPNO) == GENERAL_PROTECTION && at < r.ramBytes && (guest[at] == 0xfa || guest[at] == 0xf4);
  if (!ended) std::printf(endedBy == SIGALRM ? "stop it runs for ever\n" : "stop exception %llu\n", static_cast<unsigned long long>(reg(REG_TRAPNO)));
  question.report({reg(REG_RAX), reg(REG_RCX), reg(REG_RDX), reg(REG_RBX), reg(REG_RSP), reg(REG_RBP), reg(REG_RSI),
                   reg(REG_RDI), reg(REG_RIP), reg(REG_EFL)},
                  guest);
  return true;
}
}  // namespace

int main() {
  if (!prepare()) {
    std::fprintf(stderr, "no memory at a fixed address\n");
    return UNUSABLE;
  }
  int more = question.next();
  for (; more > 0; more = question.next()) {
    if (!run()) {
      std::fprintf(stderr, "the kernel makes no 16- or 32-bit segments\n");
      return UNUSABLE;
    }
  }
  return more < 0 ? 2 : 0;
}
