// SPDX-License-Identifier: GPL-2.0-only
// Guest code on a second CPU: builds a helper of native/oracle/, hands it requests and reads what it says.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import type { SegmentState } from '../../src/cpu/backend.ts';
import { projectRoot } from '../suites/data.ts';

/** What answers at `start` to `end` (the last), with the answers of stream `stream`; all other memory is RAM. */
export interface OracleRange {
  readonly space: 'pio' | 'mmio';
  readonly start: number;
  readonly end: number;
  readonly stream: number;
  /** Offset of the registers that tell what was written last and how often, as in device.ts of the matrix. */
  readonly echo?: number;
}

/** A CPU, its memory and what answers it. */
export interface OracleRequest {
  /** EAX ECX EDX EBX ESP EBP ESI EDI */
  readonly gpr: readonly number[];
  readonly rip: number;
  readonly rflags: number;
  readonly cr0: number;
  readonly cr3: number;
  readonly cr4: number;
  /** Control words of x87 and SSE. */
  readonly fcw: number;
  readonly mxcsr: number;
  /** ES CS SS DS FS GS */
  readonly segments: readonly SegmentState[];
  /** Base, limit. */
  readonly gdt: readonly [number, number];
  readonly idt: readonly [number, number];
  /** An interrupt is pending from the time the CPU stands before this linear address. */
  readonly interrupt: { readonly at: number; readonly vector: number } | null;
  /** Whether a write takes its place among the answers, too. */
  readonly writesCount: boolean;
  /** Memory ranges in whole pages, in order. */
  readonly ranges: readonly OracleRange[];
  /** Low word and high word of each answer. */
  readonly streams: readonly (readonly (readonly [number, number])[])[];
  /** Whole pages. */
  readonly ram: Uint8Array;
}

export interface OracleAccess {
  readonly read: boolean;
  readonly size: number;
  readonly space: 'pio' | 'mmio';
  readonly at: number;
  /** What was written; 0 for a read. */
  readonly data: bigint;
}

/** What the processor made of a request. */
export interface OracleResult {
  readonly accesses: readonly OracleAccess[];
  /** By the processor: the first address touched in each page of a device, in order. */
  readonly touched: readonly number[];
  /** KVM does not come to the end: why. */
  readonly stopped: string | null;
  /** EAX ECX EDX EBX ESP EBP ESI EDI RIP RFLAGS */
  readonly registers: readonly number[];
  /** Bytes of RAM that changed, by address. */
  readonly changed: ReadonlyMap<number, number>;
}

/** Who is asked: KVM, with devices; or the processor itself, in this process, where all memory is RAM. */
export type Oracle = 'kvm' | 'processor';

/** Nobody can be asked here, and why, in one sentence. */
export class NoOracle extends Error {}

/** Exit code of a helper that finds no such CPU. */
const UNUSABLE = 5;
const NEVER = 0xffffffff;

function build(program: string, oracle: Oracle): void {
  const source = join(projectRoot(), 'native', 'oracle', `${oracle}.cc`);
  const options = ['-O1', '-std=c++17', '-Wall', '-Wextra', '-Werror', '-o', program, source];
  const { error, status, stderr } = spawnSync('g++', options, { encoding: 'utf8' });
  if (error !== undefined) throw new NoOracle(`no g++ for native/oracle: ${error.message}`);
  if (status !== 0) throw new Error(`native/oracle/${oracle}.cc does not compile: ${stderr}`);
}

/** A second CPU that can be asked again and again. */
export class SecondCpu implements Disposable {
  readonly #oracle: Oracle;
  readonly #folder: string;

  /** @throws NoOracle */
  constructor(oracle: Oracle) {
    this.#oracle = oracle;
    if (process.platform !== 'linux' || process.arch !== 'x64')
      throw new NoOracle(`no second CPU on ${process.platform} ${process.arch}`);
    if (oracle === 'kvm') {
      try {
        accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
      } catch {
        throw new NoOracle('no usable /dev/kvm on this machine');
      }
    }
    this.#folder = mkdtempSync(join(tmpdir(), 'trapline-oracle-'));
    try {
      build(this.#program, oracle);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }
  get #program(): string {
    return join(this.#folder, this.#oracle);
  }

  /** Carries requests out. @throws NoOracle */
  ask(requests: readonly OracleRequest[]): OracleResult[] {
    const { status, signal, stdout, stderr } = spawnSync(this.#program, {
      input: Buffer.concat(requests.map(encode)),
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    });
    if (status === UNUSABLE) throw new NoOracle(stderr.trim());
    if (status !== 0)
      throw new Error(`native/oracle/${this.#oracle}.cc ended with ${status ?? signal}: ${stderr}`);
    const results = stdout.trimEnd().split('\n\n').map(decode);
    if (results.length !== requests.length)
      throw new Error(`${results.length} results of ${requests.length}`);
    return results;
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true });
  }
}

/** Asks once. @throws NoOracle */
export function ask(oracle: Oracle, requests: readonly OracleRequest[]): OracleResult[] {
  using cpu = new SecondCpu(oracle);
  return cpu.ask(requests);
}

export function encode(request: OracleRequest): Buffer {
  const { interrupt, segments, ranges, streams } = request;
  const words = [...request.gpr, request.rip, request.rflags, request.cr0];
  words.push(request.cr3, request.cr4);
  for (const s of segments) words.push(s.selector, s.base, s.limit, s.attributes);
  words.push(...request.gdt, ...request.idt, request.fcw, request.mxcsr);
  words.push(interrupt?.at ?? NEVER, interrupt?.vector ?? 0);
  words.push(request.writesCount ? 1 : 0, request.ram.length, ranges.length, streams.length);
  for (const { space, start, end, stream, echo } of ranges)
    words.push(space === 'pio' ? 1 : 0, start, end, stream, echo ?? NEVER);
  for (const stream of streams) words.push(stream.length, ...stream.flat());
  return Buffer.concat([Buffer.from(Uint32Array.from(words).buffer), request.ram]);
}

function decode(text: string): OracleResult {
  const accesses: OracleAccess[] = [];
  const touched: number[] = [];
  let stopped: string | null = null;
  let registers: readonly number[] = [];
  const changed = new Map<number, number>();
  for (const line of text.split('\n')) {
    const [, direction, size, port, at = '', data = '0'] =
      /^([rw])(\d)@(p?)([0-9a-f]+)(?:=([0-9a-f]+))?$/.exec(line) ?? [];
    const [word, ...rest] = line.split(' ');
    if (direction !== undefined) {
      accesses.push({
        read: direction === 'r',
        size: Number(size),
        space: port === 'p' ? 'pio' : 'mmio',
        at: Number.parseInt(at, 16),
        data: BigInt(`0x${data}`),
      });
    } else if (word === 'touch') touched.push(Number.parseInt(rest[0] ?? '', 16));
    else if (word === 'stop') stopped = rest.join(' ');
    else if (word === 'end') registers = rest.map((value) => Number.parseInt(value, 16));
    else if (word === 'ram') {
      for (const pair of rest) {
        const [gpa = '', value = ''] = pair.split(':');
        changed.set(Number.parseInt(gpa, 16), Number.parseInt(value, 16));
      }
    } else throw new Error(`a helper of native/oracle says '${line}'`);
  }
  return { accesses, touched, stopped, registers, changed };
}
