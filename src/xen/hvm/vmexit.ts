// SPDX-License-Identifier: GPL-2.0-only
// From a CPU host's exit to the I/O path, and back to an instruction boundary.
// Behaviour of Xen 4.14.5 xen/arch/x86/hvm/vmx/vmx.c (the I/O exits of vmx_vmexit_handler).
// Differences: a deferral kept for an instruction ends here, once RIP is final.
import type { vcpu } from '../common/sched.ts';
import type { ioreq_dir } from '../public/hvm_ioreq.ts';
import {
  handle_mmio_with_translation,
  hvm_emulate_one,
  hvm_emulate_one_insn,
  inject_hw_exception,
  x86_insn_is_portio,
} from './emulate_insn.ts';
import { handle_pio } from './io.ts';
import { io_instruction_done } from './ioreq.ts';
import { vmx_realmode_emulate_one } from './realmode.ts';
import { HVMIO_no_completion } from './state.ts';
import type { x86emul_rc } from './x86_emulate.ts';

const TRAP_gp_fault = 13;

/** Moves RIP behind the instruction that caused the exit. */
export function update_guest_eip(curr: vcpu, insn_len: number): void {
  curr.regs.eip = curr.regs.eip + insn_len;
}

/**
 * IN or OUT, not string.
 * @param insn_len - bytes of the instruction at RIP
 * @returns whether RIP moved
 */
export function vmexit_pio(
  curr: vcpu,
  port: number,
  size: number,
  dir: ioreq_dir,
  insn_len: number,
): boolean {
  const advance = handle_pio(curr, port, size, dir);
  if (advance) update_guest_eip(curr, insn_len);
  io_instruction_done(curr);
  return advance;
}

/** INS or OUTS, by the emulator. @returns false when the guest got #GP instead */
export function vmexit_pio_string(curr: vcpu): boolean {
  const done = hvm_emulate_one_insn(curr, x86_insn_is_portio);
  if (!done) inject_hw_exception(curr, TRAP_gp_fault, 0);
  io_instruction_done(curr);
  return done;
}

/**
 * An access to a frame without memory, or one whose writes go elsewhere.
 * @param gla - linear address, if `gla_valid`
 * @param gpa - guest-physical address
 * @returns false when the guest got #GP instead
 */
export function vmexit_mmio(
  curr: vcpu,
  gla: number,
  gpa: number,
  write: boolean,
  gla_valid: boolean,
): boolean {
  const done = handle_mmio_with_translation(curr, gla, Math.floor(gpa / 4096), write, gla_valid);
  if (!done) inject_hw_exception(curr, TRAP_gp_fault, 0);
  io_instruction_done(curr);
  return done;
}

/** A forced-emulation prefix, or an instruction of another vendor. */
export function vmexit_emulate(curr: vcpu): x86emul_rc {
  const rc = hvm_emulate_one(curr, HVMIO_no_completion);
  io_instruction_done(curr);
  return rc;
}

/** An instruction in a mode that the hardware cannot run. */
export function vmexit_realmode(curr: vcpu): void {
  vmx_realmode_emulate_one(curr);
  io_instruction_done(curr);
}
