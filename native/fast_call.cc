// SPDX-License-Identifier: GPL-2.0-only
// A call through Node-API costs some 15 ns before it arrives. The engine has a shorter way ("fast API calls"), which
// Node-API does not offer: optimised code calls the C function itself. It is the engine's own interface, without a
// promise for other releases, so it is used where everything matches and nowhere else:
//  - the engine's version is one that was looked at; everything written here about its inside is true of that one;
//  - its functions are found by their full names. They are not linked: an addon built here loads in any other Node, too.
// Elsewhere the caller gets null and goes through Node-API.
#include "fast_call.h"

#include <dlfcn.h>

#include <cstdint>
#include <cstring>

namespace trapline {
namespace {

// Of V8 11.3 (Node 20). Handles are single pointers, and a napi_value is one.
constexpr char ENGINE[] = "11.3.";
struct TypeInfo {
  uint8_t type, sequence, flags;
};
constexpr uint8_t TYPE_INT32 = 3;
constexpr uint8_t TYPE_VALUE = 10;
struct FunctionInfo {
  TypeInfo returns;
  unsigned count;
  const TypeInfo* arguments;
};
struct FastFunction {
  const void* address;
  const FunctionInfo* info;
};
// What a callback gets when it is called in the ordinary way. Small integers are tagged: the value is the upper half.
constexpr int RETURN_VALUE = 3;  // of the implicit arguments
struct CallbackInfo {
  int64_t* implicit;
  const int64_t* values;
  int length;
};

using NewTemplate = void* (*)(void* isolate, void (*callback)(const CallbackInfo&), void* data, void* signature, int length,
                              int behavior, int sideEffects, const FastFunction* fast, uint16_t, uint16_t, uint16_t);
using GetFunction = void* (*)(void* functionTemplate, void* context);
using GetVersion = const char* (*)();
using GetIsolate = void* (*)();
using GetContext = void* (*)(void* isolate);

template <class T>
bool find(T& into, const char* name) {
  into = reinterpret_cast<T>(dlsym(RTLD_DEFAULT, name));
  return into != nullptr;
}

FastCall theFunction = nullptr;

void slow(const CallbackInfo& info) {
  if (info.length < 3) return;
  int32_t arguments[3];
  for (int i = 0; i < 3; i++) {
    if ((info.values[i] & 1) != 0) return;
    arguments[i] = static_cast<int32_t>(info.values[i] >> 32);
  }
  const uint32_t result = theFunction(nullptr, arguments[0], arguments[1], arguments[2]);
  info.implicit[RETURN_VALUE] = static_cast<int64_t>(static_cast<uint64_t>(result) << 32);
}

}  // namespace

napi_value fastFunction(FastCall fast) {
  GetVersion version;
  GetIsolate isolate;
  GetContext context;
  NewTemplate create;
  GetFunction function;
  if (!find(version, "_ZN2v82V810GetVersionEv") || std::strncmp(version(), ENGINE, sizeof ENGINE - 1) != 0) return nullptr;
  if (!find(isolate, "_ZN2v87Isolate10GetCurrentEv") || !find(context, "_ZN2v87Isolate17GetCurrentContextEv") ||
      !find(function, "_ZN2v816FunctionTemplate11GetFunctionENS_5LocalINS_7ContextEEE") ||
      !find(create,
            "_ZN2v816FunctionTemplate3NewEPNS_7IsolateEPFvRKNS_20FunctionCallbackInfoINS_5ValueEEEENS_5LocalIS4_EENSA_"
            "INS_9SignatureEEEiNS_19ConstructorBehaviorENS_14SideEffectTypeEPKNS_9CFunctionEttt")) {
    return nullptr;
  }
  theFunction = fast;
  static const TypeInfo arguments[] = {{TYPE_VALUE, 0, 0}, {TYPE_INT32, 0, 0}, {TYPE_INT32, 0, 0}, {TYPE_INT32, 0, 0}};
  static const FunctionInfo info = {{TYPE_INT32, 0, 0}, 4, arguments};
  static const FastFunction both = {reinterpret_cast<const void*>(fast), &info};
  void* made = create(isolate(), slow, nullptr, nullptr, 3, 0, 0, &both, 0, 0, 0);
  if (made == nullptr) return nullptr;
  return static_cast<napi_value>(function(made, context(isolate())));
}

}  // namespace trapline
