// SPDX-License-Identifier: GPL-2.0-only
// Guest-physical RAM: one page-aligned shared buffer from address 0 up, with checked host accesses.
import { HvmError } from '../util/errors.ts';

/** WebAssembly's page: the unit in which a shared, page-aligned buffer can be had. */
const WASM_PAGE = 65536;
const GUEST_PAGE = 4096;
/** 2 GiB: what one shared buffer can hold everywhere. */
const MAX_SIZE = 2 ** 31;

/** The part of WebAssembly that is used here; Node's types leave it to the DOM's. */
interface SharedMemoryHost {
  WebAssembly: {
    Memory: new (size: {
      initial: number;
      maximum: number;
      shared: true;
    }) => {
      readonly buffer: SharedArrayBuffer;
    };
  };
}

/** Called after the host has changed guest RAM: translated code there is stale, its pages are dirty. */
export type HostWriteListener = (gpa: number, length: number) => void;

function newBuffer(sizeBytes: number): SharedArrayBuffer {
  const pages = Math.ceil(sizeBytes / WASM_PAGE);
  try {
    const { WebAssembly } = globalThis as unknown as SharedMemoryHost;
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer;
  } catch (cause) {
    throw new HvmError('HVM_MEMORY', `the host has no ${sizeBytes} bytes for guest memory`, {
      cause,
    });
  }
}

/** RAM from guest-physical 0 to `sizeBytes`. Little endian. Nothing is allocated per access. */
export class GuestRam {
  /** Uint8Array(sizeBytes), on a SharedArrayBuffer that starts on a host page. */
  readonly bytes: Uint8Array;
  readonly sizeBytes: number;
  /** Hears every write made through this object, after it; null when nobody listens. */
  onHostWrite: HostWriteListener | null = null;

  /**
   * @param sizeBytes - a positive multiple of 4 KiB, at most 2 GiB
   * @param shared - buffer of another GuestRam of the same size, in another thread; none: a new one, zeroed
   * @throws HvmError HVM_MEMORY for any other size, or when the host has no room
   */
  constructor(sizeBytes: number, shared: SharedArrayBuffer | null = null) {
    if (
      !Number.isInteger(sizeBytes) ||
      sizeBytes <= 0 ||
      sizeBytes > MAX_SIZE ||
      sizeBytes % GUEST_PAGE !== 0
    ) {
      throw new HvmError(
        'HVM_MEMORY',
        `guest memory of ${sizeBytes} bytes: expected a multiple of 4096, at most 2 GiB`,
      );
    }
    this.bytes = new Uint8Array(shared ?? newBuffer(sizeBytes), 0, sizeBytes);
    this.sizeBytes = sizeBytes;
  }

  /** Whether all of `length` bytes at `gpa` are RAM. */
  contains(gpa: number, length: number): boolean {
    return gpa >= 0 && length >= 0 && gpa + length <= this.sizeBytes;
  }

  /**
   * Reads 1, 2 or 4 bytes as an unsigned number.
   * @throws HvmError HVM_RANGE outside RAM
   */
  read(gpa: number, size: number): number {
    this.#check(gpa, size);
    const b = this.bytes;
    let value = b[gpa] ?? 0;
    if (size > 1) value |= (b[gpa + 1] ?? 0) << 8;
    if (size > 2) value |= ((b[gpa + 2] ?? 0) << 16) | ((b[gpa + 3] ?? 0) << 24);
    return value >>> 0;
  }

  /**
   * Writes the low 1, 2 or 4 bytes of `value`.
   * @throws HvmError HVM_RANGE outside RAM
   */
  write(gpa: number, size: number, value: number): void {
    this.writeUnheard(gpa, size, value);
    this.onHostWrite?.(gpa, size);
  }

  /**
   * Writes like `write()` without telling the listener: the caller does, once for many writes,
   * before anything of the guest runs. Telling costs 70 ns.
   * @throws HvmError HVM_RANGE outside RAM
   */
  writeUnheard(gpa: number, size: number, value: number): void {
    this.#check(gpa, size);
    const b = this.bytes;
    b[gpa] = value;
    if (size > 1) b[gpa + 1] = value >>> 8;
    if (size > 2) {
      b[gpa + 2] = value >>> 16;
      b[gpa + 3] = value >>> 24;
    }
  }

  /**
   * Copies RAM into `into`, all of it unless told otherwise.
   * @throws HvmError HVM_RANGE outside RAM
   */
  readBytes(
    gpa: number,
    into: Uint8Array,
    offset = 0,
    length: number = into.length - offset,
  ): void {
    this.#check(gpa, length);
    // Element by element: pieces are a few bytes, and subarray() would allocate.
    for (let i = 0; i < length; i++) into[offset + i] = this.bytes[gpa + i] ?? 0;
  }

  /**
   * Copies `from` into RAM, all of it unless told otherwise.
   * @throws HvmError HVM_RANGE outside RAM
   */
  writeBytes(
    gpa: number,
    from: Uint8Array,
    offset = 0,
    length: number = from.length - offset,
  ): void {
    this.#check(gpa, length);
    if (length > 64) this.bytes.set(from.subarray(offset, offset + length), gpa);
    else for (let i = 0; i < length; i++) this.bytes[gpa + i] = from[offset + i] ?? 0;
    if (length > 0) this.onHostWrite?.(gpa, length);
  }

  #check(gpa: number, length: number): void {
    if (!(gpa >= 0 && length >= 0 && gpa + length <= this.sizeBytes)) {
      throw new HvmError(
        'HVM_RANGE',
        `${length} bytes at guest-physical 0x${gpa.toString(16)}: RAM ends at 0x${this.sizeBytes.toString(16)}`,
      );
    }
  }
}
