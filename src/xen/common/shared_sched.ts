// SPDX-License-Identifier: GPL-2.0-only
// A domain and its vCPUs whose scheduling state lies in words that several threads see. Each thread has objects of
// its own over the same words: a vCPU's thread its own vCPU with registers, everybody else one without.
import {
  announce,
  D_CRASHED,
  D_PAUSE_COUNT,
  D_SHUT_DOWN,
  D_SHUTDOWN_CODE,
  D_SHUTTING_DOWN,
  V_ASLEEP,
  V_BLOCKED,
  V_DEFER,
  V_PAUSE_COUNT,
  V_PAUSED_FOR_SHUTDOWN,
  V_RUNNING,
  V_SCHED_PENDING,
  vcpuBase,
  wakeSleeper,
} from '../../mem/domain-words.ts';
import type { XenHost } from '../host.ts';
import type { hvm_domain, hvm_vcpu } from '../hvm/state.ts';
import type { evtchn_port_t } from '../public/event_channel.ts';
import type { CrashRecord, cpu_user_regs, domain, vcpu } from './sched.ts';
import type { spinlock } from './spinlock.ts';

export class shared_domain implements domain {
  readonly domain_id: number;
  readonly vcpu: vcpu[] = [];
  readonly arch: { readonly hvm: hvm_domain };
  readonly host: XenHost;
  readonly ctxt_switch_tail: (v: vcpu) => void;
  readonly shutdown_lock: spinlock;
  suspend_evtchn: evtchn_port_t = 0;
  is_dying = false;
  readonly #words: Int32Array;
  #crashed: CrashRecord | null = null;

  constructor(
    words: Int32Array,
    parts: Pick<domain, 'arch' | 'ctxt_switch_tail' | 'domain_id' | 'host' | 'shutdown_lock'>,
  ) {
    this.#words = words;
    this.domain_id = parts.domain_id;
    this.arch = parts.arch;
    this.host = parts.host;
    this.ctxt_switch_tail = parts.ctxt_switch_tail;
    this.shutdown_lock = parts.shutdown_lock;
  }
  get is_shutting_down(): boolean {
    return Atomics.load(this.#words, D_SHUTTING_DOWN) !== 0;
  }
  set is_shutting_down(on: boolean) {
    Atomics.store(this.#words, D_SHUTTING_DOWN, on ? 1 : 0);
  }
  get is_shut_down(): boolean {
    return Atomics.load(this.#words, D_SHUT_DOWN) !== 0;
  }
  set is_shut_down(on: boolean) {
    Atomics.store(this.#words, D_SHUT_DOWN, on ? 1 : 0);
    if (on) announce(this.#words);
  }
  get shutdown_code(): number {
    // Unsigned, as SHUTDOWN_CODE_INVALID is.
    return Atomics.load(this.#words, D_SHUTDOWN_CODE) >>> 0;
  }
  set shutdown_code(code: number) {
    Atomics.store(this.#words, D_SHUTDOWN_CODE, code);
  }
  get pause_count(): number {
    return Atomics.load(this.#words, D_PAUSE_COUNT);
  }
  set pause_count(count: number) {
    Atomics.store(this.#words, D_PAUSE_COUNT, count);
  }
  change_pause_count(by: 1 | -1): void {
    const before = Atomics.add(this.#words, D_PAUSE_COUNT, by);
    if (before + by === 0) for (const v of this.vcpu) v.domain.host.vcpu_wake(v);
  }
  /** The record of the thread that saw it; elsewhere only that there was one. */
  get crashed(): CrashRecord | null {
    if (this.#crashed !== null) return this.#crashed;
    return Atomics.load(this.#words, D_CRASHED) === 0 ? null : ELSEWHERE;
  }
  set crashed(record: CrashRecord | null) {
    this.#crashed = record;
    Atomics.store(this.#words, D_CRASHED, record === null ? 0 : 1);
    announce(this.#words);
  }
}

const ELSEWHERE: CrashRecord = { reason: 'crashed in another thread' };

/** Words of one vCPU. `in_guest` and `descheduled` are its own thread's business and nobody else's. */
export class shared_vcpu implements vcpu {
  readonly vcpu_id: number;
  readonly domain: domain;
  readonly regs: cpu_user_regs;
  readonly arch: { readonly hvm: hvm_vcpu };
  in_guest = false;
  descheduled = false;
  readonly #words: Int32Array;
  readonly #base: number;
  readonly #own: boolean;

  /** @param own - whether this thread runs it; from others, a request to leave the guest is followed by a kick */
  constructor(
    words: Int32Array,
    own: boolean,
    parts: Pick<vcpu, 'arch' | 'domain' | 'regs' | 'vcpu_id'>,
  ) {
    this.#words = words;
    this.#base = vcpuBase(parts.vcpu_id);
    this.#own = own;
    this.vcpu_id = parts.vcpu_id;
    this.domain = parts.domain;
    this.regs = parts.regs;
    this.arch = parts.arch;
  }
  get defer_shutdown(): boolean {
    return Atomics.load(this.#words, this.#base + V_DEFER) !== 0;
  }
  set defer_shutdown(on: boolean) {
    Atomics.store(this.#words, this.#base + V_DEFER, on ? 1 : 0);
  }
  get paused_for_shutdown(): boolean {
    return Atomics.load(this.#words, this.#base + V_PAUSED_FOR_SHUTDOWN) !== 0;
  }
  set paused_for_shutdown(on: boolean) {
    Atomics.store(this.#words, this.#base + V_PAUSED_FOR_SHUTDOWN, on ? 1 : 0);
  }
  get pause_count(): number {
    return Atomics.load(this.#words, this.#base + V_PAUSE_COUNT);
  }
  set pause_count(count: number) {
    Atomics.store(this.#words, this.#base + V_PAUSE_COUNT, count);
  }
  change_pause_count(by: 1 | -1): void {
    const before = Atomics.add(this.#words, this.#base + V_PAUSE_COUNT, by);
    if (before + by === 0) this.domain.host.vcpu_wake(this);
  }
  get blocked_in_xen(): boolean {
    return Atomics.load(this.#words, this.#base + V_BLOCKED) !== 0;
  }
  set blocked_in_xen(on: boolean) {
    Atomics.store(this.#words, this.#base + V_BLOCKED, on ? 1 : 0);
    if (!on) wakeSleeper(this.#words, this.#base + V_ASLEEP);
  }
  get sched_pending(): boolean {
    return Atomics.load(this.#words, this.#base + V_SCHED_PENDING) !== 0;
  }
  set sched_pending(on: boolean) {
    Atomics.store(this.#words, this.#base + V_SCHED_PENDING, on ? 1 : 0);
    if (on && !this.#own) this.domain.host.vcpu_kick(this);
  }
  get is_running(): boolean {
    return Atomics.load(this.#words, this.#base + V_RUNNING) !== 0;
  }
  set is_running(on: boolean) {
    Atomics.store(this.#words, this.#base + V_RUNNING, on ? 1 : 0);
    if (!on) Atomics.notify(this.#words, this.#base + V_RUNNING);
  }
}
