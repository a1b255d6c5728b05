// SPDX-License-Identifier: GPL-2.0-only
// Coverage-guided fuzzing of the image reader: V8's own block coverage says which inputs are worth keeping.
import { createHash } from 'node:crypto';
import { type Profiler, Session } from 'node:inspector';
import { encodeHvmHeader } from '../../src/image/hvm-context.ts';
import { emptyHvmCpu, encodeHvmCpu } from '../../src/image/hvm-cpu.ts';
import { REC_HVM_CONTEXT } from '../../src/image/layout.ts';
import type { PageOut } from '../../src/image/page-data.ts';
import { StreamWriter } from '../../src/image/writer.ts';
import type { ImageState } from '../../src/toolstack/image/state.ts';
import { Random } from '../../src/util/random.ts';
import { judge } from './damage.ts';

/** An image of one page, without a machine: what there is to say in a few thousand bytes. */
export function tinyImage(checkpoints: number): Uint8Array {
  const cpu = emptyHvmCpu();
  cpu.quads.cr0 = 0x10n;
  const state: ImageState = {
    guest: {
      name: 'tiny',
      format: 'flat',
      hasManifest: false,
      memoryBytes: 4096,
      blockBase: null,
      manifest: {
        name: 'tiny',
        purpose: 'One page.',
        format: 'flat',
        memory: 4096,
        vcpus: 1,
        devices: [],
        limits: { maxInstructions: 1 },
        verdict: 'success',
        windows: [],
      },
    },
    revision: 'exact',
    devices: ['counter@0x200-0x207'],
    checkpoint: 1,
    vcpus: [
      {
        cpuBytes: 16,
        icount: 7,
        charged: 0,
        irq: -1,
        injected: null,
        nextTick: 0,
        pciCf8: 0,
        unclaimed: 0,
        witnesses: { 'counter@0x200-0x207': { reads: 1, writes: 0 } },
        ledger: null,
        log: { values: 1, next: 1, last: 1 },
      },
    ],
    servers: [{ name: 'counter', devices: { 'counter@0x200-0x207': { low: 1, high: 0 } } }],
    interrupts: 0,
    pageIsRam: false,
    verdict: null,
    pc: null,
    output: null,
  };
  const pieces: Uint8Array[] = [];
  const writer = new StreamWriter((piece) => pieces.push(piece));
  const page: PageOut = { pfn: 0, type: 0, data: new Uint8Array(4096) };
  const epoch = {
    tsc: { mode: 1, khz: 1, nsec: 7, incarnation: 1 },
    params: [{ index: 36, value: 4n }],
    entries: [
      {
        code: 1,
        instance: 0,
        body: encodeHvmHeader({ changeset: 0n, cpuid: 0, tscKhz: 1 }),
      },
      { code: 2, instance: 0, body: encodeHvmCpu(cpu) },
    ],
    json: JSON.stringify(state),
    cpu: new Uint8Array(16),
  };
  for (let n = 0; n < Math.max(1, checkpoints); n++) {
    writer.epoch([page], epoch);
    if (checkpoints > 0) writer.checkpoint();
  }
  writer.end();
  return new Uint8Array(Buffer.concat(pieces));
}

