// SPDX-License-Identifier: GPL-2.0-only
// Intercepted IN and OUT.
// Behaviour of Xen 4.14.5 xen/arch/x86/hvm/io.c (handle_pio); handle_mmio is in emulate_insn.ts.
// Differences: none.
import { domain_crash } from '../common/domain.ts';
import type { vcpu } from '../common/sched.ts';
import { IOREQ_READ, IOREQ_WRITE, type ioreq_dir } from '../public/hvm_ioreq.ts';
import { hvmemul_do_pio_buffer, io_was_suspended } from './emulate.ts';
import { hvm_io_pending } from './ioreq.ts';
import { HVMIO_pio_completion, hvm_ioreq_needs_completion } from './state.ts';
import { X86EMUL_OKAY, X86EMUL_RETRY } from './x86_emulate.ts';

/**
 * One IN or OUT between EAX and a port: the exit itself, and its completion once the answer is in.
 * @param size - 1, 2 or 4 bytes
 * @returns whether the instruction is done or under way: RIP moves on. False: it runs again.
 */
export function handle_pio(curr: vcpu, port: number, size: number, dir: ioreq_dir): boolean {
  const { hvm_io: vio, pio_data: data } = curr.arch.hvm;
  const { regs } = curr;
  const { points, trace } = curr.domain.host;
  data.data = dir === IOREQ_WRITE ? regs.eax : 0xffffffff;
  data.data_hi = 0;

  const rc = hvmemul_do_pio_buffer(curr, port, size, dir, data);
  points.hit('do_io_return', curr);
  trace.do_pio(curr, rc);

  if (hvm_ioreq_needs_completion(vio.io_req)) vio.io_completion = HVMIO_pio_completion;

  switch (rc) {
    case X86EMUL_OKAY:
      if (dir === IOREQ_READ) {
        if (size === 4) {
          // A 32-bit result clears the upper half, as every 32-bit register write does.
          regs.eax = data.data;
          regs.rax_hi = 0;
        } else {
          const mask = size === 1 ? 0xff : 0xffff;
          regs.eax = ((regs.eax & ~mask) | (data.data & mask)) >>> 0;
        }
      }
      return true;
    case X86EMUL_RETRY:
      // Not sent, or by an internal handler: the instruction runs again.
      return !io_was_suspended(curr) && hvm_io_pending(curr);
    default:
      domain_crash(curr.domain, `unexpected result ${rc} of a ${size}-byte access to port ${port}`);
      return false;
  }
}
