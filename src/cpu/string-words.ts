// SPDX-License-Identifier: GPL-2.0-only
// The string instruction that the addon has written down in its run page.
import type { StringOp } from '../xen/hvm/x86_emulate.ts';
import * as P from './run-page.ts';

/** By number: StringKind of native/run_page.h. */
const STRING_NAMES = [null, 'ins', 'outs', 'movs', 'stos'] as const;
const WORDS = P.PAGE_STRING;
const {
  STRING_OP,
  STRING_SIZE,
  STRING_REP,
  STRING_COUNT,
  STRING_DF,
  STRING_PORT,
  STRING_ADDR_SIZE,
  STRING_SRC_BASE,
  STRING_SRC_INDEX,
  STRING_DST_BASE,
  STRING_DST_INDEX,
  STRING_LENGTH,
  STRING_PLAIN,
} = P;

/** `StringOp` as its owner sees it. */
export type StringWords = { -readonly [K in keyof StringOp]: StringOp[K] };

/** For `readString`. */
export function newStringWords(): StringWords {
  return {
    op: 'ins',
    size: 1,
    rep: false,
    count: 0,
    df: false,
    port: 0,
    addrSize: 2,
    srcBase: 0,
    srcIndex: 0,
    dstBase: 0,
    dstIndex: 0,
    length: 0,
  };
}

/** @returns false: the page has none */
export function readString(page: Uint32Array, into: StringWords): boolean {
  const op = STRING_NAMES[page[WORDS + STRING_OP] ?? 0] ?? null;
  if (op === null) return false;
  into.op = op;
  into.size = (page[WORDS + STRING_SIZE] ?? 0) as 1 | 2 | 4;
  into.rep = page[WORDS + STRING_REP] !== 0;
  into.count = page[WORDS + STRING_COUNT] ?? 0;
  into.df = page[WORDS + STRING_DF] !== 0;
  into.port = page[WORDS + STRING_PORT] ?? 0;
  into.addrSize = (page[WORDS + STRING_ADDR_SIZE] ?? 0) as 2 | 4;
  into.srcBase = page[WORDS + STRING_SRC_BASE] ?? 0;
  into.srcIndex = page[WORDS + STRING_SRC_INDEX] ?? 0;
  into.dstBase = page[WORDS + STRING_DST_BASE] ?? 0;
  into.dstIndex = page[WORDS + STRING_DST_INDEX] ?? 0;
  into.length = page[WORDS + STRING_LENGTH] ?? 0;
  return true;
}

/** Whether its linear addresses are physical ones and it is not single-stepped. */
export function isPlainString(page: Uint32Array): boolean {
  return page[WORDS + STRING_PLAIN] !== 0;
}
