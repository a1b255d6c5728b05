// SPDX-License-Identifier: GPL-2.0-only
// Our own state: behind the END entry of the HVM context, where Xen's loader has stopped reading.
//
// Xen's verifier refuses every record type that it does not know, optional ones included, so that a record of our own is
// no place. It does not look inside HVM_CONTEXT, and Xen's loader reads that up to END.
//
//   +0 "TRAPLINE"   +8 version u32   +12 bytes of JSON u32   +16 bytes of CPU u32   +20 zero u32
//   +24 JSON, zeros up to a multiple of 8, CPU, zeros up to a multiple of 8
//   last 32 bytes: SHA-256 over the whole stream before them
import { isUtf8 } from 'node:buffer';
import { imageFault, type Place } from './fault.ts';
import { padded } from './layout.ts';

const MAGIC = 'TRAPLINE';
const VERSION = 1;
const HEAD = 24;
export const DIGEST_BYTES = 32;
/** Longest JSON this reader takes. */
const MAX_JSON = 2 ** 20;
const MAX_CPU = 2 ** 20;

/** What the part holds. */
export interface OwnPart {
  /** Plain JSON; whoever restores it judges it. */
  state: unknown;
  /** Opaque CPU state of the addon. */
  cpu: Uint8Array;
  /** As it stands there. */
  digest: Uint8Array;
}

/** The part without its digest. @param json - as `JSON.stringify` writes it */
export function encodeOwnPart(json: string, cpu: Uint8Array): Uint8Array {
  const text = Buffer.from(json, 'utf8');
  const cpuAt = HEAD + padded(text.length);
  const bytes = new Uint8Array(cpuAt + padded(cpu.length));
  const v = new DataView(bytes.buffer);
  for (let i = 0; i < 8; i++) bytes[i] = MAGIC.charCodeAt(i);
  v.setUint32(8, VERSION, true);
  v.setUint32(12, text.length, true);
  v.setUint32(16, cpu.length, true);
  bytes.set(text, HEAD);
  bytes.set(cpu, cpuAt);
  return bytes;
}

/**
 * @param bytes - everything behind END
 * @returns null when there is nothing: an image that Xen wrote
 * @throws HvmError HVM_IMAGE
 */
export function decodeOwnPart(bytes: Uint8Array, place: Place): OwnPart | null {
  if (bytes.length === 0) return null;
  const fail = (offset: number, what: string, cause?: unknown): never => {
    throw imageFault({ ...place, offset: place.offset + offset }, what, cause);
  };
  if (bytes.length < HEAD + DIGEST_BYTES) fail(0, `${bytes.length} bytes behind END: too few`);
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (Buffer.from(bytes.subarray(0, 8)).toString('latin1') !== MAGIC) {
    fail(0, `bytes behind END: expected "${MAGIC}"`);
  }
  if (v.getUint32(8, true) !== VERSION) fail(8, `version ${v.getUint32(8, true)}: expected 1`);
  const jsonBytes = v.getUint32(12, true);
  const cpuBytes = v.getUint32(16, true);
  if (jsonBytes > MAX_JSON) fail(12, `${jsonBytes} bytes of JSON: expected at most ${MAX_JSON}`);
  if (cpuBytes > MAX_CPU) fail(16, `${cpuBytes} bytes of CPU: expected at most ${MAX_CPU}`);
  if (v.getUint32(20, true) !== 0) fail(20, 'reserved bits are set: expected 0');
  const cpuAt = HEAD + padded(jsonBytes);
  const end = cpuAt + padded(cpuBytes);
  if (end + DIGEST_BYTES !== bytes.length) {
    fail(12, `its parts need ${end + DIGEST_BYTES} bytes, ${bytes.length} are there`);
  }
  const text = bytes.subarray(HEAD, HEAD + jsonBytes);
  const between = [
    ...bytes.subarray(HEAD + jsonBytes, cpuAt),
    ...bytes.subarray(cpuAt + cpuBytes, end),
  ];
  if (between.some((b) => b !== 0)) fail(HEAD, 'padding is not 0');
  if (!isUtf8(text)) fail(HEAD, 'the state is not UTF-8 text');
  let state: unknown;
  try {
    state = JSON.parse(Buffer.from(text).toString('utf8'));
  } catch (cause) {
    fail(HEAD, 'the state is not JSON', cause);
  }
  return {
    state,
    cpu: bytes.slice(cpuAt, cpuAt + cpuBytes),
    digest: bytes.slice(end, end + DIGEST_BYTES),
  };
}
