// SPDX-License-Identifier: GPL-2.0-only
// The killer of device models, in two steps each: the process dies with what it has in hand; then its server is
// destroyed, as Xen's toolstack does when it notices. Between the two nobody answers.
import type { Machine } from '../machine/machine.ts';
import { DOM0 } from '../machine/servers.ts';
import { hvm_destroy_ioreq_server } from '../xen/hvm/ioreq_server.ts';

const ALIVE = 0;
const DEAD = 1;
export const DESTROYED = 2;

export const KILLER_STEPS: readonly string[] = [
  'dies, with what it has in hand',
  'hvm_destroy_ioreq_server(): the server of the dead device model is gone',
];

export class Killer {
  /** By server: ALIVE, DEAD or DESTROYED. */
  readonly stage: number[];
  most: number;
  #begun = 0;
  readonly #machine: Machine;

  constructor(machine: Machine, most: number) {
    this.#machine = machine;
    this.most = most;
    this.stage = machine.servers.map(() => ALIVE);
  }

  reset(): void {
    this.stage.fill(ALIVE);
    this.#begun = 0;
  }

  /** Whether any device model has died. */
  get any(): boolean {
    return this.#begun > 0;
  }
  enabled(server: number): boolean {
    const stage = this.stage[server];
    return stage === DEAD || (stage === ALIVE && this.#begun < this.most);
  }
  alive(server: number): boolean {
    return this.stage[server] === ALIVE;
  }

  /** One indivisible step. Only called while `enabled()`. */
  step(i: number): void {
    const server = this.#machine.servers[i];
    if (server === undefined) return;
    if (this.stage[i] === ALIVE) {
      this.#begun++;
      server.forget();
    } else hvm_destroy_ioreq_server(this.#machine.domain, DOM0, server.id);
    this.stage[i] = (this.stage[i] ?? 0) + 1;
  }
}
