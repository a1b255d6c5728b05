// SPDX-License-Identifier: GPL-2.0-only
// Frames between monitor and a device model in another process: types, sizes, and the cutting of a byte stream into
// frames. docs/device-model-protocol.md is the definition; nothing the other side sends is believed before it is checked.

/** Spoken by both sides in this version. */
export const PROTOCOL = 'trapline-device-model';
export const PROTOCOL_VERSION = 1;

/** Header: u32 length of the payload, u8 type, u8 zero, u16 vCPU. */
export const HEADER_BYTES = 8;

/** From the monitor. */
export const SETUP = 0x01;
export const REQUEST = 0x02;
export const BUFFERED = 0x03;
export const SLEEP = 0x04;
export const WAKE = 0x05;
export const SAVE = 0x06;
export const RESTORE = 0x07;
export const REPORT = 0x08;
export const RESET = 0x09;
export const STOP = 0x0a;
/** From the device model. */
export const HELLO = 0x41;
export const ANSWER = 0x42;
export const TAKEN = 0x43;
export const DONE = 0x44;
export const OUTPUT = 0x45;
export const LINE = 0x46;
export const VERDICT = 0x47;
export const FAIL = 0x48;

/** Most bytes of the elements of one request: 4096 repetitions of 8 bytes. */
export const MAX_ELEMENT_BYTES = 32768;
/** Most bytes of a saved state, of a report and of a set-up. */
export const MAX_DOCUMENT_BYTES = 1 << 20;
/** Bytes in front of the elements. */
export const REQUEST_BYTES = 40;
export const ANSWER_BYTES = 16;
/** Bytes in front of what a DONE carries. */
export const DONE_BYTES = 4;

/** Payload sizes by type: least and most bytes. */
type Sizes = ReadonlyMap<number, readonly [least: number, most: number]>;

/** What the device model may send. */
export const FROM_MODEL: Sizes = new Map([
  [HELLO, [2, 4096]],
  [ANSWER, [ANSWER_BYTES, ANSWER_BYTES + MAX_ELEMENT_BYTES]],
  [TAKEN, [4, 4]],
  [DONE, [DONE_BYTES, DONE_BYTES + MAX_DOCUMENT_BYTES]],
  [OUTPUT, [1, 65536]],
  [LINE, [2, 2]],
  [VERDICT, [1, 1]],
  [FAIL, [0, 4096]],
]);

/** What the monitor may send. */
export const FROM_MONITOR: Sizes = new Map([
  [SETUP, [2, MAX_DOCUMENT_BYTES]],
  [REQUEST, [REQUEST_BYTES, REQUEST_BYTES + MAX_ELEMENT_BYTES]],
  [BUFFERED, [8, 511 * 8]],
  [SLEEP, [0, 0]],
  [WAKE, [0, 0]],
  [SAVE, [0, 0]],
  [RESTORE, [2, MAX_DOCUMENT_BYTES]],
  [REPORT, [0, 0]],
  [RESET, [0, 0]],
  [STOP, [0, 0]],
]);

/** The other side broke the protocol: the connection is over. The message says how. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

/** One frame. `payload` is only valid until more bytes are fed in. */
export interface Frame {
  type: number;
  vcpu: number;
  payload: Buffer;
}

/** A frame as bytes. The payload is the pieces, one after the other. */
export function encodeFrame(type: number, vcpu: number, ...pieces: readonly Uint8Array[]): Buffer {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const frame = Buffer.allocUnsafe(HEADER_BYTES + length);
  frame.writeUInt32LE(length, 0);
  frame[4] = type;
  frame[5] = 0;
  frame.writeUInt16LE(vcpu, 6);
  let at = HEADER_BYTES;
  for (const piece of pieces) {
    frame.set(piece, at);
    at += piece.length;
  }
  return frame;
}

/** JSON as a payload. */
export function jsonBytes(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value), 'utf8');
}

/** Cuts a stream into frames. Holds at most one frame that is not complete. */
export class FrameReader {
  readonly #sizes: Sizes;
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** Bytes without which no frame can be complete. */
  #wanted = HEADER_BYTES;

  /** @param sizes - of what the other side may send */
  constructor(sizes: Sizes) {
    this.#sizes = sizes;
  }

  /** Whether a frame has begun and is not complete. */
  get midway(): boolean {
    return this.#heldBytes > 0;
  }

  /**
   * Takes in bytes and hands over every frame that is complete, in order.
   * @throws ProtocolError at the first header that cannot be; what `take` throws
   */
  feed(bytes: Buffer, take: (frame: Frame) => void): void {
    if (this.#heldBytes + bytes.length < this.#wanted) {
      this.#hold(bytes);
      return;
    }
    let at = 0;
    const all = this.#heldBytes === 0 ? bytes : Buffer.concat([...this.#held, bytes]);
    this.#held = [];
    this.#heldBytes = 0;
    for (;;) {
      const left = all.length - at;
      this.#wanted = HEADER_BYTES;
      if (left < HEADER_BYTES) break;
      const length = all.readUInt32LE(at);
      const type = all[at + 4] as number;
      this.#check(type, length, all[at + 5] as number);
      this.#wanted = HEADER_BYTES + length;
      if (left < this.#wanted) break;
      const payload = all.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length);
      const vcpu = all.readUInt16LE(at + 6);
      at += HEADER_BYTES + length;
      this.#wanted = HEADER_BYTES;
      take({ type, vcpu, payload });
    }
    if (at < all.length) this.#hold(Buffer.from(all.subarray(at)));
  }

  #check(type: number, length: number, zero: number): void {
    const sizes = this.#sizes.get(type);
    if (sizes === undefined || zero !== 0) {
      throw new ProtocolError(`a frame of type 0x${type.toString(16)}, which is none`);
    }
    const [least, most] = sizes;
    if (length >= least && length <= most) return;
    const expected = least === most ? `${least}` : `${least} to ${most}`;
    throw new ProtocolError(
      `a frame of type 0x${type.toString(16)} with ${length} bytes, expected ${expected}`,
    );
  }

  #hold(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
  }
}
