// SPDX-License-Identifier: GPL-2.0-only
// A function that optimised JavaScript calls as directly as C calls C, where this Node's engine is one we know.
#pragma once
#include <node_api.h>

namespace trapline {

// A JavaScript function of one small number; null where it cannot be had. `plain` and `fast` do the same: optimised code
// calls `fast` itself, with a value that does not matter before the number, and neither may call into JavaScript.
napi_value fastFunction(void (*plain)(uint32_t argument), void (*fast)(void* receiver, uint32_t argument));

}  // namespace trapline
