// SPDX-License-Identifier: GPL-2.0-only
// What test/oracle/helper.ts asks of a second CPU, and what it is told.
//
// Standard input is a sequence of requests of u32, little endian: a Request, `ranges` times a Range, for each stream of
// answers their number and as many pairs of low and high word, then `ramBytes` of RAM. For each, standard output gets
// one line per access (or `touch ADDRESS` for the first one in a page), `stop REASON` unless it came to its end, `end`
// with the registers, `ram` with the bytes that changed, and an empty line.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <vector>

constexpr size_t MOST_RAM = 0x100000;
constexpr size_t PAGE = 0x1000;
constexpr uint32_t NEVER = 0xffffffff;
constexpr int UNUSABLE = 5;  // exit code: there is no such CPU here

struct Segment {
  uint32_t selector, base, limit, attributes;  // attributes: the descriptor's high word
};

struct Request {
  uint32_t gpr[8], rip, rflags, cr0, cr3, cr4;
  Segment segments[6];  // ES CS SS DS FS GS
  uint32_t gdtBase, gdtLimit, idtBase, idtLimit;
  uint32_t fcw, mxcsr;  // control words of x87 and SSE; their registers are as FNINIT leaves them
  uint32_t interruptAt, vector;  // pending from the time the CPU stands before this linear address, or NEVER
  uint32_t writesCount;          // whether a write takes its place among the answers, too
  uint32_t ramBytes;             // whole pages
  uint32_t ranges, streams;
};

/** What answers; all else in memory is RAM. */
struct Range {
  uint32_t port, start, end, stream;  // end: the last
  // Offset of three registers that tell what was written last, low and high word, and how often was written, and that
  // take no place among the answers; or NEVER. The rule of src/toolstack/exactness/device.ts.
  uint32_t echo;
};

struct Stream {
  std::vector<uint64_t> answers;
  size_t next = 0;
  uint32_t written[3] = {0, 0, 0};  // what the echo registers tell
};

/** One request, read from standard input. */
struct Question {
  Request request{};
  std::vector<Range> ranges;
  std::vector<Stream> streams;
  std::vector<uint8_t> image;

  /** @returns 1 for one, 0 at the end, -1 for nonsense */
  int next() {
    constexpr uint32_t MOST = 100000;
    if (!take(&request, sizeof request)) return 0;
    if (request.ranges > MOST || request.streams > MOST) return -1;
    if (request.ramBytes > MOST_RAM || request.ramBytes % PAGE != 0) return -1;
    image.resize(request.ramBytes);
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
      if (range.stream >= streams.size() || (range.port == 0 && range.end >= request.ramBytes)) return -1;
    }
    return take(image.data(), image.size()) ? 1 : -1;
  }

  /** What a device does. @param value - what is written, or becomes the answer: all ones where there is no device */
  void access(bool isRead, bool port, uint64_t address, uint64_t& value) {
    constexpr uint32_t ECHO_BYTES = 12;
    if (isRead) value = ~uint64_t{0};
    for (const Range& range : ranges) {
      if ((range.port != 0) != port || address < range.start || address > range.end) continue;
      Stream& stream = streams[range.stream];
      if (!isRead) stream.written[0] = static_cast<uint32_t>(value);
      if (!isRead) stream.written[1] = static_cast<uint32_t>(value >> 32);
      if (!isRead) stream.written[2]++;
      const uint64_t offset = address - range.start - range.echo;
      if (isRead && range.echo != NEVER && offset < ECHO_BYTES) {
        value = stream.written[offset / 4];
        return;
      }
      if (isRead && stream.next < stream.answers.size()) value = stream.answers[stream.next];
      if (isRead || request.writesCount != 0) stream.next++;
      return;
    }
  }

  void report(std::initializer_list<uint64_t> registers, const uint8_t* ram) const {
    std::printf("end");
    for (const uint64_t value : registers) std::printf(" %llx", static_cast<unsigned long long>(value));
    std::printf("\nram");
    for (size_t i = 0; i < image.size(); i++) {
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