/** The same with digests that fit, as far as its records can be followed: damage that a digest does not catch. */
export function signed(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  const v = new DataView(copy.buffer);
  const hash = createHash('sha256');
  let hashed = 0;
  for (let at = 40; at + 8 <= copy.length; ) {
    const length = v.getUint32(at + 4, true);
    const end = at + 8 + length;
    if (end > copy.length) break;
    if (v.getUint32(at, true) === REC_HVM_CONTEXT && length >= 32) {
      hash.update(copy.subarray(hashed, end - 32));
      copy.set(hash.copy().digest(), end - 32);
      hashed = end - 32;
    }
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return copy;
}

const ODD = [0, 1, 7, 8, 0x7f, 0x80, 0xff, 0x100, 0xfff, 0x1000, 0xffff, 0x7fffffff, 0xffffffff];

/** One to four changes of one input, or a splice of two. */
export function mutated(random: Random, corpus: readonly Uint8Array[]): Uint8Array {
  const of = (): Uint8Array => corpus[random.below(corpus.length)] ?? new Uint8Array(1);
  let bytes = of().slice();
  for (let n = 1 + random.below(4); n > 0; n--) {
    const at = random.below(Math.max(1, bytes.length));
    const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    switch (random.below(8)) {
      case 0:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
        break;
      case 1:
        bytes[at] = random.below(256);
        break;
      case 2:
        if (at + 4 <= bytes.length) v.setUint32(at & ~3, ODD[random.below(ODD.length)] ?? 0, true);
        break;
      case 3:
        bytes = bytes.slice(0, at);
        break;
      case 6: {
        // A digit of the state: still JSON, and another number.
        const digit = bytes.findIndex((b, i) => i >= at && b >= 0x30 && b <= 0x39);
        if (digit >= 0) bytes[digit] = 0x30 + random.below(10);
        break;
      }
      case 4: {
        const end = Math.min(bytes.length, at + random.below(64));
        bytes = new Uint8Array(Buffer.concat([bytes.slice(0, end), bytes.slice(at)]));
        break;
      }
      case 5:
        bytes = new Uint8Array(
          Buffer.concat([bytes.slice(0, at), bytes.slice(at + random.below(64))]),
        );
        break;
      default: {
        const other = of();
        const from = random.below(other.length + 1) & ~7;
        bytes = new Uint8Array(Buffer.concat([bytes.slice(0, at & ~7), other.slice(from)]));
      }
    }
  }
  return random.below(2) === 0 ? signed(bytes) : bytes;
}

/** Blocks of the reader's sources that ran since the last look. */
export class Coverage implements Disposable {
  readonly #session = new Session();

  constructor() {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Names of what ran. */
  take(): string[] {
    const blocks: string[] = [];
    this.#session.post('Profiler.takePreciseCoverage', (error, answer) => {
      if (error !== null) throw error;
      for (const { url, functions } of answer.result as Profiler.ScriptCoverage[]) {
        if (!/\/src\/(image|toolstack\/image)\//.test(url)) continue;
        for (const { ranges } of functions) {
          for (const { startOffset, endOffset, count } of ranges) {
            // How often matters by its order of magnitude: loops that go further are news.
            const often = Math.min(4, Math.floor(Math.log2(count + 1)));
            if (count > 0) blocks.push(`${url}:${startOffset}-${endOffset}:${often}`);
          }
        }
      }
    });
    return blocks;
  }

  [Symbol.dispose](): void {
    this.#session.disconnect();
  }
}

export interface Fuzzed {
  inputs: number;
  /** Blocks of the reader by how often they ran, and without regard to that. */
  blocks: number;
  places: number;
  /** Most CPU time of one input, whatever came in between. */
  slowestMs: number;
  /** Refused, and loaded. */
  refused: number;
  loaded: number;
  findings: { why: string; input: Uint8Array }[];
  /** Inputs that reached something new. */
  kept: Uint8Array[];
}

/** An input may take so much CPU time: ten thousand times what one takes on the average of a run. */
const SLOW_MS = 500;
const BATCH = 25;

/** CPU time of this process, collector and all: other programs on the machine do not count. */
function cpuMs(): number {
  const { system, user } = process.cpuUsage();
  return (system + user) / 1000;
}

/** An input that was slow is asked again: a compilation or a collection can have come in between. */
function slowness(input: Uint8Array, first: number): number {
  let least = first;
  for (let again = 0; again < 3 && least > SLOW_MS; again++) {
    const start = cpuMs();
    judge(input);
    least = Math.min(least, cpuMs() - start);
  }
  return least;
}

/** Fuzzes until `over()`. */
export function fuzz(
  seeds: readonly Uint8Array[],
  seed: number,
  over: (inputs: number) => boolean,
): Fuzzed {
  const random = new Random(seed);
  const corpus = [...seeds];
  const seen = new Set<string>();
  const result: Fuzzed = {
    ...{ inputs: 0, blocks: 0, places: 0, refused: 0, loaded: 0, slowestMs: 0 },
    findings: [],
    kept: [],
  };
  using coverage = new Coverage();
  const fresh = (): boolean => {
    const before = seen.size;
    for (const block of coverage.take()) seen.add(block);
    return seen.size > before;
  };
  const run = (input: Uint8Array): void => {
    const start = cpuMs();
    const outcome = judge(input);
    result.inputs++;
    if (outcome === 'refused') result.refused++;
    else if (/^[0-9a-f]{64}( cut)?$/.test(outcome)) result.loaded++;
    else result.findings.push({ why: outcome, input });
    const took = cpuMs() - start;
    result.slowestMs = Math.max(result.slowestMs, took);
    if (took <= SLOW_MS) return;
    const least = slowness(input, took);
    if (least > SLOW_MS) result.findings.push({ why: `takes ${least} ms of CPU`, input });
  };
  for (const input of seeds) run(input);
  fresh();
  while (!over(result.inputs)) {
    const batch = Array.from({ length: BATCH }, () => mutated(random, corpus));
    for (const input of batch) run(input);
    const before = new Set(seen);
    if (!fresh()) continue;
    // Something new in this batch: which one was it?
    for (const input of batch) {
      judge(input);
      const news = coverage.take().filter((block) => !before.has(block));
      if (news.length === 0) continue;
      for (const block of news) before.add(block);
      corpus.push(input);
      result.kept.push(input);
    }
  }
  result.blocks = seen.size;
  result.places = new Set([...seen].map((block) => block.replace(/:\d$/, ''))).size;
  return result;
}
