// SPDX-License-Identifier: GPL-2.0-only
// The operations of the block being translated: a queue, in which we look around.
#pragma once
#include "unicorn_layout.h"

namespace trapline {

// A queue head is a link, too: its `previous` names the last element's link.
struct OpLink {
  void* next;
  OpLink* previous;
};
inline OpLink& linkOf(void* op) { return layout::field<OpLink>(op, layout::OP_LINK); }
inline void* opBehind(void* op) { return linkOf(op).next; }
// A link names the link before it, whose own `previous` leads back to an element.
inline void* opBefore(void* op) { return linkOf(op).previous->previous->next; }
inline void* firstOp(void* tcg) { return layout::field<OpLink>(tcg, layout::TCG_OPS).next; }
inline void* lastOp(void* tcg) { return layout::field<OpLink>(tcg, layout::TCG_OPS).previous->previous->next; }

inline int codeOf(void* op) { return static_cast<int>(layout::field<uint32_t>(op, 0) & 0xff); }
inline void*& argOf(void* op, int i) { return layout::field<void*>(op, layout::OP_ARGS + 8 * static_cast<size_t>(i)); }

// Where a call keeps the function it calls.
inline void*& calledBy(void* call) {
  const uint32_t head = layout::field<uint32_t>(call, 0);
  return argOf(call, static_cast<int>((head >> 8 & 15) + (head >> 12 & 15)));
}

}  // namespace trapline
