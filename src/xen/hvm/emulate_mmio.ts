// SPDX-License-Identifier: GPL-2.0-only
// Memory accesses of an instruction by linear address, and the cache of those already made by it.
// Behaviour of Xen 4.14.5 xen/arch/x86/hvm/emulate.c (hvmemul_linear_mmio_access, linear_read, linear_write).
// Differences: the CPU host hands over accesses that lie within one page; instruction fetches and
// RAM mapped for read-modify-write are its own business; switch mmio_cache_grows.
import { domain_crash } from '../common/domain.ts';
import type { vcpu } from '../common/sched.ts';
import { IOREQ_READ, IOREQ_WRITE, type ioreq_dir } from '../public/hvm_ioreq.ts';
import { hvmemul_do_mmio_buffer } from './emulate.ts';
import {
  HVMTRANS_bad_gfn_to_mfn,
  HVMTRANS_bad_linear_to_gfn,
  HVMTRANS_gfn_paged_out,
  HVMTRANS_gfn_shared,
  HVMTRANS_need_retry,
  HVMTRANS_okay,
  hvm_copy_from_guest_phys,
  hvm_copy_to_guest_phys,
  type hvm_translation_result,
} from './guest_copy.ts';
import { bytesToValue, valueToBytes } from './intercept.ts';
import {
  type hvm_mmio_cache,
  type hvm_vcpu_io,
  MMIO_CACHE_BUFFER,
  MMIO_CACHE_ENTRIES,
  mmioCacheEntry,
} from './state.ts';
import {
  X86EMUL_EXCEPTION,
  X86EMUL_OKAY,
  X86EMUL_RETRY,
  X86EMUL_UNHANDLEABLE,
  type x86emul_rc,
} from './x86_emulate.ts';

const PAGE = 4096;

/** The entry of (gla, dir); made empty if `create` and there is room; else null. */
export function hvmemul_find_mmio_cache(
  curr: vcpu,
  gla: number,
  dir: ioreq_dir,
  create: boolean,
): hvm_mmio_cache | null {
  const vio = curr.arch.hvm.hvm_io;
  for (let i = 0; i < vio.mmio_cache_count; i++) {
    const entry = vio.mmio_cache[i];
    if (entry !== undefined && entry.gla === gla && entry.dir === dir) return entry;
  }
  if (!create) return null;
  if (vio.mmio_cache_count === MMIO_CACHE_ENTRIES && !curr.domain.host.revision.mmio_cache_grows) {
    return null;
  }
  const entry = mmioCacheEntry(vio, vio.mmio_cache_count++);
  entry.gla = gla;
  entry.dir = dir;
  entry.size = 0;
  entry.buffer.fill(0);
  return entry;
}

/** Translates a linear address: the access in progress knows its page, else the CPU is asked. */
export function hvmemul_linear_to_phys(curr: vcpu, gla: number, write: boolean): number {
  const { insn, cpu } = curr.arch.hvm;
  const offset = gla % PAGE;
  if (insn.gla_page === gla - offset) return insn.gpa_page + offset;
  return cpu === null ? gla : cpu.linear_to_phys(gla, write);
}

/** Remembers the translation for the instruction in progress, unless one is remembered. */
export function latch_linear_to_phys(
  vio: hvm_vcpu_io,
  gla: number,
  gpa: number,
  write: boolean,
): void {
  if (vio.mmio_access.gla_valid) return;
  vio.mmio_gla = gla - (gla % PAGE);
  vio.mmio_gpfn = Math.floor(gpa / PAGE);
  vio.mmio_access.gla_valid = true;
  vio.mmio_access.read_access = true;
  vio.mmio_access.write_access = write;
}

/** One piece of at most eight bytes of `buffer` at `offset`, through the device. */
function do_piece(
  curr: vcpu,
  gpa: number,
  piece: number,
  dir: ioreq_dir,
  buffer: Uint8Array,
  offset: number,
): x86emul_rc {
  const { pio_data: value, one_rep } = curr.arch.hvm;
  bytesToValue(buffer, value, piece, offset);
  const rc = hvmemul_do_mmio_buffer(curr, gpa, one_rep, piece, dir, false, value);
  // Also after a refused read: it gives all ones.
  if (dir === IOREQ_READ && rc !== X86EMUL_RETRY) valueToBytes(value, buffer, piece, offset);
  return rc;
}

function assert_failed(curr: vcpu): void {
  curr.domain.host.trace.assert_failed('hvmemul_phys_mmio_access');
}

/**
 * An access within one page, in pieces the device model can take: powers of two, at most 8 bytes.
 * Pieces made in an earlier pass come from the cache.
 */
function hvmemul_phys_mmio_access(
  curr: vcpu,
  cache: hvm_mmio_cache,
  gpa: number,
  size: number,
  dir: ioreq_dir,
  buffer: Uint8Array,
  offset: number,
): x86emul_rc {
  if ((gpa % PAGE) + size > PAGE || size > MMIO_CACHE_BUFFER || size === 0) {
    assert_failed(curr);
    return X86EMUL_UNHANDLEABLE;
  }
  let at = gpa;
  let index = offset;
  let left = size;
  let piece = Math.min(8, 1 << (31 - Math.clz32(size)));
  // For all pieces: the answer to a request re-issued differently brings its own count, and leaves it.
  curr.arch.hvm.one_rep.reps = 1;
  for (;;) {
    if (index < cache.size) {
      if (index + piece > cache.size) assert_failed(curr);
      if (dir === IOREQ_READ) {
        for (let i = 0; i < piece; i++) buffer[index + i] = cache.buffer[index + i] ?? 0;
      } else {
        for (let i = 0; i < piece; i++) {
          if (buffer[index + i] === cache.buffer[index + i]) continue;
          domain_crash(curr.domain, 'an MMIO write was re-executed with another value');
          break;
        }
      }
    } else {
      if (index !== cache.size) assert_failed(curr);
      const rc = do_piece(curr, at, piece, dir, buffer, index);
      if (rc !== X86EMUL_OKAY) return rc;
      for (let i = 0; i < piece; i++) cache.buffer[index + i] = buffer[index + i] ?? 0;
      cache.size += piece;
    }
    at += piece;
    index += piece;
    left -= piece;
    if (left === 0) return X86EMUL_OKAY;
    while (piece > left) piece >>= 1;
  }
}

