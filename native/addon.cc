// SPDX-License-Identifier: GPL-2.0-only
// The JavaScript face of the addon: class Vcpu, kick(id), selfTest(), library(). No policy, no call into JavaScript.
#include <napi.h>

#include <mutex>
#include <string>
#include <unordered_map>

#include "fast_call.h"
#include "self_test.h"
#include "trap_entry.h"
#include "vcpu.h"

namespace {
using trapline::RamSegment;
using trapline::Vcpu;

// The one thing all threads share: which CPUs may be kicked. An id instead of a pointer, and the lock held while
// kicking, so that a CPU disposed on its own thread can never be touched from another.
std::mutex kickLock;
std::unordered_map<uint32_t, Vcpu*>& kickable() {
  static auto* map = new std::unordered_map<uint32_t, Vcpu*>();
  return *map;
}
uint32_t nextKickId = 1;

void throwCode(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  error.ThrowAsJavaScriptException();
}

class VcpuObject : public Napi::ObjectWrap<VcpuObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Vcpu",
                       {
                           InstanceMethod<&VcpuObject::sync>("sync"),
                           InstanceMethod<&VcpuObject::describe>("describe"),
                           InstanceMethod<&VcpuObject::load>("load"),
                           InstanceMethod<&VcpuObject::rollback>("rollback"),
                           InstanceMethod<&VcpuObject::reset>("reset"),
                           InstanceMethod<&VcpuObject::setA20>("setA20"),
                           InstanceMethod<&VcpuObject::setDevice>("setDevice"),
                           InstanceMethod<&VcpuObject::invalidate>("invalidate"),
                           InstanceMethod<&VcpuObject::rearmDirty>("rearmDirty"),
                           InstanceMethod<&VcpuObject::translate>("translate"),
                           InstanceMethod<&VcpuObject::save>("save"),
                           InstanceMethod<&VcpuObject::restore>("restore"),
                           InstanceMethod<&VcpuObject::extended>("extended"),
                           InstanceMethod<&VcpuObject::usePosted>("usePosted"),
                           InstanceMethod<&VcpuObject::useSlot>("useSlot"),
                           InstanceMethod<&VcpuObject::dispose>("dispose"),
                           InstanceAccessor<&VcpuObject::kickId>("kickId"),
                           InstanceAccessor<&VcpuObject::runId>("runId"),
                       });
  }

  // new Vcpu(ram: Uint8Array, page: Uint8Array, marks: Uint8Array, segments: Float64Array of {gpa, bytes, offset, writable})
  explicit VcpuObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<VcpuObject>(info) {
    Napi::Env env = info.Env();
    if (info.Length() != 4 || !isBytes(info[0]) || !isBytes(info[1]) || !isBytes(info[2]) || !info[3].IsTypedArray() ||
        info[3].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array) {
      throwCode(env, "HVM_CPU", "Vcpu wants (Uint8Array ram, Uint8Array page, Uint8Array marks, Float64Array segments)");
      return;
    }
    auto ram = info[0].As<Napi::Uint8Array>();
    auto page = info[1].As<Napi::Uint8Array>();
    auto dirty = info[2].As<Napi::Uint8Array>();
    auto numbers = info[3].As<Napi::Float64Array>();
    if (page.ByteLength() < trapline::RUN_PAGE_BYTES || (reinterpret_cast<uintptr_t>(bytesOf(page)) & 7) != 0) {
      throwCode(env, "HVM_CPU", "the run page is too small or not 8-byte aligned");
      return;
    }
    if (ram.ByteLength() % 4096 != 0 || dirty.ByteLength() < 2 * (ram.ByteLength() / 4096)) {
      throwCode(env, "HVM_CPU", "RAM must be whole pages, with two bytes of marks each");
      return;
    }
    std::vector<RamSegment> segments;
    for (size_t i = 0; i + 3 < numbers.ElementLength(); i += 4) {
      for (size_t k = 0; k < 4; k++) {
        const double v = numbers[i + k];
        if (!(v >= 0 && v <= 4294967296.0)) {
          throwCode(env, "HVM_CPU", "a RAM segment lies outside the first 4 GiB");
          return;
        }
      }
      segments.push_back({static_cast<uint64_t>(numbers[i]), static_cast<uint64_t>(numbers[i + 1]),
                          static_cast<uint64_t>(numbers[i + 2]), numbers[i + 3] != 0, 0});
    }
    vcpu_ = std::make_unique<Vcpu>(bytesOf(ram), ram.ByteLength(), reinterpret_cast<uint32_t*>(bytesOf(page)), bytesOf(dirty));
    if (const char* problem = vcpu_->open(segments)) {
      vcpu_.reset();
      throwCode(env, "HVM_CPU", problem);
      return;
    }
    // SAFETY: the three buffers stay referenced until dispose(); the Vcpu points into them.
    ram_ = Napi::Persistent(ram.As<Napi::Object>());
    page_ = Napi::Persistent(page.As<Napi::Object>());
    dirty_ = Napi::Persistent(dirty.As<Napi::Object>());
    bind(env, info.This(), "run", run);
    bind(env, info.This(), "count", count);
    const std::lock_guard<std::mutex> guard(kickLock);
    kickId_ = nextKickId++;
    kickable()[kickId_] = vcpu_.get();
    while (runId_ < trapline::RUN_IDS && trapline_running[runId_] != nullptr) runId_++;
    if (runId_ < trapline::RUN_IDS) trapline_running[runId_] = vcpu_.get();
  }
  ~VcpuObject() override { release(); }

 private:
  static bool isBytes(const Napi::Value& value) {
    return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array;
  }
  static uint8_t* bytesOf(const Napi::Uint8Array& array) {
    // Napi::ArrayBuffer cannot open a SharedArrayBuffer; the typed array's own pointer serves both kinds.
    void* data = nullptr;
    napi_get_typedarray_info(array.Env(), array, nullptr, nullptr, &data, nullptr, nullptr);
    return static_cast<uint8_t*>(data);
  }
  // Between calls into JavaScript a CPU can only be used while it is not running: run() never calls back.
  bool alive(const Napi::CallbackInfo& info) {
    if (vcpu_ != nullptr) return true;
    throwCode(info.Env(), "HVM_DISPOSED", "this CPU was disposed");
    return false;
  }
  void release() {
    if (vcpu_ == nullptr) return;
    {
      const std::lock_guard<std::mutex> guard(kickLock);
      kickable().erase(kickId_);
      if (runId_ < trapline::RUN_IDS) trapline_running[runId_] = nullptr;
    }
    vcpu_.reset();
    ram_.Reset();
    page_.Reset();
    dirty_.Reset();
    posted_.Reset();
    slots_.Reset();
  }

  // run() and count() are on the hot path: functions of their own per CPU, that know their CPU without unwrapping
  // `this`, and leave their result in the run page instead of making a number of it: 40 ns less per exit.
  static napi_value run(napi_env env, napi_callback_info info) {
    void* data = nullptr;
    napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
    auto* self = static_cast<VcpuObject*>(data);
    if (self->vcpu_ == nullptr) throwCode(env, "HVM_DISPOSED", "this CPU was disposed");
    else trapline_run(self->vcpu_.get(), 0, 0);
    return nullptr;
  }
  static napi_value count(napi_env env, napi_callback_info info) {
    void* data = nullptr;
    napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
    auto* self = static_cast<VcpuObject*>(data);
    if (self->vcpu_ == nullptr) throwCode(env, "HVM_DISPOSED", "this CPU was disposed");
    else self->vcpu_->syncCount();
    return nullptr;
  }
  void bind(napi_env env, napi_value object, const char* name, napi_callback callback) {
    napi_value function;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, this, &function);
    // SAFETY: the function holds a plain pointer to this object, so it keeps the object alive.
    napi_set_named_property(env, function, "cpu", object);
    napi_set_named_property(env, object, name, function);
  }
  void sync(const Napi::CallbackInfo& info) {
    if (alive(info)) vcpu_->sync();
  }
  void describe(const Napi::CallbackInfo& info) {
    if (alive(info)) vcpu_->describe();
  }
  void load(const Napi::CallbackInfo& info) {
    if (alive(info)) vcpu_->load();
  }
  void rollback(const Napi::CallbackInfo& info) {
    if (alive(info)) vcpu_->rollback();
  }
  void reset(const Napi::CallbackInfo& info) {
    if (alive(info)) vcpu_->reset();
  }
  void setA20(const Napi::CallbackInfo& info) {
    if (alive(info)) vcpu_->setA20(info[0].ToBoolean());
  }
  void setDevice(const Napi::CallbackInfo& info) {
    if (!alive(info)) return;
    const double gpa = info[0].ToNumber();
    const double bytes = info[1].ToNumber();
    const bool inside = gpa >= 0 && bytes >= 0 && gpa + bytes <= 4294967296.0;
    if (!inside || !vcpu_->setDevice(static_cast<uint64_t>(gpa), static_cast<uint64_t>(bytes), info[2].ToBoolean())) {
      throwCode(info.Env(), "HVM_CPU", "only whole pages of RAM below 1 MiB may become device memory");
    }
  }
  void invalidate(const Napi::CallbackInfo& info) {
    if (!alive(info)) return;
    const double offset = info[0].ToNumber();
    const double bytes = info[1].ToNumber();
    if (offset >= 0 && bytes > 0 && offset + bytes <= 4294967296.0) {
      vcpu_->invalidate(static_cast<uint64_t>(offset), static_cast<uint64_t>(bytes));
    }
  }
  void rearmDirty(const Napi::CallbackInfo& info) {
    if (alive(info)) vcpu_->rearmDirty();
  }
  Napi::Value translate(const Napi::CallbackInfo& info) {
    if (!alive(info)) return info.Env().Undefined();
    return Napi::Number::New(info.Env(), static_cast<double>(vcpu_->translate(static_cast<uint32_t>(info[0].ToNumber().Int64Value()))));
  }
  Napi::Value save(const Napi::CallbackInfo& info) {
    if (!alive(info)) return info.Env().Undefined();
    auto bytes = Napi::Uint8Array::New(info.Env(), vcpu_->stateBytes());
    vcpu_->save(bytes.Data());
    return bytes;
  }
  void restore(const Napi::CallbackInfo& info) {
    if (!alive(info)) return;
    if (!isBytes(info[0])) {
      throwCode(info.Env(), "HVM_CPU", "restore() wants a Uint8Array");
      return;
    }
    auto bytes = info[0].As<Napi::Uint8Array>();
    if (const char* problem = vcpu_->restore(bytesOf(bytes), bytes.ByteLength())) throwCode(info.Env(), "HVM_CPU", problem);
  }
  Napi::Value extended(const Napi::CallbackInfo& info) {
    if (!alive(info)) return info.Env().Undefined();
    auto bytes = Napi::Uint8Array::New(info.Env(), Vcpu::EXTENDED_BYTES);
    vcpu_->extended(bytes.Data());
    return bytes;
  }
  // (page: Uint8Array, rings: Uint8Array[]) of posted_page.h, with its rows filled in. Called again, what was is forgotten.
  void usePosted(const Napi::CallbackInfo& info) {
    if (!alive(info)) return;
    const bool fits = info.Length() == 2 && isBytes(info[0]) && info[1].IsArray();
    auto held = Napi::Array::New(info.Env());
    uint32_t* page = fits ? wordsOf(info[0], trapline::POSTED_PAGE_BYTES) : nullptr;
    bool whole = page != nullptr;
    std::vector<uint32_t*> rings;
    const auto given = fits ? info[1].As<Napi::Array>() : Napi::Array::New(info.Env());
    for (uint32_t i = 0; i < given.Length(); i++) {
      const Napi::Value ring = given.Get(i);
      rings.push_back(isBytes(ring) ? wordsOf(ring, 4096) : nullptr);
      whole = whole && rings.back() != nullptr;
      held.Set(i + 1, ring);
    }
    if (!whole) {
      throwCode(info.Env(), "HVM_CPU", "usePosted() wants a page for posted accesses and rings of 4096 bytes, 8-byte aligned");
      return;
    }
    held.Set(0u, info[0]);
    vcpu_->posted().use(page, std::move(rings));
    // SAFETY: the page and the rings stay referenced until dispose(), or until others take their place.
    posted_ = Napi::Persistent(held.As<Napi::Object>());
  }
  static uint32_t* wordsOf(const Napi::Value& value, size_t bytes) {
    const auto array = value.As<Napi::Uint8Array>();
    uint8_t* data = bytesOf(array);
    const bool fits = array.ByteLength() >= bytes && (reinterpret_cast<uintptr_t>(data) & 7) == 0;
    return fits ? reinterpret_cast<uint32_t*>(data) : nullptr;
  }
  // A slot of an ioreq page, of which at most MOST_SLOTS are taken: its number for PAGE_AGAIN_SLOT, or 0.
  Napi::Value useSlot(const Napi::CallbackInfo& info) {
    constexpr uint32_t SLOT_BYTES = 32, MOST_SLOTS = 64;
    if (!alive(info)) return info.Env().Undefined();
    uint32_t* slot = info.Length() == 1 && isBytes(info[0]) ? wordsOf(info[0], SLOT_BYTES) : nullptr;
    if (slot == nullptr) {
      throwCode(info.Env(), "HVM_CPU", "useSlot() wants 32 bytes, 8-byte aligned");
      return info.Env().Undefined();
    }
    if (slotsTaken_ == MOST_SLOTS) return Napi::Number::New(info.Env(), 0);
    if (slotsTaken_ == 0) slots_ = Napi::Persistent(Napi::Array::New(info.Env()).As<Napi::Object>());
    // SAFETY: the slots stay referenced until dispose().
    slots_.Set(slotsTaken_++, info[0]);
    return Napi::Number::New(info.Env(), vcpu_->useSlot(slot));
  }
  void dispose(const Napi::CallbackInfo&) { release(); }
  Napi::Value kickId(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), kickId_); }

  Napi::Value runId(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), runId_ < trapline::RUN_IDS ? static_cast<double>(runId_) : -1);
  }

  std::unique_ptr<Vcpu> vcpu_;
  Napi::ObjectReference ram_, page_, dirty_, posted_, slots_;
  uint32_t slotsTaken_ = 0;
  uint32_t kickId_ = 0;
  uint32_t runId_ = 0;
};

