// SPDX-License-Identifier: GPL-2.0-only
// Class Vcpu: registers to and from the run page, save and restore, address translation.
#include <algorithm>
#include <cstring>
#include <utility>

#include "vcpu.h"

namespace trapline {
using namespace layout;

extern "C" void x86_update_hflags_x86_64(void* env);

namespace {
struct StateHeader {
  uint32_t magic;
  uint32_t version;
  uint32_t library;  // uc_version()
  uint32_t contextBytes;
  double icount;
  uint32_t halted;
  uint32_t a20;
  uint64_t check;  // over everything, with 0 in this place
};
constexpr uint32_t STATE_MAGIC = 0x50434c54;  // "TLCP"
constexpr uint32_t STATE_VERSION = 2;
constexpr int TABLE_WORDS = 4;

void putSegment(uint32_t* words, const Segment& s) {
  words[0] = s.selector;
  words[1] = static_cast<uint32_t>(s.base);
  words[2] = static_cast<uint32_t>(s.base >> 32);
  words[3] = s.limit;
  words[4] = s.flags;
}
// Damaged bytes would be taken for indices and pointers by the library.
uint64_t mix(uint64_t hash, const uint8_t* bytes, size_t count) {
  constexpr uint64_t ODD = 0x9e3779b97f4a7c15;
  uint64_t lanes[4] = {hash, hash + 1, hash + 2, hash + 3};  // four chains, which the processor works on at once
  for (; count >= 32; bytes += 32, count -= 32) {
    uint64_t words[4];
    std::memcpy(words, bytes, 32);
    for (int i = 0; i < 4; i++) {
      lanes[i] = (lanes[i] ^ words[i]) * ODD;
      lanes[i] ^= lanes[i] >> 32;
    }
  }
  for (; count > 0; bytes++, count--) lanes[0] = (lanes[0] ^ *bytes) * ODD;
  for (int i = 0; i < 4; i++) {
    hash = (hash ^ lanes[i]) * ODD;
    hash ^= hash >> 29;
  }
  return hash;
}
uint64_t checkOf(StateHeader header, const uint8_t* body) {
  header.check = 0;
  return mix(mix(1, reinterpret_cast<const uint8_t*>(&header), sizeof header), body, header.contextBytes);
}

// A present TSS of 16 or 32 bits, available or busy.
bool isTss(uint32_t flags) { return (flags & 0x9500) == 0x8100; }
Segment takeSegment(const uint32_t* words) {
  return Segment{words[0], 0, words[1] | static_cast<uint64_t>(words[2]) << 32, words[3], words[4]};
}
}  // namespace

uint32_t Vcpu::readFlags() {
  const uint32_t lazy = cpu_cc_compute_all_x86_64(envOf(cpu_), static_cast<int>(env<uint32_t>(ENV_CC_OP)));
  return static_cast<uint32_t>(env<uint64_t>(ENV_EFLAGS) & ~(CC_MASK | DF_MASK)) | (lazy & CC_MASK) |
         (env<int32_t>(ENV_DF) < 0 ? DF_MASK : 0);
}

void Vcpu::writeFlags(uint32_t flags) {
  env<uint64_t>(ENV_CC_SRC) = flags & CC_MASK;
  env<uint32_t>(ENV_CC_OP) = CC_OP_EFLAGS;
  env<int32_t>(ENV_DF) = (flags & DF_MASK) != 0 ? -1 : 1;
  env<uint64_t>(ENV_EFLAGS) = (flags & ~(CC_MASK | DF_MASK) & 0x3f7fd7) | 2;
}

void Vcpu::syncCount() {
  const double count = instructionCount();
  std::memcpy(page_ + PAGE_ICOUNT, &count, 8);
  page_[PAGE_COUNTED] = 1;
}

void Vcpu::sync() {
  if (page_[PAGE_SYNCED] != 0) return;
  // Restoring without leaving is sound: the translated code holds its own idea of RIP and the flags.
  if (park_ == Park::Trap) __real_cpu_restore_state_x86_64(cpu_, trapReturn_, false);
  std::memcpy(page_ + PAGE_GPR, &env<uint64_t>(ENV_REGS), 16 * 8);
  if (park_ == Park::Trap && atPopa()) std::memcpy(page_ + PAGE_GPR, &cpuField<uint64_t>(CPU_JMP_ENV), 8 * 8);
  std::memcpy(page_ + PAGE_RIP, &env<uint64_t>(ENV_EIP), 8);
  page_[PAGE_RFLAGS] = readFlags();
  page_[PAGE_HALTED] = halted_;
  page_[PAGE_SHADOW] = (env<uint32_t>(ENV_HFLAGS) & HF_INHIBIT_IRQ) != 0;
  for (int i = 0; i < 6; i++) putSegment(page_ + PAGE_SEGMENT + 8 * i, segment(i));
  putSegment(page_ + PAGE_SEGMENT + 8 * 6, env<Segment>(ENV_LDT));
  putSegment(page_ + PAGE_SEGMENT + 8 * 7, env<Segment>(ENV_TR));
  if (isTss(page_[PAGE_SEGMENT + 8 * 7 + 4])) page_[PAGE_SEGMENT + 8 * 7 + 4] |= TSS_BUSY;
  const Segment& gdt = env<Segment>(ENV_GDT);
  const Segment& idt = env<Segment>(ENV_IDT);
  std::memcpy(page_ + PAGE_GDT, &gdt.base, 8);
  page_[PAGE_GDT + 2] = gdt.limit;
  std::memcpy(page_ + PAGE_IDT, &idt.base, 8);
  page_[PAGE_IDT + 2] = idt.limit;
  const int order[4] = {0, 2, 3, 4};
  for (int i = 0; i < 4; i++) page_[PAGE_CR0 + i] = static_cast<uint32_t>(env<uint64_t>(ENV_CR + 8 * order[i]));
  page_[PAGE_EFER] = static_cast<uint32_t>(env<uint64_t>(ENV_EFER));
  for (int i = 0; i < 8; i++) page_[PAGE_DR + i] = static_cast<uint32_t>(env<uint64_t>(ENV_DR + 8 * i));
  syncCount();
  page_[PAGE_SYNCED] = 1;
}

void Vcpu::load() {
  if (park_ == Park::Trap) {
    // Rolling back overwrites nothing the owner has put into the register words.
    rollback();
    page_[PAGE_SYNCED] = 1;
  }
  std::memcpy(&env<uint64_t>(ENV_REGS), page_ + PAGE_GPR, 16 * 8);
  std::memcpy(&env<uint64_t>(ENV_EIP), page_ + PAGE_RIP, 8);
  writeFlags(page_[PAGE_RFLAGS]);
  for (int i = 0; i < 6; i++) segment(i) = takeSegment(page_ + PAGE_SEGMENT + 8 * i);
  env<Segment>(ENV_LDT) = takeSegment(page_ + PAGE_SEGMENT + 8 * 6);
  env<Segment>(ENV_TR) = takeSegment(page_ + PAGE_SEGMENT + 8 * 7);
  // A loaded task register is busy; the library gives up at the next change of rings if it finds that here.
  if (isTss(env<Segment>(ENV_TR).flags)) env<Segment>(ENV_TR).flags &= ~TSS_BUSY;
  std::memcpy(&env<Segment>(ENV_GDT).base, page_ + PAGE_GDT, 8);
  env<Segment>(ENV_GDT).limit = page_[PAGE_GDT + 2];
  std::memcpy(&env<Segment>(ENV_IDT).base, page_ + PAGE_IDT, 8);
  env<Segment>(ENV_IDT).limit = page_[PAGE_IDT + 2];
  halted_ = page_[PAGE_HALTED] != 0;
  void* state = envOf(cpu_);
  env<uint64_t>(ENV_CR + 16) = page_[PAGE_CR0 + 1];
  env<uint64_t>(ENV_EFER) = page_[PAGE_EFER];
  if (static_cast<uint32_t>(env<uint64_t>(ENV_CR + 32)) != page_[PAGE_CR0 + 3]) cpu_x86_update_cr4_x86_64(state, page_[PAGE_CR0 + 3]);
  if (static_cast<uint32_t>(env<uint64_t>(ENV_CR + 24)) != page_[PAGE_CR0 + 2]) cpu_x86_update_cr3_x86_64(state, page_[PAGE_CR0 + 2]);
  if (static_cast<uint32_t>(env<uint64_t>(ENV_CR)) != page_[PAGE_CR0]) cpu_x86_update_cr0_x86_64(state, page_[PAGE_CR0]);
  for (int i = 0; i < 8; i++) env<uint64_t>(ENV_DR + 8 * i) = page_[PAGE_DR + i];
  x86_update_hflags_x86_64(state);
  // TF, IOPL and VM are taken from the flags themselves; left in the hidden copy they would stick.
  env<uint32_t>(ENV_HFLAGS) &= ~(0x100u | 0x3000u | HF_VM | HF_INHIBIT_IRQ);
  if (page_[PAGE_SHADOW] != 0) env<uint32_t>(ENV_HFLAGS) |= HF_INHIBIT_IRQ;
  knowMode();
}

void Vcpu::setA20(bool on) {
  rollback();
  x86_cpu_set_a20_x86_64(cpu_, on ? 1 : 0);
  page_[PAGE_A20] = on;
}

bool Vcpu::setDevice(uint64_t gpa, uint64_t bytes, bool device) {
  if (((gpa | bytes) & 4095) != 0 || gpa + bytes > LOW_MEMORY) return false;
  for (uint64_t page = gpa; page < gpa + bytes; page += 4096) {
    const auto holds = [page](const RamSegment& s) { return page >= s.gpa && page < s.gpa + s.bytes; };
    const auto segment = std::find_if(segments_.begin(), segments_.end(), holds);
    if (segment == segments_.end()) return false;
    ramPage_[page >> 12] = device ? 0 : static_cast<uint8_t>(1 + (segment - segments_.begin()));
  }
  tlb_flush_x86_64(cpu_);
  return true;
}

namespace {
// uc_context starts with its own size and the engine's mode; only what follows is the CPU.
constexpr size_t CONTEXT_HEADER = 16;
size_t contextBytes(uc_engine* uc) { return uc_context_size(uc) - CONTEXT_HEADER; }
}  // namespace

size_t Vcpu::stateBytes() const { return sizeof(StateHeader) + contextBytes(uc_); }

void Vcpu::save(uint8_t* into) {
  rollback();
  // How flags wait to be computed depends on where blocks began: whole flags are the same for the same guest.
  writeFlags(readFlags());
  env<uint64_t>(ENV_CC_DST) = env<uint64_t>(ENV_CC_SRC2) = 0;
  // Left over from the last exception, and counted from where its block began.
  env<uint64_t>(ENV_EXCEPTION_NEXT_EIP) = 0;
  measureRooms();
  const size_t bytes = contextBytes(uc_);
  StateHeader header{STATE_MAGIC, STATE_VERSION, uc_version(nullptr, nullptr), static_cast<uint32_t>(bytes),
                     instructionCount(), halted_, page_[PAGE_A20], 0};
  // Everything the guest can see of its CPU lies in this block; it holds no pointer of this process as long as no
  // hardware breakpoint is armed, and none ever is (see helper_set_dr in wraps_exec.cc).
  uc_context_save(uc_, context_);
  const uint8_t* body = reinterpret_cast<uint8_t*>(context_) + CONTEXT_HEADER;
  header.check = checkOf(header, body);
  std::memcpy(into, &header, sizeof header);
  std::memcpy(into + sizeof header, body, bytes);
}

const char* Vcpu::restore(const uint8_t* from, size_t bytes) {
  StateHeader header;
  if (bytes != stateBytes()) return "the saved CPU state has the wrong size";
  std::memcpy(&header, from, sizeof header);
  if (header.magic != STATE_MAGIC || header.version != STATE_VERSION) return "not a saved CPU state of this version";
  if (header.library != uc_version(nullptr, nullptr) || header.contextBytes != contextBytes(uc_)) {
    return "the CPU state was saved with another build of the emulator";
  }
  if (header.check != checkOf(header, from + sizeof header)) return "the saved CPU state is damaged";
  if (!(header.icount >= 0 && header.icount <= 9007199254740992.0)) return "the saved CPU state is damaged";
  rollback();
  std::memcpy(reinterpret_cast<uint8_t*>(context_) + CONTEXT_HEADER, from + sizeof header, header.contextBytes);
  uc_context_restore(uc_, context_);
  knowMode();
  tlb_flush_x86_64(cpu_);
  budget() = static_cast<int64_t>(deadline_ < 0 ? 0 : deadline_) - static_cast<int64_t>(header.icount);
  halted_ = header.halted != 0;
  page_[PAGE_A20] = env<uint32_t>(ENV_A20_MASK) == ~0u;
  page_[PAGE_SYNCED] = page_[PAGE_COUNTED] = 0;
  cpuField<uint32_t>(CPU_CFLAGS_NEXT_TB) = ~0u;
  if (std::exchange(ended_, EXIT_NONE) != EXIT_NONE) {
    // The library has returned: enter it again. It takes whole flags there, as after a reset.
    const uint32_t flags = readFlags();
    env<uint64_t>(ENV_EFLAGS) = flags;
    cpuField<int32_t>(CPU_EXCEPTION_INDEX) = -1;
    page_[PAGE_ACTION] = ACTION_RETRY;
    run();
  }
  return nullptr;
}

uint64_t Vcpu::physical(uint64_t linear) {
  if (!paging()) return static_cast<uint32_t>(linear) & static_cast<int64_t>(env<int32_t>(ENV_A20_MASK));
  uint32_t attrs;
  const uint64_t page = x86_cpu_get_phys_page_attrs_debug_x86_64(cpu_, linear & ~4095ull, &attrs);
  return page == ~0ull ? ~0ull : (page & ~4095ull) | (linear & 4095);
}

int64_t Vcpu::translate(uint64_t linear) { return static_cast<int64_t>(physical(linear)); }

uint8_t* Vcpu::hostOf(uint64_t gpa) const {
  const RamSegment& s = segments_[ramPage_[gpa >> 12] - 1];
  return ram_ + s.offset + (gpa - s.gpa);
}

void Vcpu::invalidate(uint64_t offset, uint64_t bytes) {
  if (bytes == 0) return;
  for (const RamSegment& s : segments_) {
    const uint64_t from = offset > s.offset ? offset : s.offset;
    const uint64_t to = offset + bytes < s.offset + s.bytes ? offset + bytes : s.offset + s.bytes;
    if (from < to) {
      // Page by page, and only pages that were ever translated: this is called for every host write.
      for (uint64_t at = from; at < to;) {
        const uint64_t next = ((at >> 12) + 1) << 12 < to ? ((at >> 12) + 1) << 12 : to;
        if (hasCode_[at >> 12]) {
          tb_invalidate_phys_range_x86_64(uc_, s.ramAddress + (at - s.offset), s.ramAddress + (next - s.offset));
        }
        at = next;
      }
    }
  }
}

void Vcpu::rearmDirty() { tlb_reset_dirty_x86_64(cpu_, reinterpret_cast<uint64_t>(ram_), ramBytes_); }

void Vcpu::pageHasCode(uint64_t ramAddress, bool has) {
  auto* host = static_cast<uint8_t*>(qemu_map_ram_ptr_x86_64(uc_, nullptr, ramAddress & ~4095ull));
  const auto offset = static_cast<uint64_t>(host - ram_);
  if (offset < ramBytes_) hasCode_[offset >> 12] = has;
  if (has) tlb_reset_dirty_x86_64(cpu_, reinterpret_cast<uint64_t>(host), 4096);
}

void Vcpu::walked(uint64_t gpa) {
  if (isRam(gpa)) dirty_[(hostOf(gpa) - ram_) >> 12] = 1;
}

void Vcpu::pageStored(uint64_t ramAddress) {
  auto* host = static_cast<uint8_t*>(qemu_map_ram_ptr_x86_64(uc_, nullptr, ramAddress));
  const auto offset = static_cast<uint64_t>(host - ram_);
  if (offset < ramBytes_) dirty_[offset >> 12] = 1;
}

}  // namespace trapline
