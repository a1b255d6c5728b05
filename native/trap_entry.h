// SPDX-License-Identifier: GPL-2.0-only
// How a CPU is run with the least ceremony: Vcpu::run() without its result, which the run page holds.
#pragma once
#include <cstdint>

#include "vcpu.h"

namespace trapline {
constexpr uint32_t RUN_IDS = 4096;
}

#pragma GCC visibility push(hidden)
extern "C" {
// By id; each is run by its own thread only. A CPU beyond these has no id.
extern trapline::Vcpu* trapline_running[trapline::RUN_IDS];
// PAGE_WHAT. `how`: see How.
uint32_t trapline_run(trapline::Vcpu* vcpu, int32_t how, uint32_t data);
uint32_t trapline_run_by_id(void* ignored, int32_t id, int32_t how, int32_t data);  // 0 for an id that is none
}
#pragma GCC visibility pop
