// SPDX-License-Identifier: GPL-2.0-only
// What a story is recorded in: moments of one instruction in places that are used again, and their words.
import { hex } from '../util/hex.ts';
import type { vcpu } from '../xen/common/sched.ts';
import { X86EMUL_NAMES, X86EMUL_OKAY, type x86emul_rc } from '../xen/hvm/x86_emulate.ts';
import {
  copyIoreq,
  IOREQ_READ,
  IOREQ_TYPE_PIO,
  type ioreq_t,
  newIoreq,
  STATE_IOREQ_NONE,
} from '../xen/public/hvm_ioreq.ts';

/** Who did something, and what. */
export interface StoryEvent {
  actor: string;
  event: string;
}

export type MomentKind =
  | 'exit'
  | 'deferral'
  | 'send'
  | 'refused'
  | 'access'
  | 'device-answer'
  | 'response'
  | 'do-pio'
  | 'end-deferral'
  | 'paused'
  | 'shut-down'
  | 'shutdown'
  | 'captured'
  | 'settled';

/** One event of an instruction; which fields mean something follows from its kind. */
export interface Moment {
  kind: MomentKind;
  /** deferral: granted. settled: RIP has moved on. */
  yes: boolean;
  rc: x86emul_rc;
  /** shutdown, captured: the checkpoint's number. */
  n: number;
  /** access: the server. shutdown: the window. */
  name: string;
  /** shutdown: the point or step. */
  where: string;
  /** send, refused, response: the request. access: `data`, `count` and `dir`. */
  readonly p: ioreq_t;
  /** access: the first and last element this stands for, and the first one's value. */
  element: number;
  lastElement: number;
  firstData: number;
  /** Afterwards. */
  slot: number;
  latch: number;
  deferring: boolean;
  stopping: boolean;
  /** The ledger's events that came with it: from `first`, so many. */
  first: number;
  booked: number;
}

export function newMoment(): Moment {
  return {
    kind: 'exit',
    yes: false,
    rc: X86EMUL_OKAY,
    n: 0,
    name: '',
    where: '',
    p: newIoreq(),
    element: 0,
    lastElement: 0,
    firstData: 0,
    slot: STATE_IOREQ_NONE,
    latch: STATE_IOREQ_NONE,
    deferring: false,
    stopping: false,
    first: 0,
    booked: 0,
  };
}

export function copyMoment(from: Moment): Moment {
  const to = { ...from, p: newIoreq() };
  copyIoreq(to.p, from.p);
  return to;
}

/** Notes what stands where in `v`'s domain. */
export function look(m: Moment, v: vcpu): void {
  m.latch = v.arch.hvm.hvm_io.io_req.state;
  m.deferring = v.defer_shutdown;
  m.stopping = v.domain.is_shutting_down;
  m.slot = STATE_IOREQ_NONE;
  const servers = v.domain.arch.hvm.ioreq_server;
  for (let id = 0; id < servers.length; id++) {
    const state = servers[id]?.ioreq.va?.slot(v.vcpu_id).state() ?? STATE_IOREQ_NONE;
    if (state !== STATE_IOREQ_NONE) m.slot = state;
  }
}

/** `read of 4 bytes from port 0x200` */
export function requestWords(p: ioreq_t): string {
  const where = `${p.type === IOREQ_TYPE_PIO ? 'port' : 'memory'} ${hex(p.addr)}`;
  const times = p.count > 1 ? `${p.count} x ` : '';
  const bytes = `${times}${p.size} ${p.size === 1 ? 'byte' : 'bytes'}`;
  return p.dir === IOREQ_READ ? `read of ${bytes} from ${where}` : `write of ${bytes} to ${where}`;
}

function elementWords({ element, lastElement, p }: Moment): string {
  if (p.count <= 1) return '';
  if (element === lastElement) return ` (element ${element + 1} of ${p.count})`;
  return ` (elements ${element + 1} to ${lastElement + 1} of ${p.count})`;
}

/** Whether the answer was taken in while nobody expected it. */
export function thrownAway(m: Moment): boolean {
  return m.kind === 'response' && m.p.state === STATE_IOREQ_NONE;
}

/** A moment in words, for a text; null for those that only a chart shows. */
export function storyEvent(m: Moment): StoryEvent | null {
  switch (m.kind) {
    case 'exit':
    case 'refused':
    case 'device-answer':
      return null;
    case 'deferral':
      return {
        actor: 'vcpu0',
        event: `vcpu_start_shutdown_deferral: ${m.yes ? 'granted' : 'refused'}`,
      };
    case 'send':
      return {
        actor: 'vcpu0',
        event: `hvm_send_ioreq: ${requestWords(m.p)}: ${X86EMUL_NAMES[m.rc]}`,
      };
    case 'access': {
      const verb = m.p.dir === IOREQ_READ ? 'answers' : 'receives';
      return { actor: `device ${m.name}`, event: `${verb} ${valueWords(m)}${elementWords(m)}` };
    }
    case 'response': {
      const taken = thrownAway(m) ? 'and thrown away: nothing is latched' : 'and latched';
      return {
        actor: 'vcpu0',
        event: `hvm_wait_for_io: response taken out of the slot ${taken}`,
      };
    }
    case 'do-pio':
      return {
        actor: 'vcpu0',
        event: `handle_pio: hvmemul_do_pio_buffer gave ${X86EMUL_NAMES[m.rc]}`,
      };
    case 'end-deferral':
      return { actor: 'vcpu0', event: 'vcpu_end_shutdown_deferral' };
    case 'paused':
      return { actor: 'xen', event: 'the vCPU is marked paused for the shutdown' };
    case 'shut-down':
      return { actor: 'xen', event: 'the domain is shut down' };
    case 'shutdown': {
      const where = m.where === '' ? '' : `, ${m.where}`;
      return {
        actor: 'toolstack',
        event: `domain_shutdown(SUSPEND) lands (window '${m.name}'${where})`,
      };
    }
    case 'captured':
      return { actor: 'toolstack', event: `checkpoint ${m.n} captured, domain_resume()` };
    case 'settled':
      return {
        actor: 'guest',
        event: m.yes
          ? 'the instruction retires, RIP moves on'
          : 'RIP still at the instruction: it is executed again',
      };
  }
}

/** The value, or the first and last of several. */
export function valueWords(m: Moment): string {
  return m.element === m.lastElement ? `${m.p.data}` : `${m.firstData} … ${m.p.data}`;
}
