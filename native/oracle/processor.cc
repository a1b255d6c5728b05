// SPDX-License-Identifier: GPL-2.0-only
// A third opinion: the host's own processor executes a piece of guest code in this process, in 16- or 32-bit segments
// of its own, with RAM where devices are. Of accesses it is only told which page of a device is touched first, which
// second: each is closed until then. Page tables of the guest are followed by pages.h. What a process may not do ends the
// code. Not part of the addon; built and run by
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

#include "pages.h"
#include "question.h"

namespace {
constexpr int CODE_ENTRY = 0;
constexpr int DATA_ENTRY = 1;  // and of others that are like DS
constexpr int ES_ENTRY = 2;
constexpr int SS_ENTRY = 3;
enum { ES, CS, SS, DS };
constexpr uint32_t PRESENT = 1u << 15;
constexpr size_t STACK = 0x10000;
constexpr int GENERAL_PROTECTION = 13;
constexpr int PAGE_FAULT = 14;
constexpr uint16_t selectorOf(int entry) { return static_cast<uint16_t>(entry << 3 | 7); }

Question question;
Pages pages;
mcontext_t before;
mcontext_t after;
volatile bool inGuest;
volatile int endedBy;
uint32_t cr2;

// Selector of a segment like this one, null for a null one; or -1.
int makeSegment(int entry, const Segment& like) {
  if ((like.attributes & PRESENT) == 0) return 0;
  user_desc d{};
  d.entry_number = static_cast<unsigned>(entry);
  d.base_addr = static_cast<unsigned>(Pages::GUEST + like.base);
  d.seg_32bit = like.attributes >> 22 & 1;
  d.limit_in_pages = like.attributes >> 23 & 1;
  d.limit = d.limit_in_pages ? like.limit >> 12 : like.limit;
  d.contents = like.attributes >> 10 & 3;
  d.read_exec_only = (like.attributes >> 9 & 1) == 0;
  d.useable = 1;
  return syscall(SYS_modify_ldt, 1, &d, sizeof d) == 0 ? selectorOf(entry) : -1;
}
bool same(const Segment& a, const Segment& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

int dataSelectors[4];  // by segment

bool makeSegments() {
  const Segment* const s = question.request.segments;
  dataSelectors[DS] = makeSegment(DATA_ENTRY, s[DS]);
  dataSelectors[ES] = same(s[ES], s[DS]) ? dataSelectors[DS] : makeSegment(ES_ENTRY, s[ES]);
  dataSelectors[SS] = same(s[SS], s[DS]) ? dataSelectors[DS] : makeSegment(SS_ENTRY, s[SS]);
  return makeSegment(CODE_ENTRY, s[CS]) > 0 && dataSelectors[DS] >= 0 && dataSelectors[ES] >= 0 && dataSelectors[SS] > 0;
}

constexpr int ORDER[8] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI};
constexpr greg_t INTERRUPTS_ON = 0x200;
bool paged() { return question.request.cr0 >> 31 != 0; }
uint32_t low(greg_t value) { return static_cast<uint32_t>(value); }

// The guest's handler of page faults, through its own descriptor table. That a fault comes, where, and of which kind is
// the processor's word; a process has no such table, so the way into the handler is made here.
void enterHandler(greg_t* g, uint32_t linear) {
  const uint32_t code = (low(g[REG_ERR]) & 2) | (pages.present(linear) ? 1 : 0);
  const uint32_t gate = question.request.idtBase + 8 * PAGE_FAULT;
  uint32_t esp = low(g[REG_RSP]);
  for (const uint32_t value : {low(g[REG_EFL] & ~INTERRUPTS_ON), question.request.segments[1].selector, low(g[REG_RIP]), code}) {
    esp -= 4;
    pages.store(esp, value);
  }
  g[REG_RSP] = esp;
  g[REG_RIP] = static_cast<greg_t>((pages.load(gate) & 0xffff) | (pages.load(gate + 4) & 0xffff0000));
  cr2 = linear;
}

// What a process may not execute: of such a handler MOV from CR2, INVLPG [EBX] and IRET; and MOV from and to CR4, with
// which a guest switches SSE on: it is on.
bool privileged(greg_t* g) {
  const uint32_t bytes = pages.load(low(g[REG_RIP]));
  if ((bytes & 0xf8ffff) == 0xd0200f) {
    g[ORDER[bytes >> 16 & 7]] = cr2;
    g[REG_RIP] += 3;
  } else if ((bytes & 0xfffdff) == 0xe0200f) {
    if ((bytes & 0x200) == 0) g[REG_RAX] = question.request.cr4;
    g[REG_RIP] += 3;
  } else if ((bytes & 0xffffff) == 0x3b010f) {
    if (!pages.flush()) return false;
    g[REG_RIP] += 3;
  } else if ((bytes & 0xff) == 0xcf && paged()) {
    const uint32_t esp = low(g[REG_RSP]);
    g[REG_RIP] = pages.load(esp);
    g[REG_EFL] = pages.load(esp + 8) | INTERRUPTS_ON;
    g[REG_RSP] = esp + 12;
  } else {
    return false;
  }
  return true;
}

// Whether the guest goes on: a page is opened, or its handler is entered or carried on.
bool goesOn(greg_t* g) {
  constexpr greg_t WRITE = 2;
  if (g[REG_TRAPNO] == GENERAL_PROTECTION) return privileged(g);
  if (g[REG_TRAPNO] != PAGE_FAULT) return false;
  // An IRET that it may not execute, the processor begins to: it reads two words more.
  if (paged() && (pages.load(low(g[REG_RIP])) & 0xff) == 0xcf) return privileged(g);
  const auto linear = low(g[REG_CR2] - static_cast<greg_t>(Pages::GUEST));
  const Fault what = pages.fault(linear, (g[REG_ERR] & WRITE) != 0);
  if (what == Fault::Guest) enterHandler(g, linear);
  return what != Fault::Stuck;
}

// DS and ES are no part of a signal's context.
void setDataSegments(int ds, int es) { asm volatile("mov %0, %%ds\n\tmov %1, %%es" : : "r"(ds), "r"(es)); }

// Two kinds of signals: SIGUSR1 goes into the guest, any other one comes back from it.
void onSignal(int number, siginfo_t*, void* context) {
  mcontext_t& now = static_cast<ucontext_t*>(context)->uc_mcontext;
  greg_t* g = now.gregs;
  if (inGuest && number == SIGSEGV && goesOn(g)) return;
  if (inGuest) {
    setDataSegments(0, 0);
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
  for (int i = 0; i < 8; i++) g[ORDER[i]] = r.gpr[i];
  g[REG_RIP] = r.rip;
  g[REG_EFL] = r.rflags;
  const uint64_t segments = static_cast<uint64_t>(g[REG_CSGSFS]);
  g[REG_CSGSFS] = static_cast<greg_t>((segments & 0x0000ffffffff0000) | selectorOf(CODE_ENTRY) |
                                      static_cast<uint64_t>(dataSelectors[SS]) << 48);
  inGuest = true;
  setDataSegments(dataSelectors[DS], dataSelectors[ES]);
}

bool prepare() {
  stack_t stack{};
  stack.ss_sp = mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  stack.ss_size = STACK;
  struct sigaction action {};
  action.sa_sigaction = onSignal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigfillset(&action.sa_mask);
  bool ok = pages.open() && stack.ss_sp != MAP_FAILED && sigaltstack(&stack, nullptr) == 0;
  for (const int number : {SIGUSR1, SIGSEGV, SIGILL, SIGBUS, SIGFPE, SIGTRAP, SIGALRM}) {
    ok = ok && sigaction(number, &action, nullptr) == 0;
  }
  return ok;
}

bool run() {
  const Request& r = question.request;
  if (!makeSegments()) return false;
  if (!pages.begin(question)) return false;
  const auto fcw = static_cast<uint16_t>(r.fcw);
  // FNINIT leaves what the last one left in the registers.
  asm volatile("fninit\n\t.rept 8\n\tfldz\n\t.endr\n\tfninit\n\tfldcw %0\n\tldmxcsr %1" : : "m"(fcw), "m"(r.mxcsr));
  // Code that never faults would run for ever.
  const itimerval limit{{0, 0}, {0, 300000}};
  setitimer(ITIMER_REAL, &limit, nullptr);
  raise(SIGUSR1);
  const itimerval none{};
  setitimer(ITIMER_REAL, &none, nullptr);
  const auto reg = [](int which) { return static_cast<uint64_t>(after.gregs[which]) & 0xffffffff; };
  const uint8_t* const guest = pages.frames();
  // A fault at CLI or HLT is how a case ends.
  const uint64_t at = r.segments[1].base + reg(REG_RIP);
  const bool refused = endedBy == SIGSEGV && reg(REG_TRAPNO) == GENERAL_PROTECTION;
  const bool ended = refused && at < r.ramBytes && (guest[at] == 0xfa || guest[at] == 0xf4);
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
