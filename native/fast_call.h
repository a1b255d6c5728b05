// SPDX-License-Identifier: GPL-2.0-only
// A function that optimised JavaScript calls as directly as C calls C, where this Node's engine is one we know.
#pragma once
#include <node_api.h>

namespace trapline {

using FastCall = uint32_t (*)(void* receiver, int32_t, int32_t, int32_t);

// A JavaScript function of three 32-bit numbers with a signed 32-bit result; null where it cannot be had. Optimised code
// calls `fast` itself; the receiver does not matter, and it may not call into JavaScript. The addon has one.
napi_value fastFunction(FastCall fast);

}  // namespace trapline
