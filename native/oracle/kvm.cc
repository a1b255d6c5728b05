// SPDX-License-Identifier: GPL-2.0-only
// A second opinion: KVM runs a piece of guest code and says which accesses to ports and device memory it made. Not part
// of the addon; built and run by test/oracle/helper.ts.
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>

#include "question.h"

namespace {
constexpr int MOST_EXITS = 5000;

class Oracle : public Question {
 public:
  bool open() {
    kvm_ = ::open("/dev/kvm", O_RDWR | O_CLOEXEC);
    return kvm_ >= 0 && ioctl(kvm_, KVM_GET_API_VERSION, 0) == KVM_API_VERSION;
  }

  bool run() {
    const int vm = ioctl(kvm_, KVM_CREATE_VM, 0);
    if (vm < 0) return false;
    ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000);
    ram_ = static_cast<uint8_t*>(mmap(nullptr, image.size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    std::memcpy(ram_, image.data(), image.size());
    vcpu_ = mapRam(vm) ? ioctl(vm, KVM_CREATE_VCPU, 0) : -1;
    const bool ok = vcpu_ >= 0;
    if (ok) {
      const auto bytes = static_cast<size_t>(ioctl(kvm_, KVM_GET_VCPU_MMAP_SIZE, 0));
      page_ = static_cast<kvm_run*>(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu_, 0));
      start();
      // Code that leaves the guest no more would run for ever.
      const itimerval limit{{0, 0}, {0, 300000}};
      setitimer(ITIMER_REAL, &limit, nullptr);
      carryOut();
      const itimerval none{};
      setitimer(ITIMER_REAL, &none, nullptr);
      report();
      munmap(page_, bytes);
      close(vcpu_);
    }
    munmap(ram_, image.size());
    close(vm);
    return ok;
  }

 private:
  // Between the ranges, which come in order.
  bool mapRam(int vm) {
    uint32_t from = 0;
    uint32_t slot = 0;
    const auto map = [&](uint32_t to) {
      if (to <= from) return true;
      const kvm_userspace_memory_region region{slot++, 0, from, to - from, reinterpret_cast<uint64_t>(ram_ + from)};
      return ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) == 0;
    };
    for (const Range& range : ranges) {
      if (range.port != 0) continue;
      if (!map(range.start)) return false;
      from = range.end + 1;
    }
    return map(request.ramBytes);
  }

  void start() {
    kvm_sregs s{};
    ioctl(vcpu_, KVM_GET_SREGS, &s);
    kvm_segment* const into[6] = {&s.es, &s.cs, &s.ss, &s.ds, &s.fs, &s.gs};
    for (int i = 0; i < 6; i++) {
      const auto [selector, base, limit, attributes] = request.segments[i];
      const auto bits = [attributes](int from, uint32_t mask) { return static_cast<uint8_t>(attributes >> from & mask); };
      *into[i] = kvm_segment{};
      into[i]->selector = static_cast<uint16_t>(selector);
      into[i]->base = base;
      into[i]->limit = limit;
      into[i]->type = bits(8, 15);
      into[i]->s = bits(12, 1);
      into[i]->dpl = bits(13, 3);
      into[i]->present = bits(15, 1);
      into[i]->db = bits(22, 1);
      into[i]->g = bits(23, 1);
    }
    s.gdt.base = request.gdtBase;
    s.gdt.limit = static_cast<uint16_t>(request.gdtLimit);
    s.idt.base = request.idtBase;
    s.idt.limit = static_cast<uint16_t>(request.idtLimit);
    s.cr0 = request.cr0;
    s.cr3 = request.cr3;
    s.cr4 = request.cr4;
    const uint32_t* g = request.gpr;
    kvm_regs regs{};
    regs.rax = g[0], regs.rcx = g[1], regs.rdx = g[2], regs.rbx = g[3];
    regs.rsp = g[4], regs.rbp = g[5], regs.rsi = g[6], regs.rdi = g[7];
    regs.rip = request.rip;
    regs.rflags = request.rflags;
    if (ioctl(vcpu_, KVM_SET_SREGS, &s) != 0 || ioctl(vcpu_, KVM_SET_REGS, &regs) != 0) stop("registers refused");
    if (request.interruptAt != NEVER) breakAt(request.interruptAt);
  }

  void breakAt(uint32_t linear) {
    kvm_guest_debug debug{};
    debug.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
    debug.arch.debugreg[0] = linear;
    debug.arch.debugreg[7] = 0x402;
    ioctl(vcpu_, KVM_SET_GUEST_DEBUG, &debug);
  }

  // An interrupt window alone may open some instructions late.
  void step(bool on) {
    kvm_guest_debug debug{};
    if (on) debug.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
    ioctl(vcpu_, KVM_SET_GUEST_DEBUG, &debug);
  }

  static void stop(const char* why) { std::printf("stop %s\n", why); }

