// SPDX-License-Identifier: GPL-2.0-only
// From a stream to the last checkpoint that is whole: pages, named registers, our own state.
import { imageFault, type Place } from '../../image/fault.ts';
import type { StreamHeaders } from '../../image/headers.ts';
import { decodeHvmContext, HVM_HEADER, type HvmEntry } from '../../image/hvm-context.ts';
import {
  PAGE_BYTES,
  PAGE_NORMAL,
  PAGE_XTAB,
  REC_CHECKPOINT,
  REC_END,
  REC_HVM_CONTEXT,
  REC_HVM_PARAMS,
  REC_PAGE_DATA,
  REC_VERIFY,
  REC_X86_CPUID_POLICY,
  REC_X86_MSR_POLICY,
  REC_X86_TSC_INFO,
} from '../../image/layout.ts';
import { decodeOwnPart, type OwnPart } from '../../image/own-part.ts';
import { decodePageData } from '../../image/page-data.ts';
import { type StreamListener, StreamReader, type StreamRecord } from '../../image/reader.ts';
import { checkPolicy, decodeHvmParams, decodeTscInfo } from '../../image/small-records.ts';
import { HVM_RECORDS } from './hvm-records.ts';
import type { HvmRecord } from './record-codec.ts';
import { type ImageState, imageStateSchema } from './state.ts';

/** One checkpoint of an image, whole and checked. */
export interface LoadedImage {
  headers: StreamHeaders;
  state: ImageState;
  /** Opaque state of all vCPUs, see `cpuOf()`. */
  cpu: Uint8Array;
  /** Entries of the HVM context, without HEADER. */
  records: HvmRecord[];
  /** By page number; null: not present. */
  pages: Map<number, Uint8Array | null>;
  /** Checkpoints in the stream that are whole. */
  epochs: number;
  /** Of the context this is from. */
  place: Place;
  /** What was dropped behind the last whole checkpoint, in a sentence; null: nothing. */
  dropped: string | null;
}

/**
 * Checks every record. Holds the pages that the stream brought, one increment, and one record: never more than twice
 * what was read, whatever lengths it claims.
 */
export class ImageLoader implements StreamListener {
  readonly reader: StreamReader = new StreamReader(this);
  #headers: StreamHeaders | null = null;
  readonly #pages = new Map<number, Uint8Array | null>();
  #staged = new Map<number, Uint8Array | null>();
  #context: { own: OwnPart; entries: HvmEntry[]; place: Place } | null = null;
  #foreign = false;
  #verifying = false;
  #after: Place | null = null;
  #epochs = 0;
  #image: Omit<LoadedImage, 'epochs' | 'dropped' | 'pages'> | null = null;

  headers(headers: StreamHeaders): void {
    this.#headers = headers;
  }

  record({ type, place, body, digest }: StreamRecord): void {
    switch (type) {
      case REC_PAGE_DATA:
        this.#stage(body, place);
        break;
      case REC_HVM_CONTEXT:
        this.#readContext(body, place, digest);
        return;
      case REC_X86_TSC_INFO:
        decodeTscInfo(body, place);
        break;
      case REC_HVM_PARAMS:
        decodeHvmParams(body, place);
        break;
      case REC_X86_CPUID_POLICY:
        checkPolicy(body, 24, place);
        break;
      case REC_X86_MSR_POLICY:
        checkPolicy(body, 16, place);
        break;
      case REC_VERIFY:
        this.#verifying = true;
        break;
      case REC_CHECKPOINT:
      case REC_END:
        this.#commit(place);
        return;
      default:
    }
    // The digest covers what stands before it: nothing may stand between it and the end of the epoch.
    if (this.#context !== null) this.#after ??= place;
  }

  #stage(body: Uint8Array, place: Place): void {
    for (const { pfn, type, data } of decodePageData(body, place)) {
      if (type !== PAGE_NORMAL && type !== PAGE_XTAB) this.#foreign = true;
      const before = this.#staged.get(pfn) ?? this.#pages.get(pfn);
      if (this.#verifying) {
        const same = data === null ? before === null : before && Buffer.compare(before, data) === 0;
        if (!same) {
          throw imageFault(place, `page 0x${pfn.toString(16)} differs from what was sent before`);
        }
        continue;
      }
      this.#staged.set(pfn, data === null ? null : data.slice());
    }
  }

