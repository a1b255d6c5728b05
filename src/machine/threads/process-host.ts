// SPDX-License-Identifier: GPL-2.0-only
// A device model in another process, seen from outside: the thread that stands for it, and where its socket is.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { DeviceProcessOptions } from '../../dm/process/spec.ts';
import { COMMAND_RESET, COMMAND_STOP } from '../../dm/worker-loop.ts';
import { D_DEAD_SERVERS, S_ASLEEP, serverBase, wakeSleeper } from '../../mem/domain-words.ts';
import { killGroup } from './child-command.ts';
import { DeviceThread, type DeviceWorkerData } from './device-host.ts';
import { within } from './wait-async.ts';

/** What the thread of such a device model is started with. */
export interface BridgeWorkerData extends DeviceWorkerData {
  /** Path. */
  socket: string;
  /** The socket is alone in its folder, which goes with it. */
  ownFolder: boolean;
  command: readonly string[] | null;
  connectTimeoutMs: number;
  /** A command that is asked to stop may take so long. */
  graceMs: number;
}

const CONNECT_TIMEOUT_MS = 10_000;
const GRACE_MS = 500;

export class DeviceProcess extends DeviceThread {
  readonly socket: string;
  readonly #words: Int32Array;
  readonly #folder: string | null;

  /** @param options - checked by `withProcesses()` */
  constructor(data: Omit<DeviceWorkerData, 'port'>, options: DeviceProcessOptions) {
    const { command = null, connectTimeoutMs = CONNECT_TIMEOUT_MS } = options;
    // Only its owner can enter such a folder.
    const socket = options.socket ?? join(mkdtempSync(join(tmpdir(), 'trapline-')), 'device');
    const ownFolder = options.socket === undefined;
    const more = { socket, ownFolder, command, connectTimeoutMs, graceMs: GRACE_MS };
    super(
      { ...data, ...more } satisfies Omit<BridgeWorkerData, 'port'> as typeof data,
      BRIDGE_WORKER,
    );
    this.socket = socket;
    this.#folder = ownFolder ? dirname(socket) : null;
    this.#words = new Int32Array(data.memory.words);
  }

  get #isDead(): boolean {
    return ((Atomics.load(this.#words, D_DEAD_SERVERS) >>> this.server) & 1) !== 0;
  }

  override get idle(): boolean {
    return this.#isDead || super.idle;
  }

  /** To the state after power-on; `idle` says when. */
  reset(): void {
    this.command(COMMAND_RESET);
  }

  /** The thread stays until it has seen the other process end. */
  override kill(): void {
    Atomics.or(this.#words, D_DEAD_SERVERS, 1 << this.server);
    wakeSleeper(this.#words, serverBase(this.server) + S_ASLEEP);
  }

  override async stop(): Promise<void> {
    this.stopping = true;
    this.command(COMMAND_STOP);
    const ended = await within(this.gone, 10 * GRACE_MS);
    this.hear();
    // Its thread sees to its end; should that hang, nothing is left behind all the same.
    if (!ended && this.pid !== null) killGroup(this.pid);
    await super.stop();
    // Left only if nobody has connected.
    rmSync(this.#folder ?? this.socket, { recursive: this.#folder !== null, force: true });
  }
}

const BRIDGE_WORKER = new URL('./bridge-worker.js', import.meta.url);
