// SPDX-License-Identifier: GPL-2.0-only
// The killer of device models: the process dies with what it has in hand, and later the toolstack destroys its server.
// hvm_destroy_ioreq_server() pauses the domain first, which waits for every vCPU to leave its CPU: so that is two steps.
import type { Machine } from '../machine/machine.ts';
import { DOM0 } from '../machine/servers.ts';
import { domain_pause, domain_unpause } from '../xen/common/sched.ts';
import { hvm_destroy_ioreq_server } from '../xen/hvm/ioreq_server.ts';

const ALIVE = 0;
const DEAD = 1;
const PAUSING = 2;
const DESTROYED = 3;

/** The step made at each stage, in words. */
export const KILLER_STEPS: readonly string[] = [
  'dies, with what it has in hand',
  'hvm_destroy_ioreq_server(): domain_pause()',
  'hvm_destroy_ioreq_server(): no vCPU runs, the server is gone; domain_unpause()',
];

export class Killer {
  /** By server. */
  readonly stage: number[];
  most: number;
  #begun = 0;
  readonly #machine: Machine;

  /** @param most - device models that may die */
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
  alive(server: number): boolean {
    return this.stage[server] === ALIVE;
  }
  enabled(server: number): boolean {
    switch (this.stage[server]) {
      case ALIVE:
        return this.#begun < this.most;
      case DEAD:
        return true;
      case PAUSING:
        return !this.#machine.domain.vcpu.some((v) => v.is_running);
      default:
        return false;
    }
  }

  /** One indivisible step. Only called while `enabled()`. */
  step(i: number): void {
    const { domain: d, servers } = this.#machine;
    const server = servers[i];
    if (server === undefined) return;
    switch (this.stage[i]) {
      case ALIVE:
        this.#begun++;
        server.forget();
        this.stage[i] = DEAD;
        return;
      case DEAD:
        domain_pause(d);
        this.stage[i] = PAUSING;
        return;
      default:
        hvm_destroy_ioreq_server(d, DOM0, server.id);
        domain_unpause(d);
        this.stage[i] = DESTROYED;
    }
  }
}