  #readContext(body: Uint8Array, place: Place, digest: Uint8Array | null): void {
    const { entries, end } = decodeHvmContext(body, place);
    const ownPlace = { ...place, offset: place.offset + end };
    const own = decodeOwnPart(body.subarray(end), ownPlace);
    if (own === null) {
      this.#foreign = true;
      return;
    }
    if (digest === null || Buffer.compare(digest, own.digest) !== 0) {
      const found = Buffer.from(own.digest).toString('hex').slice(0, 16);
      const expected = Buffer.from(digest ?? [])
        .toString('hex')
        .slice(0, 16);
      throw imageFault(
        { ...place, offset: place.offset + body.length - 32 },
        `the image is damaged at this record or before it: its digest is ${found}..., expected ${expected}...`,
      );
    }
    for (const { code, body: entry, offset } of entries) {
      const problem = HVM_RECORDS.find((codec) => codec.code === code)?.problem(entry) ?? null;
      if (problem === null) continue;
      throw imageFault({ ...place, offset: place.offset + offset }, problem);
    }
    this.#context = {
      own,
      entries: entries.map((e) => ({ ...e, body: e.body.slice() })),
      place: ownPlace,
    };
  }

  #commit(place: Place): void {
    const context = this.#context;
    if (context !== null && this.#headers !== null) {
      if (this.#after !== null) {
        throw imageFault(this.#after, 'follows HVM_CONTEXT: expected the end of the checkpoint');
      }
      const state = parseState(context.own, context.place);
      const cpuBytes = state.vcpus.reduce((sum, v) => sum + v.cpuBytes, 0);
      if (cpuBytes !== context.own.cpu.length) {
        const have = context.own.cpu.length;
        throw imageFault(context.place, `${have} bytes of CPU state: expected ${cpuBytes}`);
      }
      // First judged, then taken in: a refusal leaves the checkpoint before as it was.
      this.#checkPages(state, context.place);
      for (const [pfn, data] of this.#staged) this.#pages.set(pfn, data);
      this.#image = {
        headers: this.#headers,
        state,
        cpu: context.own.cpu,
        records: context.entries.filter((e) => e.code !== HVM_HEADER),
        place: context.place,
      };
      this.#epochs++;
    } else if (this.#staged.size > 0 && !this.#foreign) {
      throw imageFault(place, 'pages without a state');
    }
    this.#staged = new Map();
    this.#context = null;
  }

  #checkPages(state: ImageState, place: Place): void {
    const wanted = state.guest.memoryBytes / PAGE_BYTES;
    let all = this.#pages.size;
    for (const pfn of this.#staged.keys()) {
      if (!this.#pages.has(pfn)) all++;
      if (pfn < wanted) continue;
      throw imageFault(
        place,
        `page 0x${pfn.toString(16)} lies past the guest's ${state.guest.memoryBytes} bytes of memory`,
      );
    }
    if (all === wanted) return;
    throw imageFault(place, `${all} pages: expected all ${wanted} of the guest`);
  }

  /** Whether it is an image of Xen that we can read but not restore. */
  get foreign(): boolean {
    return this.#foreign;
  }

  /**
   * The last whole checkpoint; call it once the stream is over.
   * @param cut - why the stream ended early, or null
   * @throws HvmError HVM_IMAGE when there is none that this build can restore
   */
  result(cut: string | null): LoadedImage {
    const image = this.#image;
    if (image === null) {
      const place = { record: -1, type: 'stream', offset: this.reader.offset };
      throw imageFault(
        place,
        this.#foreign
          ? 'no state of trapline behind the END of its HVM context: inspect and verify can read it, restore cannot'
          : 'no checkpoint: expected memory and a state',
      );
    }
    return { ...image, pages: this.#pages, epochs: this.#epochs, dropped: cut };
  }
}

/** The opaque state of one vCPU. */
export function cpuOf(
  { state, cpu }: Pick<LoadedImage, 'state' | 'cpu'>,
  vcpu: number,
): Uint8Array {
  const at = state.vcpus.slice(0, vcpu).reduce((sum, v) => sum + v.cpuBytes, 0);
  return cpu.subarray(at, at + (state.vcpus[vcpu]?.cpuBytes ?? 0));
}

function parseState(own: OwnPart, place: Place): ImageState {
  const parsed = imageStateSchema.safeParse(own.state);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.join('.') || '(all of it)';
  throw imageFault(place, `state field '${field}': ${issue?.message ?? 'invalid'}`);
}
