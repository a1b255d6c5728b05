// SPDX-License-Identifier: GPL-2.0-only
// Values of 64 bits in pages of 32-bit words.
#pragma once
#include <cstdint>
#include <cstring>

namespace trapline {

template <class T>
T load64(const uint32_t* words) {
  T value;
  std::memcpy(&value, words, 8);
  return value;
}
template <class T>
void store64(uint32_t* words, T value) {
  std::memcpy(words, &value, 8);
}

}  // namespace trapline