  /** One access. @param data - what is written, or where the answer goes */
  void tell(bool isRead, bool port, uint64_t address, uint32_t size, uint8_t* data) {
    uint64_t value = 0;
    if (!isRead) std::memcpy(&value, data, size);
    std::printf("%c%u@%s%llx", isRead ? 'r' : 'w', size, port ? "p" : "", static_cast<unsigned long long>(address));
    if (!isRead) std::printf("=%llx", static_cast<unsigned long long>(value));
    std::printf("\n");
    access(isRead, port, address, value);
    if (isRead) std::memcpy(data, &value, size);
  }

  void carryOut() {
    bool pending = false;
    for (int i = 0; i < MOST_EXITS; i++) {
      page_->request_interrupt_window = pending;
      if (pending && page_->ready_for_interrupt_injection != 0) {
        const kvm_interrupt interrupt{request.vector};
        if (ioctl(vcpu_, KVM_INTERRUPT, &interrupt) != 0) return stop("no interrupt");
        pending = false;
        page_->request_interrupt_window = 0;
        step(false);
      }
      if (ioctl(vcpu_, KVM_RUN, 0) < 0) return stop("it runs for ever");
      switch (page_->exit_reason) {
        case KVM_EXIT_HLT:
          if (behindHlt() && (!pending || page_->if_flag == 0)) return;
          break;
        case KVM_EXIT_IRQ_WINDOW_OPEN:
          break;
        case KVM_EXIT_DEBUG:
          pending = true;
          step(true);
          break;
        case KVM_EXIT_IO: {
          const auto& io = page_->io;
          auto* at = reinterpret_cast<uint8_t*>(page_) + io.data_offset;
          const bool in = io.direction == KVM_EXIT_IO_IN;
          for (uint32_t k = 0; k < io.count; k++, at += io.size) tell(in, true, io.port, io.size, at);
          break;
        }
        case KVM_EXIT_MMIO: {
          auto& mmio = page_->mmio;
          tell(mmio.is_write == 0, false, mmio.phys_addr, mmio.len, mmio.data);
          break;
        }
        case KVM_EXIT_SHUTDOWN:
          return stop("triple fault");
        case KVM_EXIT_INTERNAL_ERROR:
          if (page_->internal.suberror != KVM_INTERNAL_ERROR_EMULATION) return stop("internal error");
          if (!interruptReturn()) return stop("cannot emulate it");
          break;
        default:
          std::printf("stop exit %u\n", page_->exit_reason);
          return;
      }
    }
    stop("too many exits");
  }

  // One that was stepped over is reported again behind the first instruction of the interrupt's handler.
  bool behindHlt() {
    constexpr uint8_t HLT = 0xf4;
    kvm_regs g{};
    kvm_sregs s{};
    ioctl(vcpu_, KVM_GET_REGS, &g);
    ioctl(vcpu_, KVM_GET_SREGS, &s);
    const uint64_t at = s.cs.base + g.rip - 1;
    return at < image.size() && ram_[at] == HLT;
  }

  // KVM's emulator has no IRET of protected mode: within one code segment it is done here.
  bool interruptReturn() {
    constexpr uint8_t IRET = 0xcf;
    kvm_regs g{};
    kvm_sregs s{};
    if (ioctl(vcpu_, KVM_GET_REGS, &g) != 0 || ioctl(vcpu_, KVM_GET_SREGS, &s) != 0) return false;
    const uint64_t code = s.cs.base + g.rip;
    const uint64_t stack = s.ss.base + g.rsp;
    const size_t width = s.cs.db != 0 ? 4 : 2;
    if ((s.cr0 & 1) == 0 || code >= image.size() || ram_[code] != IRET || stack + 3 * width > image.size()) return false;
    uint32_t words[3] = {0, 0, 0};
    for (size_t i = 0; i < 3; i++) std::memcpy(&words[i], ram_ + stack + i * width, width);
    if (words[1] != s.cs.selector) return false;
    g.rip = words[0];
    g.rflags = width == 4 ? words[2] : (g.rflags & 0xffff0000) | words[2];
    g.rsp += 3 * width;
    return ioctl(vcpu_, KVM_SET_REGS, &g) == 0;
  }

  void report() {
    kvm_regs g{};
    ioctl(vcpu_, KVM_GET_REGS, &g);
    Question::report({g.rax, g.rcx, g.rdx, g.rbx, g.rsp, g.rbp, g.rsi, g.rdi, g.rip, g.rflags}, ram_);
  }

  int kvm_ = -1, vcpu_ = -1;
  uint8_t* ram_ = nullptr;
  kvm_run* page_ = nullptr;
};
}  // namespace

int main() {
  struct sigaction quiet {};
  quiet.sa_handler = [](int) {};  // no SA_RESTART: it ends KVM_RUN
  sigaction(SIGALRM, &quiet, nullptr);
  Oracle oracle;
  if (!oracle.open()) {
    std::fprintf(stderr, "no usable /dev/kvm\n");
    return UNUSABLE;
  }
  int more = oracle.next();
  for (; more > 0; more = oracle.next()) {
    if (!oracle.run()) {
      std::fprintf(stderr, "KVM makes no virtual machine here\n");
      return UNUSABLE;
    }
  }
  return more < 0 ? 2 : 0;
}
