// SPDX-License-Identifier: GPL-2.0-only
// Guest memory of the host's processor: guest-physical memory in a file, and the guest's linear addresses as mappings of
// it. Without paging they are the same. With it a page is mapped when the processor touches it, and writable when it
// writes to it, so that "accessed" and "dirty" come from the processor's own faults, as in a shadow page table.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "question.h"

enum class Fault { Opened, Guest, Stuck };

class Pages {
 public:
  static constexpr uintptr_t GUEST = 0x20000000;  // below 4 GiB: it is the base of segments

  bool open() {
    file_ = memfd_create("oracle", 0);
    if (file_ < 0 || ftruncate(file_, MOST_RAM) != 0) return false;
    void* const all = mmap(nullptr, MOST_RAM, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
    void* const at = mmap(reinterpret_cast<void*>(GUEST), MOST_RAM, PROT_NONE, MAP_SHARED | MAP_FIXED_NOREPLACE, file_, 0);
    frames_ = static_cast<uint8_t*>(all);
    return all != MAP_FAILED && at == reinterpret_cast<void*>(GUEST);
  }

  bool begin(const Question& question) {
    constexpr uint32_t PAGING = 0x80000000;
    const Request& r = question.request;
    directory_ = r.cr3 & ~0xfffu;
    paging_ = (r.cr0 & PAGING) != 0;
    last_ = NEVER;
    std::memcpy(frames_, question.image.data(), question.image.size());
    std::memset(closed_, 0, sizeof closed_);
    for (const Range& range : question.ranges) {
      if (range.port != 0) continue;
      for (uint32_t page = range.start / PAGE; page <= range.end / PAGE; page++) closed_[page] = true;
    }
    if (paging_) return flush();
    bool ok = mmap(reinterpret_cast<void*>(GUEST), MOST_RAM, ALL, MAP_SHARED | MAP_FIXED, file_, 0) != MAP_FAILED;
    for (uint32_t page = 0; page < MOST_RAM / PAGE; page++) {
      if (closed_[page]) ok = ok && mprotect(reinterpret_cast<void*>(GUEST + page * PAGE), PAGE, PROT_NONE) == 0;
    }
    return ok;
  }

  /** The processor could not get at a linear address. Says so if that opens a page of a device. */
  Fault fault(uint32_t linear, bool write) {
    const uint32_t key = (linear & ~0xfffu) | (write ? 1 : 0);
    // Twice: the kernel carries out an instruction, and does not get on.
    if (linear >= MOST_RAM || key == last_) return Fault::Stuck;
    const uint32_t entry = touch(linear, write);
    if (entry == 0) return Fault::Guest;
    last_ = key;
    const uint32_t frame = entry / PAGE;
    if (frame >= MOST_RAM / PAGE || (!paging_ && !closed_[frame])) return Fault::Stuck;
    if (closed_[frame]) std::printf("touch %x\n", physical(entry, linear));
    closed_[frame] = false;
    const int rights = (entry & DIRTY) != 0 ? ALL : PROT_READ | PROT_EXEC;
    void* const at = reinterpret_cast<void*>(GUEST + (linear & ~0xfffu));
    return mmap(at, PAGE, rights, MAP_SHARED | MAP_FIXED, file_, frame * PAGE) == at ? Fault::Opened : Fault::Stuck;
  }

  /** INVLPG: all translations are forgotten. */
  bool flush() {
    last_ = NEVER;
    return mmap(reinterpret_cast<void*>(GUEST), MOST_RAM, PROT_NONE, MAP_SHARED | MAP_FIXED, file_, 0) != MAP_FAILED;
  }

  /** What the helper does in the guest's name, at an address that is there. */
  uint32_t load(uint32_t linear) { return word(physical(touch(linear, false), linear)); }
  void store(uint32_t linear, uint32_t value) { word(physical(touch(linear, true), linear)) = value; }

  bool present(uint32_t linear) { return touch(linear, false) != 0; }
  uint8_t* frames() { return frames_; }

 private:
  static constexpr int ALL = PROT_READ | PROT_WRITE | PROT_EXEC;
  static constexpr uint32_t PRESENT = 1, WRITABLE = 2, ACCESSED = 0x20, DIRTY = 0x40;

  // 32-bit entries, CR0.WP. @returns the page's entry, 0 for a page fault
  uint32_t touch(uint32_t linear, bool write) {
    if (!paging_) return (linear & ~0xfffu) | PRESENT | WRITABLE | ACCESSED | DIRTY;
    uint32_t& upper = word(directory_ + (linear >> 22) * 4);
    if ((upper & PRESENT) == 0) return 0;
    uint32_t& lower = word((upper & ~0xfffu) + (linear >> 12 & 0x3ff) * 4);
    if ((lower & PRESENT) == 0 || (write && (upper & lower & WRITABLE) == 0)) return 0;
    upper |= ACCESSED;
    lower |= ACCESSED | (write ? DIRTY : 0);
    return lower;
  }
  static uint32_t physical(uint32_t entry, uint32_t linear) { return (entry & ~0xfffu) | (linear & 0xfff); }
  uint32_t& word(uint32_t physical) { return *reinterpret_cast<uint32_t*>(frames_ + physical % MOST_RAM); }

  int file_ = -1;
  uint8_t* frames_ = nullptr;
  bool closed_[MOST_RAM / PAGE] = {};
  bool paging_ = false;
  uint32_t directory_ = 0, last_ = NEVER;
};
