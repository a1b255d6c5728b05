// SPDX-License-Identifier: GPL-2.0-only
// Main file of the thread that stands for a device model in another process: waits for its connection, hands over the
// set-up, and is the server's device model towards the domain. It outlives the other side, whatever that does.
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { readHello, stateBytes } from '../../dm/process/documents.ts';
import {
  encodeFrame,
  jsonBytes,
  MAX_DOCUMENT_BYTES,
  ProtocolError,
  SETUP,
  STOP,
} from '../../dm/process/frames.ts';
import { ModelLink } from '../../dm/process/link.ts';
import { parseServedDevice } from '../../dm/process/spec.ts';
import type { ServerState } from '../../dm/server.ts';
import { COMMAND_NONE } from '../../dm/worker-loop.ts';
import {
  announce,
  D_DEAD_SERVERS,
  S_COMMAND,
  serverBase,
  V_ASLEEP,
  vcpuBase,
  wakeSleeper,
} from '../../mem/domain-words.ts';
import { GuestRam } from '../../mem/guest-ram.ts';
import { BridgeLoop } from './bridge-loop.ts';
import { Reports } from './bridge-reports.ts';
import { setUpOf } from './bridge-set-up.ts';
import { ChildCommand } from './child-command.ts';
import type { DeviceWorkerMessage } from './device-report.ts';
import { sharedPage } from './domain-memory.ts';
import type { BridgeWorkerData } from './process-host.ts';
import { VcpuShares } from './vcpu-shares.ts';
import { within } from './wait-async.ts';

const CLOSED = 'the connection ended';

class Bridge {
  readonly #data: BridgeWorkerData;
  readonly #words: Int32Array;
  readonly #listener: Server;
  readonly #link: ModelLink;
  readonly #loop: BridgeLoop;
  readonly #ready: Promise<void>;
  #child: ChildCommand | null = null;
  #socket: Socket | null = null;
  #output: Buffer[] = [];
  #over = false;

