// SPDX-License-Identifier: GPL-2.0-only
// One x86 CPU that returns exits: the emulator library on a stack of its own, parked between exits.
//
// Between two calls of run() the fiber is parked in one of two places:
//  - at a trap: inside a helper that the translated code called for a device access. The instruction has not happened;
//    the helper's return address into the translated code identifies it, so RIP and flags are restored only on demand;
//  - at a boundary: in the library's main loop between two blocks, where the whole state is in memory and may be edited.
#pragma once
#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "fiber.h"
#include "posted.h"
#include "run_page.h"
#include "unicorn_layout.h"
#include "words.h"

namespace trapline {

// A stretch of guest-physical memory backed by `offset` bytes into the RAM buffer. All values are multiples of 4096.
struct RamSegment {
  uint64_t gpa;
  uint64_t bytes;
  uint64_t offset;
  bool writable;  // false: ROM, guest writes are dropped
  uint64_t ramAddress = 0;  // the library's own number for `offset`, set by open()
};

// A deadline as a whole number of instructions, at most 2^53.
inline int64_t toCount(double deadline) {
  constexpr double LIMIT = 9007199254740992.0;
  if (!(deadline >= 0)) return 0;  // also NaN
  return static_cast<int64_t>(deadline < LIMIT ? deadline : LIMIT);
}

class Vcpu {
 public:
  // SAFETY: `ram`, `page` and `dirty` point into buffers that the owner keeps alive until dispose().
  // marks: one byte per RAM page, set to 1 when the guest stores into the page; then one per page, not 0 where there are
  // translations of it.
  Vcpu(uint8_t* ram, uint64_t ramBytes, uint32_t* page, uint8_t* marks);
  ~Vcpu();
  Vcpu(const Vcpu&) = delete;
  Vcpu& operator=(const Vcpu&) = delete;

  // Null on success, else a sentence. Leaves the CPU parked at the reset vector.
  const char* open(const std::vector<RamSegment>& segments);
  void dispose();
  bool isOpen() const { return uc_ != nullptr; }

  uint32_t run();      // see Action and Exit in run_page.h
  void syncCount();    // fills the instruction count of the page, which is cheaper than sync()
  void sync();         // fills the register words and the instruction count of the page
  void describe();     // fills the string words for the instruction at RIP
  void load();         // takes all register words of the page; a pending exit is dropped as by ACTION_ROLLBACK
  void rollback();     // drops a pending exit: nothing of its instruction has happened
  void reset();        // power-on state, instruction count kept
  void setA20(bool on);
  // Whole pages of RAM below 1 MiB become device memory, or RAM again; what they hold stays. False: not such pages.
  bool setDevice(uint64_t gpa, uint64_t bytes, bool device);
  void invalidate(uint64_t offset, uint64_t bytes);  // host wrote RAM: forget translations of it
  void rearmDirty();   // after the owner cleared bytes of the dirty map
  int64_t translate(uint64_t linear);  // guest-physical address, or -1
  Posted& posted() { return posted_; }
  // A slot of an ioreq page, 32 bytes, for PAGE_AGAIN_SLOT: 1 and up. SAFETY: as for the constructor.
  uint32_t useSlot(uint32_t* slot) {
    slots_.push_back(slot);
    return static_cast<uint32_t>(slots_.size());
  }
  void requestKick();  // any thread, only through the registry in addon.cc, which guards the lifetime

  size_t stateBytes() const;
  void save(uint8_t* into);
  // FXSAVE image, then ten MSRs; see named_state.cc. A pending access is dropped.
  static constexpr size_t EXTENDED_BYTES = 512 + 10 * 8;
  void extended(uint8_t* into);
  const char* restore(const uint8_t* from, size_t bytes);

