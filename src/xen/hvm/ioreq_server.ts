// SPDX-License-Identifier: GPL-2.0-only
// Life of an ioreq server: creating, where its pages are, its ranges, enabling, destroying.
// Behaviour of Xen 4.14.5 xen/arch/x86/hvm/ioreq.c (server management).

import { rangeset } from '../common/rangeset.ts';
import { type domain, domain_pause, domain_unpause, type vcpu } from '../common/sched.ts';
import { EEXIST, EINVAL, ENOENT, ENOMEM, ENOSPC, EPERM, type errno_t } from '../public/errno.ts';
import {
  HVM_IOREQSRV_BUFIOREQ_ATOMIC,
  HVMMEM_ioreq_server,
  MAX_NR_IO_RANGES,
  MAX_NR_IOREQ_SERVERS,
  NR_IO_RANGE_TYPES,
  XEN_DMOP_IOREQ_MEM_ACCESS_WRITE,
  XENMEM_resource_ioreq_server_frame_bufioreq,
  XENMEM_resource_ioreq_server_frame_ioreq,
} from '../public/hvm_dm_op.ts';
import { relocate_portio_handler } from './io_handler.ts';
import {
  handles_bufioreq,
  hvm_add_ioreq_gfn,
  hvm_ioreq_server_alloc_pages,
  hvm_ioreq_server_map_pages,
  hvm_ioreq_server_unmap_pages,
  hvm_remove_ioreq_gfn,
} from './ioreq_server_pages.ts';
import {
  hvm_ioreq_server_add_vcpu,
  hvm_ioreq_server_remove_all_vcpus,
  hvm_ioreq_server_remove_vcpu,
  hvm_update_ioreq_evtchn,
} from './ioreq_server_vcpu.ts';
import { p2m_set_ioreq_server } from './p2m.ts';
import { type hvm_ioreq_server, INVALID_GFN } from './state.ts';

/** The server `id`, or null. Any number may be asked for. */
export function get_ioreq_server(d: domain, id: number): hvm_ioreq_server | null {
  return d.arch.hvm.ioreq_server[id] ?? null;
}

/** A server and the caller's right to it, or the negated errno. */
function find_server(d: domain, id: number, caller: number): hvm_ioreq_server | errno_t {
  const s = get_ioreq_server(d, id);
  if (s === null) return -ENOENT;
  // Whoever looks for a server is about to change it, or nearly always.
  d.arch.hvm.routing++;
  return s.emulator === caller ? s : -EPERM;
}

function hvm_ioreq_server_enable(s: hvm_ioreq_server): void {
  if (s.enabled) return;
  hvm_remove_ioreq_gfn(s.target, s.ioreq);
  hvm_remove_ioreq_gfn(s.target, s.bufioreq);
  s.enabled = true;
  for (const sv of s.ioreq_vcpu_list) hvm_update_ioreq_evtchn(s, sv);
}

function hvm_ioreq_server_disable(s: hvm_ioreq_server): void {
  if (!s.enabled) return;
  hvm_add_ioreq_gfn(s.target, s.bufioreq);
  hvm_add_ioreq_gfn(s.target, s.ioreq);
  s.enabled = false;
}

function hvm_ioreq_server_deinit(s: hvm_ioreq_server): void {
  hvm_ioreq_server_remove_all_vcpus(s);
  hvm_ioreq_server_unmap_pages(s);
  s.bufioreq.va = null;
  s.ioreq.va = null;
}

function hvm_ioreq_server_init(s: hvm_ioreq_server): errno_t {
  const d = s.target;
  for (let i = 0; i < NR_IO_RANGE_TYPES; i++) if (!d.host.alloc('heap')) return -ENOMEM;
  for (const v of d.vcpu) {
    const rc = hvm_ioreq_server_add_vcpu(s, v);
    if (rc === 0) continue;
    hvm_ioreq_server_remove_all_vcpus(s);
    hvm_ioreq_server_unmap_pages(s);
    return rc;
  }
  return 0;
}

/**
 * A new server, not enabled, without pages.
 * @param caller - domain id of the device model
 * @param bufioreq_handling - HVM_IOREQSRV_BUFIOREQ_*
 * @returns its id (0 to 7), or -EINVAL, -ENOMEM, -ENOSPC
 */
