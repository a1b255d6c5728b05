// SPDX-License-Identifier: GPL-2.0-only
// What test/oracle/helper.ts asks of a second CPU, and what it is told.
//
// Standard input is a sequence of requests of u32, little endian: a Request, `ranges` times a Range, for each stream of
// answers their number and as many pairs of low and high word, then 64 KiB of RAM. For each, standard output gets one
// line per access (or `touch ADDRESS` for the first one in a page), `stop REASON` unless it came to its end, `end` with
// the registers, `ram` with the bytes that changed, and an empty line.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <vector>

constexpr size_t RAM = 0x10000;
constexpr uint32_t NEVER = 0xffffffff;
constexpr int UNUSABLE = 5;  // exit code: there is no such CPU here

struct Segment {
  uint32_t selector, base, limit, attributes;  // attributes: the descriptor's high word
};

struct Request {
  uint32_t gpr[8], rip, rflags, cr0, cr4;
  Segment segments[6];  // ES CS SS DS FS GS
  uint32_t gdtBase, gdtLimit, idtBase, idtLimit;
  uint32_t interruptAt, vector;  // pending from the time the CPU stands before this linear address, or NEVER
  uint32_t writesCount;          // whether a write takes its place among the answers, too
  uint32_t ranges, streams;
};

/** What answers; all else in memory is RAM. */
struct Range {
  uint32_t port, start, end, stream;  // end: the last
};

struct Stream {
  std::vector<uint64_t> answers;
  size_t next = 0;
};

/** One request, read from standard input. */
struct Question {
  Request request{};
  std::vector<Range> ranges;
  std::vector<Stream> streams;
  std::vector<uint8_t> image = std::vector<uint8_t>(RAM);

  /** @returns 1 for one, 0 at the end, -1 for nonsense */
  int next() {
    constexpr uint32_t MOST = 100000;
    if (!take(&request, sizeof request)) return 0;
    if (request.ranges > MOST || request.streams > MOST) return -1;
    ranges.resize(request.ranges);
    if (!take(ranges.data(), ranges.size() * sizeof(Range))) return -1;
    streams.assign(request.streams, {});
    for (Stream& stream : streams) {
      uint32_t count = 0;
      if (!take(&count, sizeof count) || count > MOST) return -1;
      stream.answers.resize(count);
      if (!take(stream.answers.data(), count * sizeof(uint64_t))) return -1;
    }
    for (const Range& range : ranges) {
      if (range.stream >= streams.size() || (range.port == 0 && range.end >= RAM)) return -1;
    }
    return take(image.data(), RAM) ? 1 : -1;
  }

  void report(std::initializer_list<uint64_t> registers, const uint8_t* ram) const {
    std::printf("end");
    for (const uint64_t value : registers) std::printf(" %llx", static_cast<unsigned long long>(value));
    std::printf("\nram");
    for (size_t i = 0; i < RAM; i++) {
      if (ram[i] != image[i]) std::printf(" %zx:%02x", i, ram[i]);
    }
    std::printf("\n\n");
  }

 private:
  static bool take(void* into, size_t bytes) {
    auto* at = static_cast<char*>(into);
    while (bytes > 0) {
      const ssize_t got = read(0, at, bytes);
      if (got <= 0) return false;
      at += got;
      bytes -= static_cast<size_t>(got);
    }
    return true;
  }
};
