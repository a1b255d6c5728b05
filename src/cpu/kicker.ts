// SPDX-License-Identifier: GPL-2.0-only
// A second thread that kicks a CPU again and again, at moments nobody chooses.
import { Worker } from 'node:worker_threads';
import { addonPath } from './native.ts';

/** Words of the memory both threads see. */
const AIM = 0;
const STATE = 1;
const WORDS = 2;
const IDLE = 0;
const ACTIVE = 1;
const OVER = 2;

// As text: Node runs no TypeScript, and tests run the sources. Pauses differ, so that no rhythm fits the guest's.
const SOURCE = `
const { parentPort, workerData } = require('node:worker_threads');
const { addon, control } = workerData;
const { kick } = require(addon);
parentPort.postMessage('ready');
let x = 1;
for (;;) {
  const state = Atomics.load(control, ${STATE});
  if (state === ${OVER}) break;
  if (state === ${IDLE}) {
    Atomics.wait(control, ${STATE}, ${IDLE});
    continue;
  }
  const id = Atomics.load(control, ${AIM});
  if (id === 0) continue;
  kick(id);
  x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
  for (let pause = x >>> 21; pause > 0; pause--) Atomics.load(control, ${STATE});
}
`;

/** Kicks what it is aimed at, from a thread of its own, until it is aimed at nothing. */
export class Kicker implements AsyncDisposable {
  readonly #control: Int32Array;
  readonly #worker: Worker;
  readonly #gone: Promise<unknown>;

  private constructor(worker: Worker, control: Int32Array) {
    this.#worker = worker;
    this.#control = control;
    this.#gone = new Promise((done) => worker.once('exit', done));
  }
  /** @throws whatever keeps the thread from starting */
  static async start(): Promise<Kicker> {
    const control = new Int32Array(new SharedArrayBuffer(4 * WORDS));
    const worker = new Worker(SOURCE, { eval: true, workerData: { addon: addonPath(), control } });
    const kicker = new Kicker(worker, control);
    await new Promise((ready, failed) => {
      worker.once('message', ready);
      worker.once('error', failed);
    });
    return kicker;
  }
  /** @param kickId - of a CPU of any thread; 0: none */
  aim(kickId: number): void {
    Atomics.store(this.#control, AIM, kickId);
  }
  /** Awake, the thread takes a processor for itself, also while it is aimed at nothing. */
  set awake(on: boolean) {
    this.aim(0);
    Atomics.store(this.#control, STATE, on ? ACTIVE : IDLE);
    Atomics.notify(this.#control, STATE);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    Atomics.store(this.#control, STATE, OVER);
    Atomics.notify(this.#control, STATE);
    await this.#gone;
    await this.#worker.terminate();
  }
}