Napi::Value kick(const Napi::CallbackInfo& info) {
  const uint32_t id = info[0].ToNumber();
  const std::lock_guard<std::mutex> guard(kickLock);
  const auto found = kickable().find(id);
  if (found != kickable().end()) found->second->requestKick();
  return Napi::Boolean::New(info.Env(), found != kickable().end());
}

Napi::Value selfTest(const Napi::CallbackInfo& info) {
  const std::string problem = trapline::selfTest();
  return problem.empty() ? info.Env().Null() : Napi::String::New(info.Env(), problem);
}

Napi::Value library(const Napi::CallbackInfo& info) {
  unsigned major = 0, minor = 0;
  const unsigned packed = uc_version(&major, &minor);
  const std::string text = std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string((packed >> 8) & 255);
  return Napi::String::New(info.Env(), text);
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("Vcpu", VcpuObject::define(env));
  exports.Set("kick", Napi::Function::New(env, kick, "kick"));
  exports.Set("selfTest", Napi::Function::New(env, selfTest, "selfTest"));
  const napi_value run = trapline::fastFunction(trapline_run_by_id);
  exports.Set("run", run == nullptr ? env.Null() : Napi::Value(env, run));
  exports.Set("library", Napi::Function::New(env, library, "library"));
  return exports;
}
}  // namespace

NODE_API_MODULE(trapline, init)