  // --- called by the wrapped library functions, on the fiber ---
  static Vcpu* ofCpu(void* cpu) { return layout::field<Vcpu*>(cpu, layout::CPU_OPAQUE); }
  static Vcpu* ofEnv(void* env) { return ofCpu(layout::cpuOf(env)); }
  static Vcpu* ofEngine(void* uc) {
    void* cpu = layout::field<void*>(uc, layout::UC_CPU);
    return cpu == nullptr ? nullptr : ofCpu(cpu);
  }
  // The one that ran last on this thread, for library calls that carry no context: see onFiber().
  static Vcpu* active() { return active_; }

  // Where an access parks: at `fiber`, null when `value` is the answer already. Otherwise `value` is the Vcpu.
  struct TrapStart {
    Fiber* fiber;
    uint64_t value;
  };
  // `what`: of PAGE_WHAT, but for the port.
  TrapStart portBegins(uint32_t port, uint32_t value, uint32_t what, uintptr_t retaddr);
  // Whether the device access is the only one of its instruction and lies within one page: its answer is all that the
  // instruction waits for. While an instruction is executed again, its answers are at hand.
  bool isSole(uint64_t linear, uint32_t size, uint32_t oi) const {
    return (oi & layout::OI_SOLE) != 0 && size <= 4 && (linear & 4095) + size <= 4096 && (answeredCount_ == 0 || step_ == Step::None);
  }
  // The same of an access of which nothing is known yet, where it is soon said: within its segment, no paging, no
  // answers left. True: it meets a device at *gpa.
  bool isPlainSole(uint64_t linear, uint32_t size, uint32_t oi, uint64_t* gpa) {
    if ((oi & layout::OI_SOLE) == 0 || linear >> 32 != 0 || answeredCount_ != 0 || paging()) return false;
    if ((linear & 4095) + size > 4096 || ((oi & layout::OI_EVEN) != 0 && (linear & (size - 1)) != 0)) return false;
    *gpa = linear & static_cast<int64_t>(env<int32_t>(layout::ENV_A20_MASK));
    return ramPage_[*gpa >> 12] == 0;
  }
  // `what`: of PAGE_WHAT, but for the address.
  TrapStart soleBegins(uint32_t what, uint64_t linear, uint64_t gpa, uint64_t value, uintptr_t retaddr);
  uint64_t trapEnds();
  // The access that the owner has asked for in PAGE_AGAIN_SLOT, with nothing in between that could make it another one. No
  // answers are kept then: whoever keeps them has forgotten it.
  bool isAgain(uint32_t kind, uint64_t place) const {
    return place == again_.place && kind == again_.kind && page_[PAGE_AGAIN_SLOT] != 0 && posted_.flag() == 0;
  }
  // The same access as the last one: its request goes into its slot here, and of the page only what may be another changes.
  TrapStart sentAgain(uint64_t data, uintptr_t retaddr) {
    uint32_t* const slot = again_.slot;
    store64(slot, again_.address);
    store64(slot + 2, data);
    store64(slot + 4, again_.countAndSize);
    slot[7] = again_.word;
    uint32_t* const page = page_;
    page[PAGE_WHAT] = again_.exit;
    store64(page + PAGE_SENT, load64<uint64_t>(page + PAGE_SENT) + 1);
    store64(page + PAGE_DATA, data);
    trap_.data = data;
    trapReturn_ = retaddr;
    park_ = Park::Trap;
    sent_ = true;
    leaving();
    return {&fiber_, reinterpret_cast<uintptr_t>(this)};
  }
  uint64_t againData(uint64_t value) const { return value & again_.lanes; }
  void repeatAtOnce(uint32_t instruction);  // see fast_string.cc
  void keepShadow();
  // For a switch that the caller makes; no fiber: run() has been done, and `value` is PAGE_WHAT. With a fiber `value` has
  // ANSWERED where the answer comes with it, in its low half, and nothing is left to do behind the switch.
  TrapStart fiberToEnter(int32_t how, uint32_t data);
  uint64_t stringAccess(bool read, uint32_t port, uint32_t size, uint32_t value, uintptr_t retaddr);
  uint64_t mmioLoad(uint64_t linear, uint32_t size, int mmuIndex, uintptr_t retaddr);
  void mmioStore(uint64_t linear, uint32_t size, uint64_t value, int mmuIndex, uintptr_t retaddr);
  uint64_t physicalAccess(bool read, uint64_t gpa, uint32_t size, uint64_t value);  // from a C helper of the library
  // True when any byte of the access is outside RAM. Raises the guest's page fault if there is one.
  bool isDevice(uint64_t linear, uint32_t size, bool store, int mmuIndex, uintptr_t retaddr);
  void stored(uint64_t linear, int mmuIndex);  // after a slow store: let the next ones be fast
  bool boundary();                             // the main loop asks for interrupts; true: state changed
  void uncount(uintptr_t retaddr);             // the block is left at `retaddr`: take back what was not executed
  void uncountAfter(uintptr_t retaddr);        // the same, but the instruction at `retaddr` counts as executed
  [[noreturn]] void privileged(uintptr_t retaddr);  // #GP(0) at `retaddr`
  int mmuIndex();
  uint64_t physical(uint64_t linear);          // all ones: not mapped
  // Where the TLB is to look for `gpa`: RAM that is device memory at the moment has a device region of its own.
  uint64_t region(uint64_t gpa) const { return gpa < LOW_MEMORY && ramPage_[gpa >> 12] == 0 ? FOUR_GIB + gpa : gpa; }
  static constexpr int32_t MAX_BLOCK = 64;  // instructions per block; also keeps the translator's temporaries in bounds
  [[noreturn]] void halt(int length);
  void tripleFault() { ended_ = EXIT_SHUTDOWN; }
  // An exception is about to be delivered; false: the owner takes it instead.
  uint32_t vectorOf(uint32_t raised);
  bool delivered(uint32_t vector);
  void fault() { faulted_ = true; }
  void setInterruptEip(uint64_t eip) { interruptEip_ = eip; }
  void pageHasCode(uint64_t ramAddress, bool has);
  // See walk.cc.
  void noteInWalk(uint64_t address, uint32_t value);
  void endWalk(bool found);
  uint32_t gateWord(uint64_t linear, uint32_t value, uintptr_t retaddr);
  void pageStored(uint64_t ramAddress);
  void beginTranslation(void* tb, int limit);
  void emitCount();
  void emitRefused();
  void beforeTranslating(void* db, uint64_t pc);
  // What the translator is to see at `linear` instead of the guest's byte, or -1.
  int byteInstead(uint64_t linear) {
    if (linear - illegalAt_ < 2) return linear == illegalAt_ ? 0x0f : 0x0b;
    if (linear == otherAt_) return other_;
    return linear - ignoredLocksAt_ < ignoredLocks_ && codeByte(linear) == 0xf0 ? 0xf3 : -1;
  }
  void endTranslation(void* tb);
  bool isReserved(uint64_t pc);
  void* beforeInsn();
  void afterInsn(void* db, uint64_t pc, void* lastOpBefore);
  // Segment limits, see limits.cc.
  void addressMade(uintptr_t temp);
  void addressMoved(uintptr_t to, uintptr_t from, int64_t by);
  uintptr_t guarded(uintptr_t address, uint32_t size, bool store, uint32_t* kind);
  void forgetOperand(uintptr_t address);
  void checkUnaligned(uint64_t linear, bool even, uintptr_t retaddr);
  void dropTemp(uintptr_t temp);
  // Of a memory operation of the instruction that is being translated; of 8 bytes never.
  uint32_t soleKind(uint32_t kind) const { return move_ && (kind & 3) != 3 ? layout::SOLE : 0; }
  static bool isMarked(uint64_t linear) { return linear >> 33 != 0; }
  uint64_t withinLimit(uint64_t marked, uint32_t size, uintptr_t retaddr);
  uint64_t helperOperand(uint64_t linear, uint32_t size, bool store, uintptr_t retaddr);
  // See rooms.cc.
  void measureRooms();
  void checkStackWord(uint64_t linear, uint32_t size, bool store, uintptr_t retaddr);
  // See operand_size.cc.
  void checkBranch(uintptr_t retaddr);
  int64_t released(uintptr_t from, int64_t bytes);
  // See stack_probe.cc.
  void pushAll(uint64_t size, uintptr_t retaddr);
  void probeFrame(uint64_t frame, uintptr_t retaddr);
  void undoPopa();
  [[noreturn]] void contain();  // the library was about to abort the process
  void* cpu() const { return cpu_; }
  uc_engine* engine() const { return uc_; }
  void* mappingAnswer() const { return anyMapping_; }
  uint64_t tsc(uintptr_t retaddr);
  bool onFiber() const { return onFiber_; }
  void setSmcReturn(uintptr_t retaddr) { smcReturn_ = retaddr; }
  uintptr_t takeSmcReturn() { return std::exchange(smcReturn_, 0); }

