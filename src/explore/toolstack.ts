// SPDX-License-Identifier: GPL-2.0-only
// The toolstack as an actor: a checkpoint in the steps that others can come between.
import type { Machine } from '../machine/machine.ts';
import { inFlight } from '../toolstack/checkpoint.ts';
import type { SessionFaults } from '../toolstack/museum/bug.ts';
import { domain_resume, domain_shutdown } from '../xen/common/domain.ts';
import { domain_pause, domain_unpause } from '../xen/common/sched.ts';
import { HVMIO_no_completion } from '../xen/hvm/state.ts';
import { SHUTDOWN_suspend } from '../xen/public/sched.ts';

/** Where it stands: the step it makes next. */
export const AT_REST = 0;
const PAUSE = 1;
const QUIESCE = 2;
const CAPTURE = 3;
const RESUME = 4;

/** The step made when the actor stands at each place, in words. */
export const TOOLSTACK_STEPS: readonly string[] = [
  'domain_shutdown(SUSPEND)',
  'domain_pause(), because the domain is shut down',
  'the device models finish what they have in hand and go to sleep',
  'the domain is captured',
  'domain_resume() and domain_unpause(): the domain goes on',
];

/** What hears of checkpoints. */
export interface CheckpointHooks {
  /** Before the CPUs are brought to a boundary by the host. */
  settling(): void;
  /** A toolstack at fault has saved the devices of a domain that has not stopped. */
  devicesSaved(): void;
  /** A toolstack at fault has saved a domain that is not paused. */
  saved(n: number, problems: readonly string[]): void;
  /** Nothing moves; `problems` is empty when the state is one the guest could have been in. */
  captured(n: number, problems: readonly string[]): void;
  resumed(n: number): void;
}

export class ToolstackActor {
  /** The step to come. */
  at: number = AT_REST;
  /** Checkpoints begun. */
  n = 0;
  /** Checkpoints it may take. */
  most: number;
  readonly #machine: Machine;
  readonly #hooks: CheckpointHooks;
  readonly #faults: SessionFaults;

  constructor(machine: Machine, most: number, faults: SessionFaults, hooks: CheckpointHooks) {
    this.#faults = faults;
    this.#machine = machine;
    this.most = most;
    this.#hooks = hooks;
  }

  reset(): void {
    this.at = AT_REST;
    this.n = 0;
  }

  #inMotion(): string[] {
    const { vcpus } = this.#machine;
    if (vcpus.length === 1) return inFlight(this.#machine);
    return vcpus.flatMap((parts) => inFlight(this.#machine, parts));
  }

  /** What a domain that is called shut down has still to get, as sentences. */
  #toCome(): string[] {
    const waits = this.#machine.domain.vcpu.some(
      (v) => v.arch.hvm.hvm_io.io_completion !== HVMIO_no_completion,
    );
    return waits
      ? ['saved on the signal, before the answer has reached its register or memory']
      : [];
  }

  enabled(): boolean {
    switch (this.at) {
      case AT_REST:
        return this.n < this.most;
      case PAUSE:
        return this.#machine.domain.is_shut_down;
      case QUIESCE:
        // domain_pause() returns once the vCPU has left its CPU; device models are asked to finish, not cut off.
        for (const v of this.#machine.domain.vcpu) if (v.is_running) return false;
        for (const server of this.#machine.servers) if (server.busy) return false;
        return true;
      default:
        return true;
    }
  }

  /** One indivisible step. Only called while `enabled()`. */
  step(): void {
    const { domain: d, servers, vcpus } = this.#machine;
    switch (this.at) {
      case AT_REST:
        this.n++;
        if (this.#faults.savesDevicesFirst) this.#hooks.devicesSaved();
        domain_shutdown(d, SHUTDOWN_suspend);
        this.at = PAUSE;
        return;
      case PAUSE:
        // Saved on the signal: what is still to come is missing in it.
        if (this.#faults.savesUnpaused) this.#hooks.saved(this.n, this.#toCome());
        domain_pause(d);
        this.at = QUIESCE;
        return;
      case QUIESCE:
        this.#hooks.settling();
        for (const { regs } of vcpus) {
          if (this.#faults.stopReplays && regs.pending) regs.forget();
          regs.settle();
        }
        for (const server of servers) {
          server.drainBufferedNow();
          server.sleep();
        }
        this.at = CAPTURE;
        return;
      case CAPTURE:
        this.#hooks.captured(this.n, this.#inMotion());
        this.at = RESUME;
        return;
      default:
        this.#hooks.resumed(this.n);
        for (const server of servers) server.wake();
        domain_resume(d);
        domain_unpause(d);
        this.at = AT_REST;
    }
  }
}