/**
 * A device memory access of any size up to 64 bytes by linear address; it may cross pages.
 * @param known_gpfn - the remembered frame is the one of `gla`
 */
export function hvmemul_linear_mmio_access(
  curr: vcpu,
  gla: number,
  size: number,
  dir: ioreq_dir,
  buffer: Uint8Array,
  known_gpfn: boolean,
): x86emul_rc {
  const vio = curr.arch.hvm.hvm_io;
  const cache = hvmemul_find_mmio_cache(curr, gla, dir, true);
  if (cache === null) return X86EMUL_UNHANDLEABLE;

  const write = dir === IOREQ_WRITE;
  let linear = gla;
  let left = size;
  let done = 0;
  let chunk = Math.min(left, PAGE - (linear % PAGE));
  let gpa: number;
  if (known_gpfn) {
    gpa = vio.mmio_gpfn * PAGE + (linear % PAGE);
  } else {
    gpa = hvmemul_linear_to_phys(curr, linear, write);
    if (gpa < 0) return X86EMUL_EXCEPTION;
    latch_linear_to_phys(vio, linear, gpa, write);
  }
  for (;;) {
    const rc = hvmemul_phys_mmio_access(curr, cache, gpa, chunk, dir, buffer, done);
    if (rc !== X86EMUL_OKAY) return rc;
    linear += chunk;
    done += chunk;
    left -= chunk;
    if (left === 0) return X86EMUL_OKAY;
    chunk = Math.min(left, PAGE);
    gpa = hvmemul_linear_to_phys(curr, linear, write);
    if (gpa < 0) return X86EMUL_EXCEPTION;
  }
}

/** Whether the remembered translation holds for all of an access of this kind. */
function known_gla(vio: hvm_vcpu_io, addr: number, bytes: number, write: boolean): boolean {
  const access = vio.mmio_access;
  if (write ? !access.write_access : !access.read_access) return false;
  return vio.mmio_gla === addr - (addr % PAGE) && (addr % PAGE) + bytes <= PAGE;
}

/** What a failed or impossible plain copy of an access means. */
function after_copy(
  curr: vcpu,
  copied: hvm_translation_result,
  cached: boolean,
  gla: number,
  size: number,
  dir: ioreq_dir,
  buffer: Uint8Array,
): x86emul_rc {
  if (!cached) {
    switch (copied) {
      case HVMTRANS_okay:
        return X86EMUL_OKAY;
      case HVMTRANS_bad_linear_to_gfn:
        return X86EMUL_EXCEPTION;
      case HVMTRANS_gfn_paged_out:
      case HVMTRANS_gfn_shared:
      case HVMTRANS_need_retry:
        return X86EMUL_RETRY;
      case HVMTRANS_bad_gfn_to_mfn:
        break;
      default:
        return X86EMUL_UNHANDLEABLE;
    }
  }
  const vio = curr.arch.hvm.hvm_io;
  const known = known_gla(vio, gla, size, dir === IOREQ_WRITE);
  return hvmemul_linear_mmio_access(curr, gla, size, dir, buffer, known);
}

/** Whether an earlier pass of the instruction found a device there: memory is not tried again. */
function was_mmio(curr: vcpu, gla: number, dir: ioreq_dir): boolean {
  if (curr.domain.host.revision.memory_before_mmio_cache) return false;
  return hvmemul_find_mmio_cache(curr, gla, dir, false) !== null;
}

/** A read by linear address within one page: memory if there is any, else a device. */
export function linear_read(curr: vcpu, gla: number, size: number, buffer: Uint8Array): x86emul_rc {
  const cached = was_mmio(curr, gla, IOREQ_READ);
  let copied: hvm_translation_result = HVMTRANS_bad_gfn_to_mfn;
  if (!cached) {
    const gpa = hvmemul_linear_to_phys(curr, gla, false);
    copied =
      gpa < 0 ? HVMTRANS_bad_linear_to_gfn : hvm_copy_from_guest_phys(curr, buffer, 0, gpa, size);
  }
  return after_copy(curr, copied, cached, gla, size, IOREQ_READ, buffer);
}

/** A write by linear address within one page: memory if there is any, else a device. */
export function linear_write(
  curr: vcpu,
  gla: number,
  size: number,
  buffer: Uint8Array,
): x86emul_rc {
  const cached = was_mmio(curr, gla, IOREQ_WRITE);
  let copied: hvm_translation_result = HVMTRANS_bad_gfn_to_mfn;
  if (!cached) {
    const gpa = hvmemul_linear_to_phys(curr, gla, true);
    copied =
      gpa < 0 ? HVMTRANS_bad_linear_to_gfn : hvm_copy_to_guest_phys(curr, gpa, buffer, 0, size);
  }
  return after_copy(curr, copied, cached, gla, size, IOREQ_WRITE, buffer);
}