 private:
  static __thread Vcpu* active_ __attribute__((tls_model("initial-exec")));

  enum class Park : uint32_t { Boundary, Trap };
  enum class Step : uint32_t { None, Armed, Running };
  enum class Resume { Answer, AnswerByStep, Restart, Done };
  struct Answered {
    uint64_t address;
    uint64_t data;
    uint32_t reason;
    uint8_t size;
    bool read;
  };
  struct PendingFlags {
    uint64_t destination, source, source2;  // CC_DST, CC_SRC, CC_SRC2
  };
  struct Trap {
    uint32_t what;
    uint64_t address;
    uint64_t data;
  };
  // A place in translated code that calls a helper.
  struct Site {
    uintptr_t retaddr;
    uint32_t rest;  // of its block's instructions: not executed before it
  };
  static constexpr size_t SITES = 4096;
  static constexpr size_t PLACES = 0x10000;
  static size_t siteIndex(uintptr_t retaddr) { return static_cast<size_t>(retaddr * 0x9e3779b97f4a7c15ull >> 32) % SITES; }
  // An instruction up to its opcode; `opcode` is the second byte behind 0F, and -1 where there is no RAM.
  struct Head {
    uint64_t start = 0;
    uint64_t at = 0;     // of the byte behind the opcode: ModRM, where there is one
    uint64_t opcodeAt = 0;  // and of the opcode, or its 0F
    int opcode = -1;
    int modrm = -1;      // the byte at `at`
    uint32_t operandBytes = 2;
    bool wideAddress = false;
    bool twoBytes = false;
    bool lock = false;
    bool repeated = false;  // REP or REPNE
  };
  // A temporary of the translator that is offset + `delta` in a segment.
  struct Operand {
    uintptr_t address;
    uintptr_t offset;  // a temporary that this one owns
    int64_t delta;
    int segment;
    bool wide;  // 32 bits
    uintptr_t shared = 0;  // the offset of another one
  };
  static constexpr uint32_t OPERANDS = 4;
  struct Note {
    uint64_t address;
    uint32_t value;
    bool pending;
  };
  struct Gap {
    Vcpu* vcpu;
    uint64_t gpa;
  };
  static constexpr int PUSHA = 0x60;
  static constexpr int POPA = 0x61;
  static constexpr int ENTER = 0xc8;
  static constexpr int ICEBP = 0xf1;
  static constexpr uint32_t MAX_ACCESSES = 256;  // FXSAVE to a device makes about 70
  static constexpr int64_t COUNT_PLACEHOLDER = 0x5ca1ab1e;
  static constexpr size_t STACK_BYTES = 256 * 1024;

