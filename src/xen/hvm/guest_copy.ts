// SPDX-License-Identifier: GPL-2.0-only
// Copies between guest memory and the monitor, on behalf of the current vCPU.
// Behaviour of Xen 4.14.5 xen/arch/x86/hvm/hvm.c (__hvm_copy) and emulate.c (read cache).
// Differences: linear addresses are translated by the CPU host; no nested guests, no grants.
import type { vcpu } from '../common/sched.ts';
import { hvm_mmio_internal } from './io_handler.ts';
import { p2m_ioreq_server, p2m_ram_ro, p2m_ram_shared } from './p2m.ts';
import type { cache_entry, hvm_vcpu_io } from './state.ts';

export const HVMTRANS_okay = 0;
export const HVMTRANS_bad_linear_to_gfn = 1;
export const HVMTRANS_bad_gfn_to_mfn = 2;
export const HVMTRANS_unhandleable = 3;
export const HVMTRANS_gfn_paged_out = 4;
export const HVMTRANS_gfn_shared = 5;
export const HVMTRANS_need_retry = 6;
export type hvm_translation_result = 0 | 1 | 2 | 3 | 4 | 5 | 6;

const PAGE = 4096;

/** Whether the monitor can reach the frame of `gpa` for `curr`. */
function translate_get_page(curr: vcpu, gpa: number): hvm_translation_result {
  // Frames with an internal handler are never memory; asked by the frame's first byte.
  if (hvm_mmio_internal(curr, gpa - (gpa % PAGE))) return HVMTRANS_bad_gfn_to_mfn;
  const p2m = curr.domain.arch.hvm.p2m;
  if (!p2m.has_page(gpa)) return HVMTRANS_bad_gfn_to_mfn;
  return p2m.type_at(gpa) === p2m_ram_shared ? HVMTRANS_gfn_shared : HVMTRANS_okay;
}

/** Reads at most eight bytes that lie in one 8-byte unit: remembered value first. */
function read_cached(
  vio: hvm_vcpu_io,
  gpa: number,
  into: Uint8Array,
  offset: number,
  size: number,
): boolean {
  for (let i = 0; i < vio.cache_count; i++) {
    const entry = vio.cache[i] as cache_entry;
    if (entry.gpa !== gpa || entry.size !== size) continue;
    for (let n = 0; n < size; n++) into[offset + n] = entry.data[n] ?? 0;
    return true;
  }
  return false;
}

function remember(
  vio: hvm_vcpu_io,
  gpa: number,
  from: Uint8Array,
  offset: number,
  size: number,
): void {
  let entry = vio.cache[vio.cache_count];
  if (entry === undefined) {
    entry = { gpa: 0, size: 0, data: new Uint8Array(8) };
    vio.cache[vio.cache_count] = entry;
  }
  vio.cache_count++;
  entry.gpa = gpa;
  entry.size = size;
  for (let n = 0; n < size; n++) entry.data[n] = from[offset + n] ?? 0;
}

/** Copies `size` bytes at `from` in `buf` to guest-physical `gpa`. A failure may leave it half done. */
export function hvm_copy_to_guest_phys(
  curr: vcpu,
  gpa: number,
  buf: Uint8Array,
  from: number,
  size: number,
): hvm_translation_result {
  const p2m = curr.domain.arch.hvm.p2m;
  for (let done = 0; done < size; ) {
    const at = gpa + done;
    const count = Math.min(PAGE - (at % PAGE), size - done);
    const rc = translate_get_page(curr, at);
    if (rc !== HVMTRANS_okay) return rc;
    const type = p2m.type_at(at);
    if (type === p2m_ioreq_server) return HVMTRANS_bad_gfn_to_mfn;
    if (type !== p2m_ram_ro) p2m.ram.writeBytes(at, buf, from + done, count);
    done += count;
  }
  return HVMTRANS_okay;
}

/** Copies `size` bytes from guest-physical `gpa` to `into` in `buf`. */
export function hvm_copy_from_guest_phys(
  curr: vcpu,
  buf: Uint8Array,
  into: number,
  gpa: number,
  size: number,
): hvm_translation_result {
  const { p2m } = curr.domain.arch.hvm;
  const vio = curr.arch.hvm.hvm_io;
  for (let done = 0; done < size; ) {
    const at = gpa + done;
    let count = Math.min(PAGE - (at % PAGE), size - done);
    const rc = translate_get_page(curr, at);
    if (rc !== HVMTRANS_okay) return rc;
    if (vio.cache_enabled) {
      // Pieces never straddle an 8-byte boundary, so the same bytes are always keyed alike.
      count = Math.min(count, 8 - (at % 8));
      if (!read_cached(vio, at, buf, into + done, count)) {
        p2m.ram.readBytes(at, buf, into + done, count);
        remember(vio, at, buf, into + done, count);
      }
    } else {
      p2m.ram.readBytes(at, buf, into + done, count);
    }
    done += count;
  }
  return HVMTRANS_okay;
}

/** Starts remembering reads of guest memory, empty. */
export function hvmemul_cache_enable(vio: hvm_vcpu_io): void {
  vio.cache_enabled = true;
  vio.cache_count = 0;
}

/** Stops remembering. @returns whether it was on, for `hvmemul_cache_restore` */
export function hvmemul_cache_disable(vio: hvm_vcpu_io): boolean {
  const was = vio.cache_enabled;
  vio.cache_enabled = false;
  return was;
}

export function hvmemul_cache_restore(vio: hvm_vcpu_io, was: boolean): void {
  vio.cache_enabled = was;
}
