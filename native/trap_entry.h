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
void trapline_run(trapline::Vcpu* vcpu);
void trapline_run_by_id(void* ignored, uint32_t id);  // nothing happens for an id that is none
}
#pragma GCC visibility pop
