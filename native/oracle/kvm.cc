// SPDX-License-Identifier: GPL-2.0-only
// A second opinion: the host's own processor, through KVM, runs a form of test/contract/cpu and says which accesses to
// ports and device memory it made. Not part of the addon; built and run by test/oracle/kvm.test.ts.
//
// Standard input is a sequence of requests, little endian: u32 bits (16 or 32), u32 cs base, u32 ip, u32 sp, u32 device
// start, u32 device end, u32 number of answers, answers (u32 low, u32 high each), 64 KiB of RAM. For each, standard
// output gets one line per access, then `end ...` with registers, or `stop REASON`; then `ram` with the bytes that
// changed, and an empty line.
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace {
constexpr size_t RAM = 0x10000;
constexpr int MOST_EXITS = 5000;

struct Request {
  uint32_t bits, csBase, ip, sp, deviceStart, deviceEnd, answers;
};

bool readAll(void* into, size_t bytes) {
  auto* at = static_cast<char*>(into);
  while (bytes > 0) {
    const ssize_t got = read(0, at, bytes);
    if (got <= 0) return false;
    at += got;
    bytes -= static_cast<size_t>(got);
  }
  return true;
}

class Oracle {
 public:
  bool open() {
    kvm_ = ::open("/dev/kvm", O_RDWR | O_CLOEXEC);
    return kvm_ >= 0 && ioctl(kvm_, KVM_GET_API_VERSION, 0) == KVM_API_VERSION;
  }

  bool run(const Request& r, const std::vector<uint64_t>& answers, const uint8_t* image) {
    const int vm = ioctl(kvm_, KVM_CREATE_VM, 0);
    if (vm < 0) return false;
    ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000);
    auto* ram = static_cast<uint8_t*>(mmap(nullptr, RAM, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    std::memcpy(ram, image, RAM);
    const kvm_userspace_memory_region low{0, 0, 0, r.deviceStart, reinterpret_cast<uint64_t>(ram)};
    const kvm_userspace_memory_region high{1, 0, r.deviceEnd, RAM - r.deviceEnd, reinterpret_cast<uint64_t>(ram + r.deviceEnd)};
    const int vcpu = ioctl(vm, KVM_SET_USER_MEMORY_REGION, &low) == 0 && ioctl(vm, KVM_SET_USER_MEMORY_REGION, &high) == 0
                         ? ioctl(vm, KVM_CREATE_VCPU, 0)
                         : -1;
    bool ok = vcpu >= 0;
    if (ok) {
      const auto bytes = static_cast<size_t>(ioctl(kvm_, KVM_GET_VCPU_MMAP_SIZE, 0));
      auto* page = static_cast<kvm_run*>(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0));
      start(vcpu, r);
      // A form that leaves the guest no more would run for ever.
      const itimerval limit{{0, 0}, {0, 300000}};
      setitimer(ITIMER_REAL, &limit, nullptr);
      carryOut(vcpu, page, answers);
      const itimerval none{};
      setitimer(ITIMER_REAL, &none, nullptr);
      report(vcpu, ram, image);
      munmap(page, bytes);
      close(vcpu);
    }
    munmap(ram, RAM);
    close(vm);
    return ok;
  }

 private:
  static void start(int vcpu, const Request& r) {
    kvm_sregs s{};
    ioctl(vcpu, KVM_GET_SREGS, &s);
    const bool wide = r.bits == 32;
    const auto segment = [&](kvm_segment& into, uint32_t base, uint8_t type) {
      into = kvm_segment{};
      into.base = base;
      into.selector = static_cast<uint16_t>(base >> 4);
      into.limit = wide ? 0xffffffff : 0xffff;
      into.type = type;
      into.present = 1;
      into.s = 1;
      into.db = wide;
      into.g = wide;
    };
    segment(s.cs, r.csBase, 11);
    for (kvm_segment* data : {&s.ds, &s.es, &s.ss, &s.fs, &s.gs}) segment(*data, 0, 3);
    if (wide) {  // a null selector would not do for the stack
      for (kvm_segment* data : {&s.cs, &s.ds, &s.es, &s.ss, &s.fs, &s.gs}) data->selector = data == &s.cs ? 8 : 16;
    }
    s.cr0 = wide ? 0x11 : 0x10;
    s.cr4 = 0x200;
    ioctl(vcpu, KVM_SET_SREGS, &s);
    kvm_regs regs{};
    regs.rip = r.ip;
    regs.rsp = r.sp;
    regs.rflags = 2;
    ioctl(vcpu, KVM_SET_REGS, &regs);
  }

  static void line(bool isRead, uint32_t size, bool port, uint64_t address, uint64_t data) {
    std::printf("%c%u@%s%llx", isRead ? 'r' : 'w', size, port ? "p" : "", static_cast<unsigned long long>(address));
    if (!isRead) std::printf("=%llx", static_cast<unsigned long long>(data));
    std::printf("\n");
  }

  static void carryOut(int vcpu, kvm_run* page, const std::vector<uint64_t>& answers) {
    size_t next = 0;
    const auto answer = [&](void* into, uint32_t size) {
      const uint64_t value = next < answers.size() ? answers[next] : 0;
      next++;
      std::memcpy(into, &value, size);
    };
    const auto data = [](const void* from, uint32_t size) {
      uint64_t value = 0;
      std::memcpy(&value, from, size);
      return value;
    };
    for (int i = 0; i < MOST_EXITS; i++) {
      if (ioctl(vcpu, KVM_RUN, 0) < 0) {
        std::printf("stop it runs for ever\n");
        return;
      }
      switch (page->exit_reason) {
        case KVM_EXIT_HLT:
          return;
        case KVM_EXIT_IO: {
          auto* at = reinterpret_cast<uint8_t*>(page) + page->io.data_offset;
          const bool in = page->io.direction == KVM_EXIT_IO_IN;
          for (uint32_t k = 0; k < page->io.count; k++, at += page->io.size) {
            line(in, page->io.size, true, page->io.port, in ? 0 : data(at, page->io.size));
            // Every access takes its place among the answers, writes too.
            if (in) answer(at, page->io.size);
            else next++;
          }
          break;
        }
        case KVM_EXIT_MMIO:
          line(page->mmio.is_write == 0, page->mmio.len, false, page->mmio.phys_addr, data(page->mmio.data, page->mmio.len));
          if (page->mmio.is_write == 0) answer(page->mmio.data, page->mmio.len);
          else next++;
          break;
        case KVM_EXIT_SHUTDOWN:
          std::printf("stop triple fault\n");
          return;
        default:
          std::printf("stop exit %u\n", page->exit_reason);
          return;
      }
    }
    std::printf("stop too many exits\n");
  }

  static void report(int vcpu, const uint8_t* ram, const uint8_t* image) {
    kvm_regs g{};
    ioctl(vcpu, KVM_GET_REGS, &g);
    std::printf("end %llx %llx %llx %llx %llx %llx %llx %llx\n", g.rax, g.rcx, g.rdx, g.rbx, g.rsp, g.rbp, g.rsi, g.rdi);
    std::printf("ram");
    for (size_t i = 0; i < RAM; i++) {
      if (ram[i] != image[i]) std::printf(" %zx:%02x", i, ram[i]);
    }
    std::printf("\n\n");
  }

  int kvm_ = -1;
};
}  // namespace

int main() {
  struct sigaction quiet {};
  quiet.sa_handler = [](int) {};  // no SA_RESTART: it ends KVM_RUN
  sigaction(SIGALRM, &quiet, nullptr);
  Oracle oracle;
  if (!oracle.open()) {
    std::fprintf(stderr, "no usable /dev/kvm\n");
    return 5;
  }
  Request request;
  std::vector<uint8_t> image(RAM);
  while (readAll(&request, sizeof request)) {
    if (request.answers > 100000) return 2;
    std::vector<uint64_t> answers(request.answers);
    if (!readAll(answers.data(), answers.size() * 8) || !readAll(image.data(), RAM)) return 2;
    if (!oracle.run(request, answers, image.data())) return 5;
  }
  return 0;
}
