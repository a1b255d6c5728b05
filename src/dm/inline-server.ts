// SPDX-License-Identifier: GPL-2.0-only
// A device server on the vCPU's own thread: remembers its events, and runs as an actor or at once.
import type { Actor, Steps, WaitFor } from '../util/actor.ts';
import { clearList } from '../util/lists.ts';
import { DeviceServer, type ServerConnection } from './server.ts';

/** In the list of pending work: the buffered ring instead of a vCPU. */
const RING = -1;

/**
 * Events arrive by `event()`. Then either the driver calls `step()` while `runnable()`, one
 * indivisible step each, or `runNow()` serves all that is pending. One request is in hand at a time.
 */
export class InlineServer extends DeviceServer implements Actor {
  readonly id: number;
  /** vCPU numbers and RING, oldest event first, none twice. */
  readonly #pending: number[] = [];
  #byPort: (number | undefined)[] = [];
  #current: Steps<unknown> | null = null;
  #waitFor: WaitFor | null = null;

  /**
   * @param name - of the server; the actor is called the same
   * @param id - of the actor, unique within its driver
   */
  constructor(name: string, id = 0) {
    super(name);
    this.id = id;
  }

  override connect(connection: ServerConnection): void {
    super.connect(connection);
    this.#byPort = [];
    connection.vcpuPorts.forEach((port, vcpu) => {
      this.#byPort[port] = vcpu;
    });
    if (connection.bufferedPage !== null) this.#byPort[connection.bufferedPort] = RING;
    this.forget();
  }

  /** One of this server's event channels was signalled. Ports of others are ignored. */
  event(port: number): void {
    const what = this.#byPort[port];
    if (what !== undefined && !this.#pending.includes(what)) this.#pending.push(what);
  }

  /** Drops a request in hand and all events: for a reset or a restore. Slots are not touched. */
  forget(): void {
    clearList(this.#pending);
    this.#current = null;
    this.#waitFor = null;
  }

  /** Events not yet looked at, oldest first: vCPU numbers, -1 for the buffered ring. */
  get backlog(): readonly number[] {
    return this.#pending;
  }

  /** Whether a request is being served in steps at the moment. */
  get busy(): boolean {
    return this.#current !== null;
  }

  /** Awake, nothing in hand and no event to look at. */
  get idle(): boolean {
    return !this.asleep && this.#current === null && this.#pending.length === 0;
  }

  runnable(): boolean {
    if (this.asleep) return false;
    if (this.#current !== null) return this.#waitFor === null || this.#waitFor();
    return this.#pending.length > 0;
  }

  step(): void {
    this.#current ??= this.#next();
    if (this.#current === null) return;
    const result = this.#current.next();
    this.#waitFor = result.done === true ? null : (result.value ?? null);
    if (result.done === true) this.#current = null;
  }

  /**
   * Finishes the request in hand, then serves all that is pending, including what these answers
   * bring about. @returns whether anything was served
   */
  runNow(): boolean {
    let worked = false;
    while (this.#current !== null && this.runnable()) {
      this.step();
      worked = true;
    }
    while (!this.asleep && this.#current === null) {
      const pending = this.#pending;
      if (pending.length === 0) return worked;
      // Nearly always one event: taking the last is a fraction of the cost of taking the first.
      const what = (pending.length === 1 ? pending.pop() : pending.shift()) as number;
      const served = what === RING ? this.drainBufferedNow() > 0 : this.serveNow(what);
      worked = served || worked;
    }
    return worked;
  }

  #next(): Steps<unknown> | null {
    const what = this.#pending.shift();
    if (what === undefined) return null;
    return what === RING ? this.drainBuffered() : this.serve(what);
  }
}
