// SPDX-License-Identifier: GPL-2.0-only
// Reads a stream as its bytes come: strict, in bounded memory, every refusal with its place.
import { createHash, type Hash } from 'node:crypto';
import { imageFault, type Place } from './fault.ts';
import { decodeDomainHeader, decodeImageHeader, type StreamHeaders } from './headers.ts';
import {
  DOMAIN_HEADER_BYTES,
  IMAGE_HEADER_BYTES,
  MAX_BODY,
  padded,
  REC_CHECKPOINT,
  REC_END,
  REC_HVM_CONTEXT,
  RECORD_HEADER_BYTES,
  recordName,
} from './layout.ts';
import { RecordOrder } from './order.ts';
import { DIGEST_BYTES } from './own-part.ts';

/** One record as it went by. `body` is only valid during the call. */
export interface StreamRecord {
  type: number;
  /** Of the body. */
  place: Place;
  body: Uint8Array;
  /** For HVM_CONTEXT: SHA-256 over the stream up to the last 32 bytes of the body. */
  digest: Uint8Array | null;
}

/** Hears what is read. May throw to refuse. */
export interface StreamListener {
  headers(headers: StreamHeaders): void;
  record(record: StreamRecord): void;
}

/** Feed it with `push()`, then call `finish()`. After a refusal it takes nothing more. */
export class StreamReader {
  readonly #listener: StreamListener;
  readonly #hash: Hash = createHash('sha256');
  readonly #order = new RecordOrder();
  /** The item being gathered, and how much of it is there. */
  #item: Uint8Array = new Uint8Array(IMAGE_HEADER_BYTES);
  #have = 0;
  #what: 'image header' | 'domain header' | 'record header' | 'body' | 'nothing' = 'image header';
  /** Bytes of whole items. */
  #offset = 0;
  #type = 0;
  #length = 0;
  #record = -1;
  #version = 0;
  /** Bytes up to and with the last CHECKPOINT, or 0. */
  lastCheckpoint = 0;
  #failed = false;

  constructor(listener: StreamListener) {
    this.#listener = listener;
  }

  /** Bytes of everything that was whole and in order. */
  get offset(): number {
    return this.#offset;
  }
  /** The END record was read. */
  get ended(): boolean {
    return this.#what === 'nothing';
  }

  /** @throws HvmError HVM_IMAGE */
  push(chunk: Uint8Array): void {
    if (this.#failed) throw imageFault(this.#place(), 'the stream was refused before');
    try {
      this.#take(chunk);
    } catch (error) {
      this.#failed = true;
      throw error;
    }
  }

  /** The stream is over. @throws HvmError HVM_IMAGE when it should not be */
  finish(): void {
    if (this.ended || this.#failed) return;
    const had = this.#have > 0 ? `${this.#have} of ${this.#item.length} bytes` : 'nothing';
    const type = this.#what === 'body' ? recordName(this.#type) : this.#what;
    const place = { ...this.#place(), type };
    throw imageFault(place, `the stream is cut off: ${had} is there, expected ${this.#expected()}`);
  }

  #expected(): string {
    if (this.#what === 'record header') return 'a record, END at last';
    return `${this.#item.length} bytes of ${this.#what}`;
  }

  #place(): Place {
    return { record: this.#record, type: recordName(this.#type), offset: this.#offset };
  }

  #take(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#what === 'nothing') {
        throw imageFault(this.#place(), 'bytes follow END: expected the end of the stream');
      }
      const item = this.#item;
      const step = Math.min(item.length - this.#have, chunk.length - at);
      item.set(chunk.subarray(at, at + step), this.#have);
      this.#have += step;
      at += step;
      if (this.#have === item.length) this.#whole(item);
    }
  }

  #whole(item: Uint8Array): void {
    switch (this.#what) {
      case 'image header':
        this.#version = decodeImageHeader(item);
        this.#next('domain header', DOMAIN_HEADER_BYTES, item);
        return;
      case 'domain header':
        this.#listener.headers({ version: this.#version, ...decodeDomainHeader(item) });
        this.#order.version = this.#version;
        this.#next('record header', RECORD_HEADER_BYTES, item);
        return;
      case 'record header':
        this.#header(item);
        return;
      default:
        this.#body(item);
    }
  }

  #header(item: Uint8Array): void {
    const v = new DataView(item.buffer, item.byteOffset, RECORD_HEADER_BYTES);
    this.#type = v.getUint32(0, true);
    this.#length = v.getUint32(4, true);
    this.#record++;
    const place = this.#place();
    const most = MAX_BODY[this.#type];
    if (most === undefined) throw imageFault(place, 'no record of an HVM guest of Xen 4.14');
    if (this.#length > most) {
      throw imageFault(place, `a body of ${this.#length} bytes: expected at most ${most}`);
    }
    this.#order.next(this.#type, place);
    // Known to be at most MAX_BODY: the only memory that a length in the stream decides.
    this.#next('body', padded(this.#length), item);
    if (this.#length === 0) this.#body(this.#item);
  }

  #body(item: Uint8Array): void {
    const place = this.#place();
    const body = item.subarray(0, this.#length);
    for (let i = this.#length; i < item.length; i++) {
      if (item[i] !== 0) {
        throw imageFault({ ...place, offset: place.offset + i }, 'padding is not 0');
      }
    }
    let digest: Uint8Array | null = null;
    if (this.#type === REC_HVM_CONTEXT && body.length >= DIGEST_BYTES) {
      const before = this.#hash.copy();
      digest = before.update(body.subarray(0, body.length - DIGEST_BYTES)).digest();
    }
    this.#listener.record({ type: this.#type, place, body, digest });
    if (this.#type === REC_END) this.#next('nothing', 0, item);
    else this.#next('record header', RECORD_HEADER_BYTES, item);
    if (this.#type === REC_CHECKPOINT) this.lastCheckpoint = this.#offset;
  }

  #next(
    what: 'domain header' | 'record header' | 'body' | 'nothing',
    bytes: number,
    before: Uint8Array,
  ): void {
    this.#hash.update(before);
    this.#offset += before.length;
    this.#what = what;
    this.#item = new Uint8Array(bytes);
    this.#have = 0;
  }
}