  constructor(data: BridgeWorkerData) {
    this.#data = data;
    const { memory, server, devices } = data;
    const words = new Int32Array(memory.words);
    this.#words = words;
    const setUp = setUpOf(data);
    const keys = setUp.devices.map((d) => d.key);
    const ram = new GuestRam(memory.ramBytes, memory.ram);
    const reports = new Reports(memory, server);
    const ranges = devices.map((text) => [text, parseServedDevice(text).range] as const);
    const shares = new VcpuShares(memory.vcpus, new Map(ranges));
    const { promise, resolve } = latch();
    this.#ready = promise;
    this.#link = new ModelLink({
      server: data.name,
      vcpus: memory.vcpus,
      ioreqPage: sharedPage(memory, 2 * server),
      bufferedPage: sharedPage(memory, 2 * server + 1),
      ram,
      send: (frame) => this.#send(frame),
      notify: reports.notify,
      onAccess: (event) => {
        shares.carried(event);
        reports.onAccess(event);
      },
      onStored: reports.onStored,
      onOutput: (bytes) => this.#output.push(Buffer.from(bytes)),
      onLine: reports.onLine,
      onVerdict: reports.onVerdict,
      onHello: (payload) => {
        readHello(payload);
        this.#link.ask(SETUP, jsonBytes(setUp), (ok) => {
          if (!ok) throw new ProtocolError(`it does not take ${devices.join(', ')}`);
          resolve();
          parentPort?.postMessage('ready');
        });
      },
    });
    this.#loop = new BridgeLoop({
      words,
      server,
      vcpus: memory.vcpus,
      link: this.#link,
      keys,
      spins: data.spins,
      report: (all, state) => {
        const counts = Object.entries(all);
        const totals = counts.map(([k, { reads, writes }]) => [k, { reads, writes }] as const);
        this.#post({
          what: 'report',
          witnesses: shares.split(Object.fromEntries(totals)),
          testimonies: Object.fromEntries(counts.map(([k, { facts }]) => [k, facts])),
          state,
        });
      },
      stateToRestore: () => {
        const state = receiveMessageOnPort(data.port)?.message as ServerState;
        return stateBytes(state, MAX_DOCUMENT_BYTES);
      },
      refused: (why) => this.#post({ what: 'refused', why }),
      idle: () => this.#flush(),
      stop: () => void this.#stop(),
      fail: (why) => void this.#fail(why),
    });
    this.#listener = createServer((socket) => this.#connected(socket));
    this.#listener.on('error', (error) => void this.#fail(`no socket: ${error.message}`));
  }

  start(): void {
    const { socket, command, connectTimeoutMs } = this.#data;
    this.#listener.listen(socket, () => {
      chmodSync(socket, 0o600);
      if (command !== null) {
        const child = new ChildCommand(command, socket);
        this.#child = child;
        if (child.pid !== undefined) this.#post({ what: 'started', pid: child.pid });
        void child.exited.then(() => {
          if (this.#socket === null) void this.#fail('it does not connect');
        });
      }
    });
    // From here on it can be told to stop.
    this.#loop.pump();
    void within(this.#ready, connectTimeoutMs).then((came) => {
      if (came || this.#over) return;
      const what = this.#socket === null ? 'does not connect' : 'is not ready';
      void this.#fail(`it ${what} within ${connectTimeoutMs} ms`);
    });
  }

  #connected(socket: Socket): void {
    if (this.#socket !== null || this.#over) {
      socket.destroy();
      return;
    }
    this.#socket = socket;
    // One device model: the socket's file goes, and nobody else can connect.
    this.#listener.close();
    if (this.#data.ownFolder) rmSync(dirname(this.#data.socket), { recursive: true, force: true });
    socket.on('data', (bytes) => this.#loop.receive(bytes));
    socket.on('error', () => {});
    socket.on('close', () => void this.#fail(CLOSED));
  }

  #send(frame: Buffer): void {
    if (!this.#over && this.#socket?.writable) this.#socket.write(frame);
  }

  #post(message: DeviceWorkerMessage): void {
    this.#data.port.postMessage(message);
  }

  #flush(): void {
    if (this.#output.length === 0) return;
    this.#post({ what: 'output', bytes: Uint8Array.from(Buffer.concat(this.#output)) });
    this.#output = [];
  }

  /** The device model is dead to us: whoever waits for it is told first, then it is ended. */
  async #fail(why: string): Promise<void> {
    if (this.#over) return;
    const reason = `${why}${this.#link.waitingFor}`;
    this.#close();
    this.#flush();
    this.#post({ what: 'death', why: reason });
    const words = this.#words;
    const { server, memory, graceMs } = this.#data;
    Atomics.or(words, D_DEAD_SERVERS, 1 << server);
    Atomics.store(words, serverBase(server) + S_COMMAND, COMMAND_NONE);
    for (let vcpu = 0; vcpu < memory.vcpus; vcpu++) wakeSleeper(words, vcpuBase(vcpu) + V_ASLEEP);
    announce(words);
    const child = this.#child;
    let more = '';
    if (child !== null) {
      // One that has closed its connection is about to end, and how it does says more.
      if (why === CLOSED) await within(child.exited, graceMs);
      if (child.ended !== null) more = `; its command ${child.ended}`;
      child.kill();
      await child.exited;
      if (child.lastWords !== '') more += `: ${child.lastWords}`;
    }
    this.#post({ what: 'death', why: `${reason}${more}` });
  }

  /** Asked to stop: the device model is told, and ends within its time of grace or is ended. */
  async #stop(): Promise<void> {
    if (this.#over) return;
    this.#send(encodeFrame(STOP, 0));
    this.#socket?.end();
    this.#over = true;
    this.#loop.end();
    this.#listener.close();
    if (this.#child !== null && !(await within(this.#child.exited, this.#data.graceMs))) {
      this.#child.kill();
      await this.#child.exited;
    }
    this.#socket?.destroy();
    this.#flush();
  }

  #close(): void {
    this.#over = true;
    this.#loop.end();
    this.#listener.close();
    this.#socket?.destroy();
  }
}

function latch(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((r) => {
    resolve = r;
  });
  return { promise, resolve };
}

new Bridge(workerData as BridgeWorkerData).start();
