// SPDX-License-Identifier: GPL-2.0-only
// The complete state of a replayed domain in the form of the recordings.
import type { domain, vcpu } from '../../src/xen/common/sched.ts';
import { hvm_io_pending } from '../../src/xen/hvm/ioreq.ts';
import { get_ioreq_server } from '../../src/xen/hvm/ioreq_server.ts';
import type { hvm_ioreq_server } from '../../src/xen/hvm/state.ts';
import { MAX_NR_IOREQ_SERVERS } from '../../src/xen/public/hvm_dm_op.ts';
import type { ioreq_t } from '../../src/xen/public/hvm_ioreq.ts';
import { SHUTDOWN_CODE_INVALID } from '../../src/xen/public/sched.ts';
import { REGISTER_NAMES, type ReplayRegs } from './registers.ts';
import { hex, hex64, hexOf, type JsonObject } from './scenario.ts';

function dumpRequest(p: ioreq_t): JsonObject {
  return {
    addr: hex(p.addr),
    data: hex64(p.data, p.data_hi),
    count: p.count,
    size: p.size,
    vp_eport: p.vp_eport,
    state: p.state,
    data_is_ptr: p.data_is_ptr ? 1 : 0,
    dir: p.dir,
    df: p.df ? 1 : 0,
    type: p.type,
  };
}

/** A slot from its raw bytes, independent of how the port reads it. */
function dumpSlot(page: Uint8Array, vcpu: number): JsonObject {
  const view = new DataView(page.buffer, page.byteOffset + 32 * vcpu, 32);
  const flags = view.getUint8(30);
  return {
    addr: hex(view.getBigUint64(0, true)),
    data: hex(view.getBigUint64(8, true)),
    count: view.getUint32(16, true),
    size: view.getUint32(20, true),
    vp_eport: view.getUint32(24, true),
    state: flags & 15,
    data_is_ptr: (flags >> 4) & 1,
    dir: (flags >> 5) & 1,
    df: (flags >> 6) & 1,
    type: view.getUint8(31),
  };
}

function dumpRing(page: Uint8Array): JsonObject {
  const view = new DataView(page.buffer, page.byteOffset, page.length);
  const slots: JsonObject = {};
  for (let i = 0; i < 511; i++) {
    const entry = page.subarray(8 + 8 * i, 16 + 8 * i);
    if (entry.some((byte) => byte !== 0)) slots[i] = hexOf(entry);
  }
  return {
    read_pointer: view.getUint32(0, true),
    write_pointer: view.getUint32(4, true),
    slots,
  };
}

function dumpVcpu(v: vcpu, regs: ReplayRegs, withSuspended: boolean): JsonObject {
  const vio = v.arch.hvm.hvm_io;
  return {
    in_guest: v.in_guest,
    defer_shutdown: v.defer_shutdown,
    paused_for_shutdown: v.paused_for_shutdown,
    pause_count: v.pause_count,
    blocked_in_xen: v.blocked_in_xen,
    sched_pending: v.sched_pending,
    regs: Object.fromEntries(REGISTER_NAMES.map((name) => [name, hex(regs.get(name))])),
    io_pending: hvm_io_pending(v),
    vio: {
      io_completion: vio.io_completion,
      ...(withSuspended ? { suspended: vio.suspended } : {}),
      mmio_retry: vio.mmio_retry,
      mmio_insn_bytes: vio.mmio_insn_bytes,
      mmio_access: {
        gla_valid: vio.mmio_access.gla_valid ? 1 : 0,
        read: vio.mmio_access.read_access ? 1 : 0,
        write: vio.mmio_access.write_access ? 1 : 0,
      },
      mmio_gla: hex(vio.mmio_gla),
      mmio_gpfn: hex(vio.mmio_gpfn),
      cache_enabled: vio.cache_enabled,
      mmio_cache: vio.mmio_cache.slice(0, vio.mmio_cache_count).map((entry) => ({
        gla: hex(entry.gla),
        size: entry.size,
        dir: entry.dir,
        buffer: hexOf(entry.buffer.subarray(0, entry.size)),
      })),
      io_req: dumpRequest(vio.io_req),
    },
  };
}

function dumpServer(s: hvm_ioreq_server, served: number): JsonObject {
  const page = s.ioreq.va?.bytes;
  const ring = s.bufioreq.va?.bytes;
  const vcpus: JsonObject = {};
  for (const sv of s.ioreq_vcpu_list) {
    const id = sv.vcpu.vcpu_id;
    vcpus[id] = {
      ioreq_evtchn: sv.ioreq_evtchn,
      pending: sv.pending,
      ...(page === undefined ? {} : { slot: dumpSlot(page, id) }),
    };
  }
  return {
    served,
    enabled: s.enabled,
    bufioreq_handling: s.bufioreq_handling,
    bufioreq_evtchn: s.bufioreq_evtchn,
    vcpus,
    ...(ring === undefined ? {} : { bufioreq: dumpRing(ring) }),
  };
}

/**
 * @param served - requests answered so far, by server id
 * @param withSuspended - only the fixed code has that field
 */
export function dumpState(
  d: domain,
  regs: readonly ReplayRegs[],
  served: readonly number[],
  withSuspended: boolean,
): JsonObject {
  const vcpus: JsonObject = {};
  for (const v of d.vcpu) {
    vcpus[v.vcpu_id] = dumpVcpu(v, regs[v.vcpu_id] as ReplayRegs, withSuspended);
  }
  const servers: JsonObject = {};
  for (let id = 0; id < MAX_NR_IOREQ_SERVERS; id++) {
    const s = get_ioreq_server(d, id);
    if (s !== null) servers[id] = dumpServer(s, served[id] ?? 0);
  }
  return {
    domain: {
      is_shutting_down: d.is_shutting_down,
      is_shut_down: d.is_shut_down,
      shutdown_code: d.shutdown_code === SHUTDOWN_CODE_INVALID ? -1 : d.shutdown_code,
      pause_count: d.pause_count,
      cf8: hex(d.arch.hvm.pci_cf8),
    },
    vcpus,
    servers,
  };
}