export function hvm_create_ioreq_server(
  d: domain,
  caller: number,
  bufioreq_handling: number,
): number {
  if (bufioreq_handling > HVM_IOREQSRV_BUFIOREQ_ATOMIC) return -EINVAL;
  if (!d.host.alloc('heap')) return -ENOMEM;
  domain_pause(d);
  const servers = d.arch.hvm.ioreq_server;
  d.arch.hvm.routing++;
  let rc: number = servers.indexOf(null);
  if (rc < 0) rc = servers.length < MAX_NR_IOREQ_SERVERS ? servers.length : -ENOSPC;
  if (rc >= 0) {
    const s: hvm_ioreq_server = {
      id: rc,
      target: d,
      emulator: caller,
      ioreq: { gfn: INVALID_GFN, va: null },
      bufioreq: { gfn: INVALID_GFN, va: null },
      ioreq_vcpu_list: [],
      sv: [],
      bufioreq_evtchn: 0,
      range: [
        new rangeset(MAX_NR_IO_RANGES),
        new rangeset(MAX_NR_IO_RANGES),
        new rangeset(MAX_NR_IO_RANGES),
      ],
      enabled: false,
      bufioreq_lock: d.host.new_lock(),
      bufioreq_handling,
    };
    servers[rc] = s;
    const failed = hvm_ioreq_server_init(s);
    if (failed !== 0) {
      servers[rc] = null;
      rc = failed;
    }
  }
  domain_unpause(d);
  return rc;
}

/** @returns 0, -ENOENT or -EPERM */
export function hvm_destroy_ioreq_server(d: domain, caller: number, id: number): errno_t {
  const s = find_server(d, id, caller);
  if (typeof s === 'number') return s;
  domain_pause(d);
  p2m_set_ioreq_server(d.arch.hvm.p2m, 0, s);
  hvm_ioreq_server_disable(s);
  hvm_ioreq_server_deinit(s);
  d.arch.hvm.ioreq_server[id] = null;
  domain_unpause(d);
  return 0;
}

/** Outputs of hvm_get_ioreq_server_info; what does not apply is left untouched. */
export interface ioreq_server_info {
  ioreq_gfn?: number;
  bufioreq_gfn?: number;
  bufioreq_port?: number;
}

/**
 * Where a server's pages and ring channel are. With `want_gfns` the pages are placed in the guest.
 * @returns 0, -ENOENT, -EPERM, -EINVAL, -ENOMEM, or the host's reason for not mapping a page
 */
export function hvm_get_ioreq_server_info(
  d: domain,
  caller: number,
  id: number,
  want_gfns: boolean,
  info: ioreq_server_info,
): errno_t {
  const s = find_server(d, id, caller);
  if (typeof s === 'number') return s;
  if (want_gfns) {
    const rc = hvm_ioreq_server_map_pages(s);
    if (rc !== 0) return rc;
    info.ioreq_gfn = s.ioreq.gfn;
  }
  if (handles_bufioreq(s)) {
    if (want_gfns) info.bufioreq_gfn = s.bufioreq.gfn;
    info.bufioreq_port = s.bufioreq_evtchn;
  }
  return 0;
}

/**
 * A server's page as a resource the device model maps directly; pages are made on first use.
 * @returns the page's bytes, or -ENOENT, -EPERM, -ENOMEM, -ENODATA, -EINVAL
 */
export function hvm_get_ioreq_server_frame(
  d: domain,
  caller: number,
  id: number,
  idx: number,
): Uint8Array | errno_t {
  const s = find_server(d, id, caller);
  if (typeof s === 'number') return s;
  const rc = hvm_ioreq_server_alloc_pages(s);
  if (rc !== 0) return rc;
  if (idx === XENMEM_resource_ioreq_server_frame_bufioreq) return s.bufioreq.va?.bytes ?? -ENOENT;
  if (idx === XENMEM_resource_ioreq_server_frame_ioreq(0)) return s.ioreq.va?.bytes ?? -ENOENT;
  return -EINVAL;
}

function find_range(
  d: domain,
  caller: number,
  id: number,
  type: number,
  start: number,
  end: number,
): rangeset | errno_t {
  if (start > end) return -EINVAL;
  const s = find_server(d, id, caller);
  if (typeof s === 'number') return s;
  return s.range[type] ?? -EINVAL;
}

/**
 * Gives [start, end] to a server.
 * @param type - XEN_DMOP_IO_RANGE_*
 * @returns 0, -EINVAL, -ENOENT, -EPERM, -EEXIST, -ENOMEM
 */
