// SPDX-License-Identifier: GPL-2.0-only
// What the peers in C++ share: where the measured loop lies, and how a slice of it is asked for and answered. Lines on
// stdin are numbers of rounds; each is answered by a line with nanoseconds of CPU time and accesses answered.
#pragma once

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

// As in src/toolstack/bench/programs.ts.
constexpr uint32_t RAM_BYTES = 0x100000;
constexpr uint32_t LOAD = 0x7c00;
constexpr uint32_t STACK = 0x7000;
constexpr uint32_t PORT = 0x220;
constexpr uint32_t DEVICE = 0xd2000;
constexpr uint32_t DEVICE_BYTES = 0x1000;
// Where the loop's RETF leads: behind it nothing is run.
constexpr uint32_t END = 0x7bf0;

/** Exit code for a machine on which this cannot run. */
constexpr int UNUSABLE = 5;

[[noreturn]] inline void fail(int code, const char* what) {
  std::fprintf(stderr, "%s\n", what);
  std::exit(code);
}

/** The loop, from hexadecimal digits. */
inline std::vector<uint8_t> codeFrom(int argc, char** argv) {
  std::vector<uint8_t> code;
  const char* at = argc == 2 ? argv[1] : "";
  unsigned byte = 0;
  for (; std::sscanf(at, "%2x", &byte) == 1; at += 2) {
    code.push_back(static_cast<uint8_t>(byte));
    if (at[1] == '\0') break;
  }
  if (code.empty() || *at != '\0' || code.size() > 0x1000) fail(2, "usage: PROGRAM <code in hexadecimal digits>");
  return code;
}

/** The far address that RETF takes from the stack. */
inline void putReturn(uint8_t* ram) {
  ram[STACK] = END & 0xff;
  ram[STACK + 1] = END >> 8;
  ram[STACK + 2] = 0;
  ram[STACK + 3] = 0;
}

inline int64_t cpuNs() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return int64_t{t.tv_sec} * 1000000000 + t.tv_nsec;
}

/** Until there is nothing more to read. @param run - runs the loop for so many rounds, returns accesses answered */
template <typename Run>
void serve(Run run) {
  std::printf("ready\n");
  std::fflush(stdout);
  uint32_t rounds = 0;
  while (std::scanf("%" SCNu32, &rounds) == 1) {
    const int64_t start = cpuNs();
    const uint64_t accesses = run(rounds);
    std::printf("%" PRId64 " %" PRIu64 "\n", cpuNs() - start, accesses);
    std::fflush(stdout);
  }
}
