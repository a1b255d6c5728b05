// SPDX-License-Identifier: GPL-2.0-only
// Running a request on a handler inside the monitor, element by element.
// Behaviour of Xen 4.14.5 xen/arch/x86/hvm/intercept.c (second half).
// Differences: none.
import { domain_crash } from '../common/domain.ts';
import type { vcpu } from '../common/sched.ts';
import { IOREQ_READ, IOREQ_TYPE_COPY, type ioreq_t } from '../public/hvm_ioreq.ts';
import {
  HVMTRANS_bad_gfn_to_mfn,
  HVMTRANS_okay,
  hvm_copy_from_guest_phys,
  hvm_copy_to_guest_phys,
  hvmemul_cache_disable,
  hvmemul_cache_restore,
} from './guest_copy.ts';
import { hvm_find_io_handler } from './io_handler.ts';
import type { hvm_io_handler, io_data } from './state.ts';
import { X86EMUL_OKAY, X86EMUL_UNHANDLEABLE, type x86emul_rc } from './x86_emulate.ts';

/** The low `size` (1 to 8) bytes of `from` into `bytes`, little endian. */
export function valueToBytes(from: io_data, bytes: Uint8Array, size: number, offset = 0): void {
  for (let i = 0; i < size; i++) {
    bytes[offset + i] = i < 4 ? from.data >>> (8 * i) : from.data_hi >>> (8 * (i - 4));
  }
}

/** `size` (1 to 8) bytes as a value, zero-extended. */
export function bytesToValue(bytes: Uint8Array, to: io_data, size: number, offset = 0): void {
  let low = 0;
  let high = 0;
  for (let i = 0; i < size; i++) {
    const byte = bytes[offset + i] ?? 0;
    if (i < 4) low |= byte << (8 * i);
    else high |= byte << (8 * (i - 4));
  }
  to.data = low >>> 0;
  to.data_hi = high >>> 0;
}

/** The guest-physical address in a value. */
export function valueToGpa(value: io_data): number {
  return value.data_hi * 2 ** 32 + value.data;
}

/** An address as a value. */
export function gpaToValue(gpa: number, to: io_data): void {
  to.data = gpa >>> 0;
  to.data_hi = Math.floor(gpa / 2 ** 32) >>> 0;
}

/**
 * Runs `p` on `handler`: reads leave the last value in p.data, or the elements in guest memory.
 * p.count becomes the number of elements done, or 1 when the handler passes on the first one.
 */
export function hvm_process_io_intercept(
  curr: vcpu,
  handler: hvm_io_handler,
  p: ioreq_t,
): x86emul_rc {
  const { ops } = handler;
  const { data, bytes, hvm_io: vio } = curr.arch.hvm;
  const step = p.df ? -p.size : p.size;
  const addrStep = p.type === IOREQ_TYPE_COPY ? step : 0;
  let rc: x86emul_rc = X86EMUL_OKAY;
  let i = 0;

  for (; i < p.count; i++) {
    const addr = p.addr + addrStep * i;
    if (p.dir === IOREQ_READ) {
      data.data = 0;
      data.data_hi = 0;
      rc = ops.read(curr, addr, p.size, data);
      if (rc !== X86EMUL_OKAY) break;
      if (!p.data_is_ptr) {
        p.data = data.data;
        p.data_hi = data.data_hi;
        continue;
      }
      valueToBytes(data, bytes, p.size);
      const copied = hvm_copy_to_guest_phys(curr, valueToGpa(p) + step * i, bytes, 0, p.size);
      // A store to no memory is dropped, as by hardware.
      if (copied === HVMTRANS_okay || copied === HVMTRANS_bad_gfn_to_mfn) continue;
      return copy_failed(curr, copied);
    }
    if (p.data_is_ptr) {
      const token = hvmemul_cache_disable(vio);
      const copied = hvm_copy_from_guest_phys(curr, bytes, 0, valueToGpa(p) + step * i, p.size);
      hvmemul_cache_restore(vio, token);
      if (copied === HVMTRANS_okay) bytesToValue(bytes, data, p.size);
      else if (copied === HVMTRANS_bad_gfn_to_mfn) {
        data.data = 0xffffffff;
        data.data_hi = 0xffffffff;
      } else return copy_failed(curr, copied);
    } else {
      data.data = p.data;
      data.data_hi = p.data_hi;
    }
    rc = ops.write(curr, addr, p.size, data);
    if (rc !== X86EMUL_OKAY) break;
  }

  if (i > 0) {
    p.count = i;
    return X86EMUL_OKAY;
  }
  // Only one element goes to the device model, so the handler sees the next one itself.
  if (rc === X86EMUL_UNHANDLEABLE) p.count = 1;
  return rc;
}

function copy_failed(curr: vcpu, why: number): x86emul_rc {
  // Xen holds such frames to be impossible here and asserts; a release build crashes the domain.
  curr.domain.host.trace.assert_failed('hvm_process_io_intercept');
  domain_crash(curr.domain, `guest memory copy of an intercepted access failed (${why})`);
  return X86EMUL_UNHANDLEABLE;
}

/** Offers `p` to the handlers inside the monitor. @returns UNHANDLEABLE when none takes it */
export function hvm_io_intercept(curr: vcpu, p: ioreq_t): x86emul_rc {
  const handler = hvm_find_io_handler(curr, p);
  if (handler === null) return X86EMUL_UNHANDLEABLE;
  const rc = hvm_process_io_intercept(curr, handler, p);
  handler.ops.complete?.(curr);
  return rc;
}
