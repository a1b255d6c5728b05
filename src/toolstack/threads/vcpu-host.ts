// SPDX-License-Identifier: GPL-2.0-only
// Starts, watches and stops the thread of a vCPU.
import {
  MessageChannel,
  type MessagePort,
  receiveMessageOnPort,
  Worker,
} from 'node:worker_threads';
import type { Verdict } from '../../dm/device.ts';
import type { StageCounts, Witness } from '../../ledger/events.ts';
import type { LaneStory } from '../../ledger/lanes.ts';
import type { LedgerReport } from '../../ledger/live-checker.ts';
import type { LoadOptions } from '../../machine/loader.ts';
import type { DomainMemory } from '../../machine/threads/domain-memory.ts';
import { loaded } from '../../machine/threads/wait-async.ts';
import {
  announce,
  V_ARGUMENT,
  V_ASLEEP,
  V_COMMAND,
  V_ENDED,
  V_FAILED,
  vcpuBase,
  wakeSleeper,
} from '../../mem/domain-words.ts';
import { BugError, HvmError, type HvmErrorCode } from '../../util/errors.ts';
import type { HistogramData } from '../../util/measure.ts';
import type { RevisionName } from '../../xen/hvm/revision.ts';
import type { LogGap } from '../guest-log.ts';
import type { VcpuPart } from '../image/epoch.ts';
import type { LoadedImage } from '../image/load.ts';

/** Commands of a vCPU's thread, carried out while its domain is paused, or once its guest has ended. */
export const COMMAND_CHECKPOINT = 1;
export const COMMAND_FINISH = 2;

/** Instruction counts at which a vCPU shuts its domain down: for checkpoints at known places. */
export interface Pauses {
  first: number;
  /** From one to the next. */
  every: number;
  /** One is here, whatever `every` says. */
  last: number;
}

/** What a vCPU's thread is started with. */
export interface VcpuWorkerData {
  memory: DomainMemory;
  vcpuId: number;
  guest: string;
  load: LoadOptions;
  /** In place of `guest` and `load`: without pages, which lie in the shared memory. */
  from: LoadedImage | null;
  /** `name@range`, all of them in order. */
  devices: readonly string[];
  modules: readonly string[];
  revision: RevisionName;
  seed: number;
  ledgerPath: string | null;
  spins: number;
  answerTimeoutMs: number;
  /** Whether round trips are timed. */
  measure: boolean;
  /** Instructions at which it shuts the domain down by itself; null: at none. */
  pauses: Pauses | null;
  /** Checkpoints are told, for images; with `fsync`, the ledger is on disk before. */
  images: { fsync: boolean } | null;
  port: MessagePort;
}

/** Goes with COMMAND_FINISH. */
export interface FinishOrder {
  boundary: boolean;
  reason: string;
  witnesses: Record<string, Witness>;
}

/** A checkpoint as a vCPU tells it. */
export interface VcpuCaptured {
  part: VcpuPart;
  /** Offsets of the pages it knows to have been written since the last one. */
  written: readonly number[];
  pageIsRam: boolean;
}

/** Why its thread has ended. */
export interface VcpuError {
  error: string;
  /** Of an HvmError; null: it is a bug. */
  code: HvmErrorCode | null;
}

/** A vCPU's last words. */
export interface VcpuFinal {
  /** Why its guest ended, or null: it was stopped. */
  ended: string | null;
  report: LedgerReport;
  /** Of its ledger, since the guest started. */
  totals: StageCounts;
  instructions: number;
  /** By `ExitReason`. */
  exits: readonly number[];
  /** Accesses that nobody claimed. */
  unclaimed: number;
  /** Of its ledger. */
  events: number;
  verdict: Verdict | null;
  crash: { readonly reason: string } | null;
  gap: LogGap | null;
  story: LaneStory | null;
  /** Checkpoints by where they landed. */
  windows: Record<string, number>;
  /** Round trips of its requests. */
  latency: HistogramData | null;
  failedServers: readonly { server: number; why: string }[];
}

/** One vCPU's thread, seen from outside. */
export class VcpuHost {
  readonly vcpuId: number;
  /** What it told of the last checkpoint. */
  captured: VcpuCaptured | null = null;
  /** Set by FINISH. */
  final: VcpuFinal | null = null;
  readonly #words: Int32Array;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #up: Promise<void>;
  readonly #gone: Promise<void>;
  #error: string | null = null;
  #code: HvmErrorCode | null = null;
  #stopping = false;

  constructor(data: Omit<VcpuWorkerData, 'port'>) {
    const { port1, port2 } = new MessageChannel();
    this.vcpuId = data.vcpuId;
    this.#words = new Int32Array(data.memory.words);
    this.#port = port1;
    this.#worker = new Worker(VCPU_WORKER, {
      workerData: { ...data, port: port2 } satisfies VcpuWorkerData,
      transferList: [port2],
      name: `vcpu${data.vcpuId}`,
    });
    this.#up = new Promise((resolve) => {
      this.#worker.once('message', () => resolve());
    });
    this.#gone = new Promise((resolve) => {
      this.#worker.on('error', (error) => {
        this.#error ??= error.message;
      });
      this.#worker.on('exit', (code) => {
        // Its last words may not have been read yet.
        this.#hear();
        if (!this.#stopping && this.final === null) this.#error ??= `ended with code ${code}`;
        Atomics.store(this.#words, vcpuBase(this.vcpuId) + V_ENDED, 1);
        announce(this.#words);
        resolve();
      });
    });
  }

  /** @throws BugError when it does not come up */
  async ready(): Promise<void> {
    await Promise.race([this.#up, this.#gone]);
    this.check();
  }

  /** @throws HvmError when its thread could not go on; BugError when it failed */
  check(): void {
    this.#hear();
    if (this.#error !== null && this.#code !== null) throw new HvmError(this.#code, this.#error);
    if (this.#error !== null) throw new BugError(`thread of vCPU ${this.vcpuId}: ${this.#error}`);
  }

  #hear(): void {
    for (;;) {
      const next = receiveMessageOnPort(this.#port) as
        | { message: VcpuFinal | VcpuCaptured | VcpuError }
        | undefined;
      if (next === undefined) break;
      if ('error' in next.message) {
        this.#error ??= next.message.error;
        this.#code ??= next.message.code;
      } else if ('part' in next.message) this.captured = next.message;
      else this.final = next.message;
    }
  }

  /** Its guest runs no more. */
  get ended(): boolean {
    return Atomics.load(this.#words, vcpuBase(this.vcpuId) + V_ENDED) !== 0;
  }
  /** Its books or its guest's log show something wrong. */
  get failed(): boolean {
    return Atomics.load(this.#words, vcpuBase(this.vcpuId) + V_FAILED) !== 0;
  }

  command(command: number, argument: number): void {
    const base = vcpuBase(this.vcpuId);
    Atomics.store(this.#words, base + V_ARGUMENT, argument);
    Atomics.store(this.#words, base + V_COMMAND, command);
    wakeSleeper(this.#words, base + V_ASLEEP);
  }
  finish(order: FinishOrder): void {
    this.#port.postMessage(order);
    this.command(COMMAND_FINISH, 0);
  }
  get idle(): boolean {
    return Atomics.load(this.#words, vcpuBase(this.vcpuId) + V_COMMAND) === 0;
  }

  /** Ends the thread, whatever it does. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await loaded(this.#up, this.#gone);
    await this.#worker.terminate();
    await this.#gone;
    this.#port.close();
  }
}

const VCPU_WORKER = new URL('./vcpu-worker.js', import.meta.url);
