// SPDX-License-Identifier: GPL-2.0-only
// Starts, watches and stops the thread of a device model.
import {
  MessageChannel,
  type MessagePort,
  receiveMessageOnPort,
  Worker,
} from 'node:worker_threads';
import type { DeviceSpec } from '../../dm/registry.ts';
import type { ServerState } from '../../dm/server.ts';
import { COMMAND_NONE, COMMAND_RESTORE } from '../../dm/worker-loop.ts';
import {
  announce,
  D_DEAD_SERVERS,
  S_ASLEEP,
  S_COMMAND,
  serverBase,
  V_ASLEEP,
  vcpuBase,
  wakeSleeper,
} from '../../mem/domain-words.ts';
import { HvmError } from '../../util/errors.ts';
import { deviceLabel, serverOfDevice } from '../servers.ts';
import { type DeviceReport, type DeviceWorkerMessage, readDeviceMessage } from './device-report.ts';
import type { DomainMemory } from './domain-memory.ts';
import { loaded } from './wait-async.ts';

/** What a device model's thread is started with. */
export interface DeviceWorkerData {
  memory: DomainMemory;
  /** Number of its server. */
  server: number;
  /** Of the server. */
  name: string;
  /** `name@range`, as on the command line. */
  devices: readonly string[];
  /** Imported first: modules that register devices. URLs. */
  modules: readonly string[];
  /** Looks for work before the thread sleeps. */
  spins: number;
  port: MessagePort;
}

/** Messages taken in at a time: a device model that never stops talking is not to be listened to for ever. */
const MOST_MESSAGES = 10_000;

/** Servers and their devices, as `Machine` makes them of the same list. */
export function serverPlan(devices: readonly DeviceSpec[]): { name: string; devices: string[] }[] {
  const plan: { name: string; devices: string[] }[] = [];
  devices.forEach(({ factory, range }, index) => {
    const id = serverOfDevice(index);
    const server = plan[id] ?? { name: factory.name, devices: [] };
    server.devices.push(deviceLabel(factory.name, range));
    plan[id] = server;
  });
  return plan;
}

/** One device model's thread, seen from outside. */
export class DeviceThread {
  readonly server: number;
  readonly name: string;
  /** Bytes its devices have written to consoles go here. */
  onOutput: ((bytes: Uint8Array) => void) | null = null;
  /** The answer to the last COMMAND_REPORT. */
  report: DeviceReport | null = null;
  /** Messages that made no sense. */
  garbage = 0;
  /** Why it died, or null while it lives or was asked to stop. */
  death: string | null = null;
  /** Why it has not taken a state, or null. */
  refusal: string | null = null;
  /** Of the command that was started for it, or null. */
  protected pid: number | null = null;
  /** Its end is wanted. */
  protected stopping = false;
  protected readonly gone: Promise<void>;
  readonly #words: Int32Array;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #vcpus: number;
  readonly #devices: readonly string[];
  /** Its thread says that it serves. */
  readonly #up: Promise<void>;

  constructor(data: Omit<DeviceWorkerData, 'port'>, main: URL = DEVICE_WORKER) {
    const { port1, port2 } = new MessageChannel();
    this.server = data.server;
    this.name = data.name;
    this.#words = new Int32Array(data.memory.words);
    this.#vcpus = data.memory.vcpus;
    this.#devices = data.devices;
    this.#port = port1;
    this.#worker = new Worker(main, {
      workerData: { ...data, port: port2 } satisfies DeviceWorkerData,
      transferList: [port2],
      name: `server:${data.name}`,
    });
    this.#up = new Promise((resolve) => {
      this.#worker.once('message', () => resolve());
    });
    this.gone = new Promise((resolve) => {
      // Anything can be thrown, and not all of it is an Error here.
      this.#worker.on('error', (error: unknown) => {
        this.death ??= error instanceof Error ? String(error.message) : `it threw ${typeof error}`;
      });
      this.#worker.on('exit', (code) => {
        this.hear();
        if (!this.stopping) this.#died(`its thread ended with code ${code}`);
        resolve();
      });
    });
  }

  /** @throws HvmError HVM_DEVICE_DEAD when it does not come up */
  async ready(): Promise<void> {
    await Promise.race([this.#up, this.gone]);
    if (this.death === null) return;
    throw new HvmError(
      'HVM_DEVICE_DEAD',
      `device model '${this.name}' does not start: ${this.death}`,
    );
  }

  /** Takes in what it has said. */
  hear(): void {
    for (let n = 0; n < MOST_MESSAGES; n++) {
      let next: { message: unknown } | undefined;
      try {
        next = receiveMessageOnPort(this.#port);
      } catch {
        // A message that cannot be had here.
        this.garbage++;
        continue;
      }
      if (next === undefined) return;
      const message = readDeviceMessage(next.message, this.#devices, this.#vcpus);
      if (message === null) this.garbage++;
      else this.#handle(message);
    }
  }

  /** Asks for one of the COMMAND_*; `idle` says when it is done. */
  command(command: number): void {
    const base = serverBase(this.server);
    Atomics.store(this.#words, base + S_COMMAND, command);
    wakeSleeper(this.#words, base + S_ASLEEP);
  }

  /** Puts a saved state back; `idle` says when, and `refusal`, after `hear()`, why not. */
  restore(state: ServerState): void {
    this.refusal = null;
    this.#port.postMessage(state);
    this.command(COMMAND_RESTORE);
  }

  /** Whether no command is outstanding; a dead one has none. */
  get idle(): boolean {
    return (
      this.death !== null ||
      Atomics.load(this.#words, serverBase(this.server) + S_COMMAND) === COMMAND_NONE
    );
  }

  /** Index of the word that changes when a command is done. */
  get commandWord(): number {
    return serverBase(this.server) + S_COMMAND;
  }

  /** Ends the thread, whatever it does. */
  async stop(): Promise<void> {
    this.stopping = true;
    await loaded(this.#up, this.gone);
    await this.#worker.terminate();
    await this.gone;
    this.hear();
    this.#port.close();
  }

  /** Kills the thread as if it had crashed. */
  kill(): void {
    void this.#worker.terminate();
  }

  /** It hangs: counts as dead from now on, and is ended. @param why - for messages */
  giveUp(why: string): void {
    this.#died(why);
    this.kill();
  }

  #handle(message: DeviceWorkerMessage): void {
    if (message.what === 'output') this.onOutput?.(message.bytes);
    else if (message.what === 'report') this.report = message;
    else if (message.what === 'death') {
      // Said again when more of it is known.
      if (message.why.startsWith(this.death ?? '')) this.death = message.why;
    } else if (message.what === 'refused') this.refusal = message.why;
    else this.pid = message.pid;
  }

  #died(why: string): void {
    this.death ??= why;
    Atomics.or(this.#words, D_DEAD_SERVERS, 1 << this.server);
    for (let vcpu = 0; vcpu < this.#vcpus; vcpu++) {
      wakeSleeper(this.#words, vcpuBase(vcpu) + V_ASLEEP);
    }
    announce(this.#words);
  }
}

const DEVICE_WORKER = new URL('./device-worker.js', import.meta.url);
