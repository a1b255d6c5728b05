// SPDX-License-Identifier: GPL-2.0-only
#pragma once
#include <string>

namespace trapline {

// Proves on the linked library that every number in unicorn_layout.h and every wrapped function means what this addon
// takes it to mean, by running small guests and looking at the results. Empty when all is well, else one sentence.
std::string selfTest();

}  // namespace trapline