  // An access that is put into its slot when it comes again. `place`: port or linear address; all ones: none.
  struct Again {
    uint64_t place = ~0ull;
    uint32_t kind = 0;  // of PAGE_WHAT, but for the address
    uint32_t exit = 0;  // PAGE_WHAT
    uint32_t* slot = nullptr;
    uint64_t address = 0;
    uint64_t countAndSize = 0;
    uint32_t word = 0;
    uint32_t port = 0;
    uint32_t lanes = 0;
  };
  static constexpr uint64_t ANSWERED = 1ull << 32;
  // By size: the bits of an access.
  static constexpr uint64_t LANES[5] = {0, 0xff, 0xffff, 0, 0xffffffff};
  static uint64_t lanes(uint32_t what) { return LANES[what >> WHAT_SIZE_SHIFT & WHAT_SIZE]; }

  static void body(void* self);
  static uint64_t gapRead(uc_engine*, uint64_t offset, unsigned size, void* gap);
  static void gapWrite(uc_engine*, uint64_t offset, unsigned size, uint64_t value, void* gap);

  template <class T>
  T& env(size_t offset) { return layout::field<T>(layout::envOf(cpu_), offset); }
  template <class T>
  T& cpuField(size_t offset) { return layout::field<T>(cpu_, offset); }
  int64_t& budget() { return cpuField<int64_t>(layout::CPU_RANDOM_SEED); }
  layout::Segment& segment(int index) { return env<layout::Segment>(layout::ENV_SEGS + 24 * index); }
  bool paging() { return (env<uint64_t>(layout::ENV_CR) & 0x80000000u) != 0; }
  bool isRam(uint64_t gpa) const { return gpa < FOUR_GIB && ramPage_[gpa >> 12] != 0; }
  uint8_t* hostOf(uint64_t gpa) const;
  uint64_t access(uint32_t reason, bool read, uint32_t size, uint64_t address, uint64_t linear, uint64_t data,
                  uintptr_t retaddr);
  uint64_t resumed(uint32_t reason, bool read, uint32_t size, uint64_t address, uint64_t data, uintptr_t retaddr);
  bool staysInGuest(bool isPort, bool read, uint32_t size, uint64_t address, uint64_t* value, uintptr_t retaddr);
  TrapStart trapBegins(uint32_t what, uint64_t address, uint64_t value, uintptr_t retaddr);
  bool sameInstruction(uintptr_t retaddr);
  uint64_t replayed(uint32_t reason, bool read, uint32_t size, uint64_t address, uint64_t data, uintptr_t retaddr);
  [[noreturn]] void restart(uintptr_t retaddr);
  [[noreturn]] void stringDone(uintptr_t retaddr);
  [[noreturn]] void unsupportedAt(uint32_t why, uint64_t detail, uintptr_t retaddr);
  [[noreturn]] void leaveUnsupported(uint32_t why, uint64_t detail);
  void park(Park where, uint32_t what);
  void sayExit(uint32_t what) { page_[PAGE_WHAT] = what | posted_.flag(); }
  void parkUnsupported(uint32_t why, uint64_t detail);
  void checkPortPermission(uint32_t port, uint32_t size, uintptr_t retaddr);
  int codeByte(uint64_t linear);
  int opcodeAt(uint64_t linear);
  bool atPopa();
  bool cmpsOperands(uint64_t* source, uint64_t* destination);
  bool cmpsAhead(uint64_t linear, uint32_t size, int mmuIndex, uintptr_t retaddr);
  uint64_t loadParts(uint64_t linear, uint32_t size, int mmuIndex, uintptr_t retaddr);
  bool pushaDownwards(uint64_t linear, uint32_t size, uint64_t value, int mmuIndex, uintptr_t retaddr);
  void storeParts(int pass, uint64_t linear, uint32_t size, uint64_t value, int mmuIndex, uintptr_t retaddr);
  bool decodeString();
  void placeLabel(void* label);
  void emitCall(void* function, uintptr_t argument);
  void moveLast(void* at);
  uintptr_t emitBudget(int opcode, void** constant);
  void flagsBeforeAccess(uint64_t pc, void* insnStart);
  Head headAt(uint64_t linear);
  int segmentPrefix(const Head& head);
  static bool isIllegal(const Head& head);
  static bool isMove(const Head& head);
  static bool lockIsIllegal(const Head& head);
  static bool isPushOrPop(const Head& head);
  static uint32_t extentOf(const Head& head);
  static bool wrapsBetween(const Head& head);
  bool limited();
  static bool hasOneOperand(const Head& head);
  static size_t placeOf(uint64_t pc) { return static_cast<size_t>(pc % PLACES); }
  void beginOperands(const Head& head);
  void checkBases();
  void endOperands();
  uintptr_t newTemp();
  [[noreturn]] void overLimit(int index, uintptr_t retaddr);
  void checkInsDestination(uint32_t size, uintptr_t retaddr);
  void followMode();
  void knowMode();
  bool hasRoom(int index, uint64_t offset, uint64_t bytes, bool store);
  bool isWatched(int index);
  static bool changesMemory(const Head& head);
  static bool loadsSegment(const Head& head);
  void followSegmentLoad(void* before);
  uint64_t withinRoom(int mark, uint64_t linear, uint32_t size, uintptr_t retaddr);
  bool stackHasEnded();
  // Near branches: with a distance of the operand size or of 8 bits, RET, and through a register or memory.
  enum class Branch { None, Near, Short, Return, Indirect };
  static Branch branchOf(const Head& head);
  uint64_t stackMask();
  uint64_t stackPointer();
  uint32_t codeWord(uint64_t linear, int bytes);
  uint32_t branchTarget(const Head& head, Branch kind);
  bool isTaken(const Head& head);
  bool effectiveAddress(const Head& head, int* base, uint32_t* offset);
  bool peek(int base, uint32_t offset, uint32_t* value);
  void guardBranch(const Head& head);
  void beginEnter(const Head& head);
  void mendEnter(void* lastOpBefore);
  void probeStack(uint64_t offset, uint64_t size, uintptr_t retaddr);
  void beginPushAll(const Head& head);
  uint64_t frameOf(const Head& head);
  void probeEnter(void* before);
  void walked(uint64_t gpa);
  void mendFrame(void* lastOpBefore, void* upper);
  void beginRelease(const Head& head);
  int64_t plainEnd(int index, bool store);
  void beginRepeat(const Head& head);
  void beginShadow(const Head& head, void* db);
  [[noreturn]] void shutDown();
  uint32_t blockIndex(uintptr_t retaddr, uint32_t* blockCount);
  uint32_t readFlags();
  void writeFlags(uint32_t flags);
  uint32_t notExecuted(uintptr_t retaddr);
  void forgetSites(void* tb);
  bool prepare();
  TrapStart soleSlowly(uint32_t what, uint64_t linear, uint64_t gpa, uint64_t value, uintptr_t retaddr);
  __attribute__((noinline)) TrapStart portOtherwise(uint32_t port, uint32_t value, uint32_t what, uintptr_t retaddr);
  TrapStart portSlowly(uint32_t port, uint32_t value, uint32_t what, uintptr_t retaddr);
  bool asBefore() const;
  __attribute__((noinline)) TrapStart fiberToEnterOrdinarily(int32_t how, uint32_t data);
  void takeAgain();
  void forgetAgain() { again_.place = ~0ull; }
  void enterFiber();
  void leaveFiber();
  void entering();
  void leaving() { onFiber_ = false; }
  void takeDeadline();
  void wrapIp();
  double instructionCount();
  void applyReset();

