// SPDX-License-Identifier: GPL-2.0-only
// Writes a stream: headers, then epochs of pages and state, each a checkpoint that can be restored.
import { createHash, type Hash } from 'node:crypto';
import { encodeHeaders } from './headers.ts';
import { encodeHvmContext, type HvmEntry } from './hvm-context.ts';
import {
  MAX_PAGES,
  padded,
  REC_CHECKPOINT,
  REC_END,
  REC_HVM_CONTEXT,
  REC_HVM_PARAMS,
  REC_PAGE_DATA,
  REC_STATIC_DATA_END,
  REC_X86_TSC_INFO,
  RECORD_HEADER_BYTES,
} from './layout.ts';
import { DIGEST_BYTES, encodeOwnPart } from './own-part.ts';
import { encodePageData, type PageOut } from './page-data.ts';
import { encodeHvmParams, encodeTscInfo, type HvmParam, type TscInfo } from './small-records.ts';

/** The release whose format and behaviour this is. */
const XEN = [4, 14] as const;

/** One consistent state, but for its pages. */
export interface EpochState {
  tsc: TscInfo;
  params: readonly HvmParam[];
  entries: readonly Pick<HvmEntry, 'code' | 'instance' | 'body'>[];
  /** JSON of our own state. */
  json: string;
  cpu: Uint8Array;
}

function record(type: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(RECORD_HEADER_BYTES + padded(body.length));
  const v = new DataView(bytes.buffer);
  v.setUint32(0, type, true);
  v.setUint32(4, body.length, true);
  bytes.set(body, RECORD_HEADER_BYTES);
  return bytes;
}

const NOTHING = new Uint8Array(0);
/** The last record of a stream. */
export const END_RECORD: Uint8Array = record(REC_END, NOTHING);
const CHECKPOINT_RECORD = record(REC_CHECKPOINT, NOTHING);

/** Makes the bytes of a stream, a part at a time; nothing but one PAGE_DATA record is held. */
export class StreamWriter {
  readonly #write: (bytes: Uint8Array) => void;
  readonly #hash: Hash = createHash('sha256');
  /** Bytes written. */
  bytes = 0;

  /** @param write - takes each piece; may keep it */
  constructor(write: (bytes: Uint8Array) => void) {
    this.#write = write;
    this.#put(encodeHeaders(...XEN));
    this.#put(record(REC_STATIC_DATA_END, NOTHING));
  }

  /** Pages, and the state they belong to. The stream is whole once `end()` has followed. */
  epoch(pages: Iterable<PageOut>, state: EpochState): void {
    let batch: PageOut[] = [];
    for (const page of pages) {
      batch.push(page);
      if (batch.length < MAX_PAGES) continue;
      this.#put(record(REC_PAGE_DATA, encodePageData(batch)));
      batch = [];
    }
    if (batch.length > 0) this.#put(record(REC_PAGE_DATA, encodePageData(batch)));
    this.#put(record(REC_X86_TSC_INFO, encodeTscInfo(state.tsc)));
    this.#put(record(REC_HVM_PARAMS, encodeHvmParams(state.params)));
    this.#context(state);
  }

  /** Everything so far is one checkpoint; more may follow. */
  checkpoint(): void {
    this.#put(CHECKPOINT_RECORD);
  }

  /** The last record. A checkpointed stream may be continued in its place. */
  end(): void {
    this.#write(END_RECORD);
  }

  #context({ entries, json, cpu }: EpochState): void {
    const xens = encodeHvmContext(entries);
    const own = encodeOwnPart(json, cpu);
    const body = new Uint8Array(xens.length + own.length + DIGEST_BYTES);
    body.set(xens);
    body.set(own, xens.length);
    const bytes = record(REC_HVM_CONTEXT, body);
    const digestAt = bytes.length - DIGEST_BYTES;
    this.#hash.update(bytes.subarray(0, digestAt));
    bytes.set(this.#hash.copy().digest(), digestAt);
    this.#hash.update(bytes.subarray(digestAt));
    this.bytes += bytes.length;
    this.#write(bytes);
  }

  #put(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.bytes += bytes.length;
    this.#write(bytes);
  }
}
