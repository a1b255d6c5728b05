// SPDX-License-Identifier: GPL-2.0-only
// Requests and answers as bytes: the request is Xen's `struct ioreq`, the answer its state and data.
import {
  type buf_ioreq_t,
  IOREQ_DATA_IS_PTR_SHIFT,
  IOREQ_DF_SHIFT,
  IOREQ_DIR_SHIFT,
  IOREQ_READ,
  IOREQ_STATE_MASK,
  IOREQ_STATE_SHIFT,
  IOREQ_TYPE_SHIFT,
  IOREQ_WRITE,
  type ioreq_t,
} from '../../xen/public/hvm_ioreq.ts';
import { ANSWER, ANSWER_BYTES, encodeFrame, REQUEST, REQUEST_BYTES } from './frames.ts';

const TWO_32 = 2 ** 32;
const NOTHING = new Uint8Array(0);

/** Sequence numbers are unsigned 32 bits and wrap. */
export function encodeRequest(
  vcpu: number,
  seq: number,
  req: ioreq_t,
  elements: Uint8Array = NOTHING,
): Buffer {
  const b = Buffer.alloc(REQUEST_BYTES);
  b.writeUInt32LE(seq, 0);
  b.writeUInt32LE(req.addr % TWO_32, 8);
  b.writeUInt32LE(Math.floor(req.addr / TWO_32) % TWO_32, 12);
  b.writeUInt32LE(req.data >>> 0, 16);
  b.writeUInt32LE(req.data_hi >>> 0, 20);
  b.writeUInt32LE(req.count >>> 0, 24);
  b.writeUInt32LE(req.size >>> 0, 28);
  b.writeUInt32LE(req.vp_eport >>> 0, 32);
  const word =
    ((req.state & IOREQ_STATE_MASK) << IOREQ_STATE_SHIFT) |
    ((req.data_is_ptr ? 1 : 0) << IOREQ_DATA_IS_PTR_SHIFT) |
    (req.dir << IOREQ_DIR_SHIFT) |
    ((req.df ? 1 : 0) << IOREQ_DF_SHIFT) |
    (req.type << IOREQ_TYPE_SHIFT);
  b.writeInt32LE(word, 36);
  return encodeFrame(REQUEST, vcpu, b, elements);
}

/** Fills `into` from a payload of at least REQUEST_BYTES. @returns the sequence number */
export function decodeRequest(b: Buffer, into: ioreq_t): number {
  into.addr = b.readUInt32LE(12) * TWO_32 + b.readUInt32LE(8);
  into.data = b.readUInt32LE(16);
  into.data_hi = b.readUInt32LE(20);
  into.count = b.readUInt32LE(24);
  into.size = b.readUInt32LE(28);
  into.vp_eport = b.readUInt32LE(32);
  const word = b.readInt32LE(36);
  into.state = (word >>> IOREQ_STATE_SHIFT) & IOREQ_STATE_MASK;
  into.data_is_ptr = ((word >>> IOREQ_DATA_IS_PTR_SHIFT) & 1) !== 0;
  into.dir = ((word >>> IOREQ_DIR_SHIFT) & 1) !== 0 ? IOREQ_READ : IOREQ_WRITE;
  into.df = ((word >>> IOREQ_DF_SHIFT) & 1) !== 0;
  into.type = word >>> IOREQ_TYPE_SHIFT;
  return b.readUInt32LE(0);
}

/** What a device model says of one request. */
export interface Answer {
  seq: number;
  /** What it writes into the slot's state; 0 to 255 as far as the wire goes. */
  state: number;
  data: number;
  data_hi: number;
  /** What each repetition read, for a read whose data goes to guest memory. */
  elements: Uint8Array;
}

export function encodeAnswer(vcpu: number, answer: Answer): Buffer {
  const b = Buffer.alloc(ANSWER_BYTES);
  b.writeUInt32LE(answer.seq, 0);
  b[4] = answer.state;
  b.writeUInt32LE(answer.data >>> 0, 8);
  b.writeUInt32LE(answer.data_hi >>> 0, 12);
  return encodeFrame(ANSWER, vcpu, b, answer.elements);
}

/** @param b - a payload of at least ANSWER_BYTES */
export function decodeAnswer(b: Buffer): Answer {
  return {
    seq: b.readUInt32LE(0),
    state: b[4] as number,
    data: b.readUInt32LE(8),
    data_hi: b.readUInt32LE(12),
    elements: b.subarray(ANSWER_BYTES),
  };
}

/** Whether the elements of a request travel with it, or with its answer. */
export function hasElements(req: ioreq_t): boolean {
  return req.data_is_ptr;
}

/** Fills `into` from entry number `n` of a BUFFERED payload. */
export function decodeBuffered(b: Buffer, n: number, into: buf_ioreq_t): void {
  const head = b.readUInt32LE(8 * n);
  into.type = head & 0xff;
  into.dir = ((head >>> 9) & 1) !== 0 ? IOREQ_READ : IOREQ_WRITE;
  into.size = (head >>> 10) & 3;
  into.addr = head >>> 12;
  into.data = b.readUInt32LE(8 * n + 4);
}