  static constexpr uint64_t FOUR_GIB = 1ull << 32;
  static constexpr uint64_t LOW_MEMORY = 1ull << 20;

  uint8_t* const ram_;
  const uint64_t ramBytes_;
  uint32_t* const page_;
  uint8_t* const dirty_;
  uint8_t* const hasCode_;
  uc_engine* uc_ = nullptr;
  void* cpu_ = nullptr;
  uc_context* context_ = nullptr;  // room for one saved state
  Fiber fiber_;
  Posted posted_;
  std::vector<RamSegment> segments_;
  std::vector<std::unique_ptr<Gap>> gaps_;
  uint8_t* ramPage_ = nullptr;  // one byte per 4 KiB page below 4 GiB: 0 device, else 1 + segment index
  std::vector<uint32_t*> slots_;
  std::vector<uint8_t> powerOn_;
  void* anyMapping_ = nullptr;

  Park park_ = Park::Boundary;
  Resume resume_ = Resume::Answer;
  Step step_ = Step::None;
  uint32_t ended_ = EXIT_NONE;  // EXIT_SHUTDOWN or EXIT_UNSUPPORTED: the library has returned
  bool stopAfterStep_ = false;
  bool stopAtBoundary_ = false;
  bool halted_ = false;
  bool deliveredInStep_ = false;
  bool translating_ = false;
  bool delivering_ = false;  // an interrupt or exception, until the next boundary
  bool faulted_ = false;  // an instruction was taken back and its exception is on the way
  bool fetchedDevice_ = false;
  uint64_t fetchAddress_ = 0;
  uint64_t illegalAt_ = ~0ull - 1;  // the instruction being translated is taken as UD2
  uint64_t otherAt_ = ~0ull;        // its byte there is taken as other_
  int other_ = 0;
  uint64_t ignoredLocksAt_ = 0;     // its LOCK prefixes are taken as others that mean nothing
  uint64_t ignoredLocks_ = 0;
  uintptr_t enterTemp_ = 0;         // it is an ENTER of two widths
  uintptr_t enterFrame_ = 0;        // it is an ENTER
  bool releasesMore_ = false;       // it is a RET of 8000 bytes or more
  bool watching_ = false;           // an instruction is being translated
  bool limited_ = false;            // in real or virtual-8086 mode
  bool changesMemory_ = false;      // its operand is read and then written
  bool loadsSegment_ = false;
  bool wasReal_ = true;             // mode, at the last boundary
  bool wrapsBetween_ = false;       // the parts of its operand
  bool pushesOrPops_ = false;
  bool even_ = false;               // its operand is accessed as aligned
  bool evenBases_ = true;           // segments begin at multiples of 16
  std::vector<bool> metUnaligned_ = std::vector<bool>(PLACES);  // instructions, by the low half of their linear addresses
  bool move_ = false;  // MOV is being translated
  void* shadowed_ = nullptr;  // the translator, while it is at a repeated instruction behind STI or MOV SS
  uint32_t extent_ = 0;
  uint32_t operandCount_ = 0;
  Operand operands_[OPERANDS] = {};
  uint32_t insnsInBlock_ = 0;
  uintptr_t trapReturn_ = 0;
  uintptr_t smcReturn_ = 0;
  Note noted_ = {};  // in page tables, by a walk that is not over
  uint64_t interruptEip_ = 0;  // of the INT n, INT3 or INTO that is being delivered
  void* countOps_[2] = {nullptr, nullptr};
  void* refused_ = nullptr;  // label of the block being translated
  int translationLimit_ = 0;
  bool popaTranslated_ = false;
  bool reorderedTranslated_ = false;  // CMPS or PUSHA
  uint64_t cmpsValue_ = 0;            // of the operand that was read ahead
  bool onFiber_ = false;
  bool sent_ = false;      // parked at an access that sentAgain() has sent
  Again again_;
  Trap trap_ = {};         // at which the fiber is parked, if by trap_entry.cc
  void* lastBlock_ = nullptr;
  std::vector<Site> sites_ = std::vector<Site>(SITES);
  int64_t savedBudget_ = 0;
  double deadline_ = 0;
  uint64_t containedPc_ = ~0ull;
  std::atomic<bool> kick_{false};
  PendingFlags flagsBefore_ = {};  // at the first access of the instruction
  uint32_t answeredCount_ = 0;
  uint32_t answeredNext_ = 0;
  int64_t answeredBudget_ = 0;
  uintptr_t answeredReturn_ = 0;
  std::vector<Answered> answered_;
};

}  // namespace trapline
