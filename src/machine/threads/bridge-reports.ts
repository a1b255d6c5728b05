// SPDX-License-Identifier: GPL-2.0-only
// What a bridge tells the vCPUs' threads, and what else of the domain a device model can touch: interrupts, the verdict.
import { kickCpu } from '../../cpu/native.ts';
import { VERDICTS, type Verdict } from '../../dm/device.ts';
import { ProtocolError } from '../../dm/process/frames.ts';
import type { AccessEvent } from '../../dm/request.ts';
import {
  D_DEAD_SERVERS,
  D_IRQ_HIGH,
  D_IRQ_LATCHED,
  D_VERDICT,
  S_COMMAND,
  serverBase,
  V_ASLEEP,
  V_BLOCKED,
  V_KICK_ID,
  vcpuBase,
  wakeSleeper,
} from '../../mem/domain-words.ts';
import type { ReportRing } from '../../mem/report-ring.ts';
import { InterruptLines } from '../interrupts.ts';
import { type DomainMemory, reportRing } from './domain-memory.ts';

/** Waits for a reader of a full ring, of 1 ms each. */
const PATIENCE = 1000;

export class Reports {
  readonly #words: Int32Array;
  readonly #server: number;
  readonly #rings: readonly ReportRing[];
  readonly #interrupts: InterruptLines;

  constructor(memory: DomainMemory, server: number) {
    this.#words = new Int32Array(memory.words);
    this.#server = server;
    this.#interrupts = new InterruptLines(this.#words, D_IRQ_HIGH, D_IRQ_LATCHED);
    this.#rings = Array.from({ length: memory.vcpus }, (_, v) => reportRing(memory, server, v));
  }

  readonly notify = (vcpu: number): void => {
    Atomics.store(this.#words, vcpuBase(vcpu) + V_BLOCKED, 0);
    wakeSleeper(this.#words, vcpuBase(vcpu) + V_ASLEEP);
  };

  readonly onAccess = (event: AccessEvent): void => {
    const ring = this.#rings[event.vcpu] as ReportRing;
    this.#put(event.vcpu, () => ring.access(event));
  };

  readonly onStored = (vcpu: number, gpa: number, length: number): void => {
    const ring = this.#rings[vcpu] as ReportRing;
    this.#put(vcpu, () => ring.wrote(gpa, length));
  };

  readonly onLine = (line: number, high: boolean): void => {
    if (!high) {
      this.#interrupts.lower(line);
      return;
    }
    this.#interrupts.raise(line);
    // Lines belong to vCPU 0: it leaves the guest and takes the interrupt.
    const kickId = Atomics.load(this.#words, vcpuBase(0) + V_KICK_ID);
    if (kickId !== 0) kickCpu(kickId);
    wakeSleeper(this.#words, vcpuBase(0) + V_ASLEEP);
  };

  readonly onVerdict = (verdict: Verdict): void => {
    Atomics.store(this.#words, D_VERDICT, 1 + VERDICTS.indexOf(verdict));
  };

  #put(vcpu: number, put: () => boolean): void {
    const words = this.#words;
    for (let tries = 0; !put(); tries++) {
      const dead = ((Atomics.load(words, D_DEAD_SERVERS) >>> this.#server) & 1) !== 0;
      if (dead || tries >= PATIENCE) throw new ProtocolError('nobody waits for its answer');
      wakeSleeper(words, vcpuBase(vcpu) + V_ASLEEP);
      // A pause: what the reader does changes no word of ours.
      const command = serverBase(this.#server) + S_COMMAND;
      Atomics.wait(words, command, Atomics.load(words, command), 1);
    }
  }
}
