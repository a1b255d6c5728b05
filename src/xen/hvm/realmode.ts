// SPDX-License-Identifier: GPL-2.0-only
// Guests whose real mode the hardware cannot run: every instruction is emulated.
// Behaviour of Xen 4.14.5 xen/arch/x86/hvm/vmx/realmode.c (vmx_realmode_emulate_one).
// Differences: exceptions of the CPU host are delivered by it.
import { domain_crash } from '../common/domain.ts';
import type { vcpu } from '../common/sched.ts';
import { hvm_emulate_one } from './emulate_insn.ts';
import { HVMIO_realmode_completion } from './state.ts';
import { X86EMUL_EXCEPTION, X86EMUL_UNHANDLEABLE, X86EMUL_UNRECOGNIZED } from './x86_emulate.ts';

const TRAP_invalid_op = 6;

/** An exception goes through the real-mode vector table; in protected mode there is none. */
function realmode_exception(curr: vcpu, vector: number): void {
  if (curr.arch.hvm.cpu?.protected_mode?.()) {
    domain_crash(curr.domain, `exception ${vector} while emulating real mode in protected mode`);
    return;
  }
  curr.domain.host.trace.rm_exception(curr, vector);
  curr.domain.host.inject_hw_exception(curr, vector, -1);
}

/** Emulates the instruction at RIP; what cannot be emulated crashes the domain. */
export function vmx_realmode_emulate_one(curr: vcpu): void {
  const rc = hvm_emulate_one(curr, HVMIO_realmode_completion);
  if (rc === X86EMUL_UNHANDLEABLE) {
    domain_crash(curr.domain, 'failed to emulate a real-mode instruction');
  } else if (rc === X86EMUL_UNRECOGNIZED) {
    realmode_exception(curr, TRAP_invalid_op);
  } else if (rc === X86EMUL_EXCEPTION) {
    const fault = curr.arch.hvm.cpu?.take_exception?.() ?? null;
    if (fault !== null) realmode_exception(curr, fault.vector);
  }
}
