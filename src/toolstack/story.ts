// SPDX-License-Identifier: GPL-2.0-only
// The events around one access, in order and in words, with Xen's function names: what a race looks like.
import type { AccessEvent } from '../dm/request.ts';
import { hex } from '../util/hex.ts';
import type { domain, vcpu } from '../xen/common/sched.ts';
import { NullTracer } from '../xen/common/trace.ts';
import { X86EMUL_NAMES, type x86emul_rc } from '../xen/hvm/x86_emulate.ts';
import { IOREQ_READ, IOREQ_TYPE_PIO, type ioreq_t } from '../xen/public/hvm_ioreq.ts';

/** Who did something, and what. */
export interface StoryEvent {
  actor: string;
  event: string;
}

/** Events kept for one access: more than any access has. */
const MOST_EVENTS = 64;

function request(p: ioreq_t): string {
  const where = `${p.type === IOREQ_TYPE_PIO ? 'port' : 'memory'} ${hex(p.addr)}`;
  const times = p.count > 1 ? `${p.count} x ` : '';
  const bytes = `${times}${p.size} ${p.size === 1 ? 'byte' : 'bytes'}`;
  return p.dir === IOREQ_READ ? `read of ${bytes} from ${where}` : `write of ${bytes} to ${where}`;
}

/** Follows one instruction with device accesses after another; keeps those that are asked for. */
export class Story extends NullTracer {
  /** The first instruction that was executed again after a device had been accessed, from its first exit to its end. */
  broken: StoryEvent[] | null = null;
  /** The instruction in which checkpoint `keepAt` fell. */
  kept: StoryEvent[] | null = null;
  /** Number of the checkpoint whose instruction is to be kept; 0: none. */
  keepAt = 0;
  /** The checkpoint whose shutdown broke the instruction of `broken`. */
  brokenAt = 0;
  #events: StoryEvent[] = [];
  /** The first checkpoint whose shutdown landed in this instruction; 0: none yet. */
  #checkpoint = 0;
  #begun = false;
  #served = false;
  #again = false;
  #keepThis = false;

  #add(actor: string, event: string): void {
    if (this.#events.length < MOST_EVENTS) this.#events.push({ actor, event });
  }

  /** The shutdown of checkpoint `n` lands, at `where`. */
  shutdown(n: number, window: string, where: string): void {
    if (this.#checkpoint === 0) {
      this.#checkpoint = n;
      // What the last checkpoint left behind does not belong to this instruction.
      if (!this.#begun) this.#events = [];
    }
    if (n === this.keepAt) this.#keepThis = true;
    this.#add(
      'toolstack',
      `domain_shutdown(SUSPEND) lands (window '${window}'${where === '' ? '' : `, ${where}`})`,
    );
  }
  captured(n: number): void {
    if (this.#events.length > 0)
      this.#add('toolstack', `checkpoint ${n} captured, domain_resume()`);
  }
  override send(_v: vcpu, _id: number, p: ioreq_t, rc: x86emul_rc): void {
    this.#add('vcpu0', `hvm_send_ioreq: ${request(p)}: ${X86EMUL_NAMES[rc]}`);
  }
  override start_deferral(_v: vcpu, granted: boolean): void {
    if (!this.#begun && this.#checkpoint === 0) this.#events = [];
    this.#begun = true;
    this.#add('vcpu0', `vcpu_start_shutdown_deferral: ${granted ? 'granted' : 'refused'}`);
  }
  override end_deferral(): void {
    if (this.#events.length > 0) this.#add('vcpu0', 'vcpu_end_shutdown_deferral');
  }
  override do_pio(_v: vcpu, rc: x86emul_rc): void {
    this.#add('vcpu0', `handle_pio: hvmemul_do_pio_buffer gave ${X86EMUL_NAMES[rc]}`);
  }
  override pause_nosync(): void {
    this.#add('xen', 'the vCPU is marked paused for the shutdown');
  }
  override finalised(_d: domain): void {
    this.#add('xen', 'the domain is shut down');
  }
  override response(_v: vcpu, _id: number, io_req: ioreq_t): void {
    const taken = io_req.state === 0 ? 'and thrown away: nothing is latched' : 'and latched';
    this.#add('vcpu0', `hvm_wait_for_io: response taken out of the slot ${taken}`);
  }
  /** A device was accessed. */
  readonly sawAccess = (event: AccessEvent): void => {
    this.#served = true;
    const value = String(event.data);
    const which = event.count > 1 ? ` (element ${event.element + 1} of ${event.count})` : '';
    this.#add(
      `device ${event.server}`,
      event.dir === IOREQ_READ ? `answers ${value}${which}` : `receives ${value}${which}`,
    );
  };

  /** The instruction is over, or starts again. */
  settled(retired: boolean): void {
    if (!retired) {
      if (this.#served) this.#again = true;
      this.#add('guest', 'RIP still at the instruction: it is executed again');
      return;
    }
    this.#add('guest', 'the instruction retires, RIP moves on');
    if (this.#again && this.broken === null) {
      this.broken = this.#events;
      this.brokenAt = this.#checkpoint;
    }
    if (this.#keepThis && this.kept === null) this.kept = this.#events;
    this.#events = [];
    this.#again = this.#served = this.#keepThis = this.#begun = false;
    this.#checkpoint = 0;
  }
}
