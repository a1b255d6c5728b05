// SPDX-License-Identifier: GPL-2.0-only
// A peer of the benchmark: the least that runs a guest on KVM. Every exit is answered here, in C++. Built and run by
// src/peers/.
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <cstring>

#include "peer.h"

namespace {
class Kvm {
 public:
  explicit Kvm(const std::vector<uint8_t>& code) {
    const int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0 || ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) fail(UNUSABLE, "no usable /dev/kvm");
    const int vm = ioctl(kvm, KVM_CREATE_VM, 0);
    if (vm < 0) fail(UNUSABLE, "KVM makes no virtual machine here");
    ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000);
    void* const ram = mmap(nullptr, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (ram == MAP_FAILED) fail(UNUSABLE, "no memory");
    ram_ = static_cast<uint8_t*>(ram);
    std::memcpy(ram_ + LOAD, code.data(), code.size());
    ram_[END] = 0xf4;  // hlt
    // A hole in memory is what KVM calls a device.
    map(vm, 0, 0, DEVICE);
    map(vm, 1, DEVICE + DEVICE_BYTES, RAM_BYTES);
    vcpu_ = ioctl(vm, KVM_CREATE_VCPU, 0);
    if (vcpu_ < 0) fail(UNUSABLE, "KVM makes no virtual CPU here");
    const auto bytes = static_cast<size_t>(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0));
    page_ = static_cast<kvm_run*>(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu_, 0));
    kvm_sregs s{};
    ioctl(vcpu_, KVM_GET_SREGS, &s);
    for (kvm_segment* segment : {&s.cs, &s.ds, &s.es, &s.fs, &s.gs, &s.ss}) segment->base = segment->selector = 0;
    if (ioctl(vcpu_, KVM_SET_SREGS, &s) != 0) fail(UNUSABLE, "KVM refuses the segments");
  }

  uint64_t run(uint32_t rounds) {
    putReturn(ram_);
    kvm_regs regs{};
    regs.rip = LOAD;
    regs.rsp = STACK;
    regs.rdx = PORT;
    regs.rbp = rounds;
    regs.rflags = 2;
    if (ioctl(vcpu_, KVM_SET_REGS, &regs) != 0) fail(1, "KVM refuses the registers");
    uint64_t accesses = 0;
    for (;;) {
      if (ioctl(vcpu_, KVM_RUN, 0) < 0) fail(1, "KVM_RUN failed");
      switch (page_->exit_reason) {
        case KVM_EXIT_IO: {
          const auto& io = page_->io;
          // A REP comes with a count.
          if (io.direction == KVM_EXIT_IO_IN)
            std::memset(reinterpret_cast<uint8_t*>(page_) + io.data_offset, 0, size_t{io.size} * io.count);
          accesses += io.count;
          break;
        }
        case KVM_EXIT_MMIO:
          if (page_->mmio.is_write == 0) std::memset(page_->mmio.data, 0, sizeof page_->mmio.data);
          accesses++;
          break;
        case KVM_EXIT_HLT:
          return accesses;
        default:
          std::fprintf(stderr, "KVM left the guest for reason %u\n", page_->exit_reason);
          std::exit(1);
      }
    }
  }

 private:
  void map(int vm, uint32_t slot, uint32_t from, uint32_t to) {
    const kvm_userspace_memory_region region{slot, 0, from, to - from, reinterpret_cast<uint64_t>(ram_ + from)};
    if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) != 0) fail(UNUSABLE, "KVM refuses the memory");
  }

  int vcpu_ = -1;
  uint8_t* ram_ = nullptr;
  kvm_run* page_ = nullptr;
};
}  // namespace

int main(int argc, char** argv) {
  Kvm kvm(codeFrom(argc, argv));
  serve([&](uint32_t rounds) { return kvm.run(rounds); });
}