export function hvm_map_io_range_to_ioreq_server(
  d: domain,
  caller: number,
  id: number,
  type: number,
  start: number,
  end: number,
): errno_t {
  const r = find_range(d, caller, id, type, start, end);
  if (typeof r === 'number') return r;
  return r.overlaps_range(start, end) ? -EEXIST : r.add_range(start, end);
}

/** Takes [start, end] back. @returns 0, -EINVAL, -ENOENT, -EPERM, -ENOMEM */
export function hvm_unmap_io_range_from_ioreq_server(
  d: domain,
  caller: number,
  id: number,
  type: number,
  start: number,
  end: number,
): errno_t {
  const r = find_range(d, caller, id, type, start, end);
  if (typeof r === 'number') return r;
  return r.contains_range(start, end) ? r.remove_range(start, end) : -ENOENT;
}

/**
 * Sends writes to frames of a memory type to a server, or stops that (`flags` 0).
 * @returns 0, -EINVAL, -ENOENT, -EPERM, -EBUSY
 */
export function hvm_map_mem_type_to_ioreq_server(
  d: domain,
  caller: number,
  id: number,
  type: number,
  flags: number,
): errno_t {
  if (type !== HVMMEM_ioreq_server) return -EINVAL;
  if ((flags & ~XEN_DMOP_IOREQ_MEM_ACCESS_WRITE) !== 0) return -EINVAL;
  const s = find_server(d, id, caller);
  if (typeof s === 'number') return s;
  const { p2m } = d.arch.hvm;
  const rc = p2m_set_ioreq_server(p2m, flags, s);
  if (rc === 0 && flags === 0 && p2m.ioreq_entry_count !== 0) {
    p2m.reset_ioreq_entries();
    d.host.p2m_reset_ioreq_entries(d);
    d.host.trace.p2m_type_reset(d);
  }
  return rc;
}

/** @returns 0, -ENOENT or -EPERM */
export function hvm_set_ioreq_server_state(
  d: domain,
  caller: number,
  id: number,
  enabled: boolean,
): errno_t {
  const s = find_server(d, id, caller);
  if (typeof s === 'number') return s;
  domain_pause(d);
  if (enabled) hvm_ioreq_server_enable(s);
  else hvm_ioreq_server_disable(s);
  domain_unpause(d);
  return 0;
}

/** Records of a new vCPU at every server. @returns 0 or the first failure, with nothing left behind */
export function hvm_all_ioreq_servers_add_vcpu(d: domain, v: vcpu): errno_t {
  d.arch.hvm.routing++;
  for (let id = MAX_NR_IOREQ_SERVERS - 1; id >= 0; id--) {
    const s = get_ioreq_server(d, id);
    if (s === null) continue;
    const rc = hvm_ioreq_server_add_vcpu(s, v);
    if (rc === 0) continue;
    for (let done = id + 1; done < MAX_NR_IOREQ_SERVERS; done++) {
      const t = get_ioreq_server(d, done);
      if (t !== null) hvm_ioreq_server_remove_vcpu(t, v);
    }
    return rc;
  }
  return 0;
}

export function hvm_all_ioreq_servers_remove_vcpu(d: domain, v: vcpu): void {
  d.arch.hvm.routing++;
  for (let id = MAX_NR_IOREQ_SERVERS - 1; id >= 0; id--) {
    const s = get_ioreq_server(d, id);
    if (s !== null) hvm_ioreq_server_remove_vcpu(s, v);
  }
}

/** The end of a domain. Nothing happens once the 0xcf8 handler is gone. */
export function hvm_destroy_all_ioreq_servers(d: domain): void {
  if (!relocate_portio_handler(d, 0xcf8, 0xcf8, 4)) return;
  for (let id = MAX_NR_IOREQ_SERVERS - 1; id >= 0; id--) {
    const s = get_ioreq_server(d, id);
    if (s === null) continue;
    hvm_ioreq_server_disable(s);
    hvm_ioreq_server_deinit(s);
    d.arch.hvm.ioreq_server[id] = null;
  }
}

/** Whether `page` is any server's; null counts as any page that a server lacks. */
export function is_ioreq_server_page(d: domain, page: Uint8Array | null): boolean {
  return d.arch.hvm.ioreq_server.some(
    (s) =>
      s !== null &&
      ((s.ioreq.va?.bytes ?? null) === page || (s.bufioreq.va?.bytes ?? null) === page),
  );
}
