// SPDX-License-Identifier: GPL-2.0-only
// What the port needs from outside, and its only way up; with defaults that do nothing.

import { newSharedPage } from '../mem/shared-page.ts';
import { NO_POINTS, type Points } from './common/points.ts';
import type { domain, vcpu } from './common/sched.ts';
import { NO_LOCK, type spinlock } from './common/spinlock.ts';
import { NullTracer, type Tracer } from './common/trace.ts';
import { REVISIONS, type XenRevision } from './hvm/revision.ts';

/** A heap object, a page of the domain, a global mapping: what can run out. */
export type AllocKind = 'heap' | 'domheap' | 'gettype' | 'mapglobal';

export interface XenHost {
  readonly revision: XenRevision;
  readonly points: Points;
  readonly trace: Tracer;
  /** A port of `d` was signalled: towards a device model, or the suspend channel. */
  evtchn_send(d: domain, port: number): void;
  /** A virtual interrupt for the control domain: VIRQ_DOM_EXC. */
  send_global_virq(d: domain, virq: number): void;
  /** A new channel. @returns port above 0, or a negated errno */
  evtchn_alloc(d: domain, vcpu_id: number, remote: number): number;
  evtchn_free(d: domain, port: number): void;
  /** False makes the allocation fail. */
  alloc(what: AllocKind): boolean;
  /** The page at `gfn`, for a ring placed in the guest's address space. @returns or a negated errno */
  map_ring_page(d: domain, gfn: number): Uint8Array | number;
  /** Takes a ring page out of the guest's address space. @returns 0 or a negated errno */
  guest_physmap_remove_page(d: domain, gfn: number): number;
  /** Puts it back. @returns 0 or a negated errno */
  guest_physmap_add_page(d: domain, gfn: number): number;
  /** Every p2m_ioreq_server entry becomes ordinary RAM again. */
  p2m_reset_ioreq_entries(d: domain): void;
  /** domain_crash of another domain than the guest. */
  crash_domain(domid: number): void;
  /** Work of the virtual PCI bus is left: resume later. */
  vpci_process_pending(v: vcpu): boolean;
  /** Bit 46 of MSR_AMD64_NB_CFG, which opens extended configuration space; false if unreadable. */
  nb_cfg_cf8_ext(d: domain): boolean;
  /** A fresh, zeroed page for device model and hypervisor to share. */
  alloc_shared_page(): Uint8Array;
  /** A lock of the domain, in the same order in every thread. */
  new_lock(): spinlock;
  /** Returns once `v`, which may not run any more, has left its CPU; at once where nobody else executes. */
  vcpu_sleep_sync(v: vcpu): void;
  /** Something that kept `v` from running is gone: its thread looks again. */
  vcpu_wake(v: vcpu): void;
  /** Makes `v`, which another thread runs, leave the guest. */
  vcpu_kick(v: vcpu): void;
  /** The guest's time in ns since it was started. */
  hvm_get_guest_time(d: domain): number;
  /** Hands an exception to the guest before its next instruction. */
  inject_hw_exception(v: vcpu, vector: number, ec: number): void;
}

/** A host that grants everything and hears nothing; `overrides` replace any part. */
export function createXenHost(overrides: Partial<XenHost> = {}): XenHost {
  let nextPort = 1;
  const rings: Uint8Array[] = [];
  return {
    revision: REVISIONS.exact,
    points: NO_POINTS,
    trace: new NullTracer(),
    evtchn_send: () => {},
    send_global_virq: () => {},
    evtchn_alloc: () => nextPort++,
    evtchn_free: () => {},
    alloc: () => true,
    map_ring_page: (_d, gfn) => {
      const page = rings[gfn] ?? newSharedPage();
      rings[gfn] = page;
      return page;
    },
    guest_physmap_remove_page: () => 0,
    guest_physmap_add_page: () => 0,
    p2m_reset_ioreq_entries: () => {},
    crash_domain: () => {},
    vpci_process_pending: () => false,
    nb_cfg_cf8_ext: () => false,
    alloc_shared_page: newSharedPage,
    new_lock: () => NO_LOCK,
    vcpu_sleep_sync: () => {},
    vcpu_wake: () => {},
    vcpu_kick: () => {},
    hvm_get_guest_time: () => 0,
    inject_hw_exception: () => {},
    ...overrides,
  };
}
