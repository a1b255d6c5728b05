// SPDX-License-Identifier: GPL-2.0-only
// Batches of REP INS, OUTS, MOVS and STOS: one request for many elements.
// Behaviour of Xen 4.14.5 xen/arch/x86/hvm/emulate.c (hvmemul_rep_*) and x86_emulate.c (limits of reps).
// Differences: the CPU host decodes and translates; RAM to RAM and RAM fills are its own business.
import type { vcpu } from '../common/sched.ts';
import { IOREQ_READ, IOREQ_WRITE } from '../public/hvm_ioreq.ts';
import { hvmemul_do_mmio_addr, hvmemul_do_mmio_buffer, hvmemul_do_pio_addr } from './emulate.ts';
import { hvmemul_linear_to_phys, latch_linear_to_phys } from './emulate_mmio.ts';
import { p2m_mmio_direct, p2m_mmio_dm } from './p2m.ts';
import type { reps_t } from './state.ts';
import {
  type StringOp,
  X86EMUL_EXCEPTION,
  X86EMUL_UNHANDLEABLE,
  type x86emul_rc,
} from './x86_emulate.ts';

const PAGE = 4096;
/** The most elements of one batch. */
const MAX_REPS = 4096;

/** How many of `reps` elements an index can move before it wraps; 0 if the first one wraps. */
function reps_before_wrap(op: StringOp, index: number, reps: number): number {
  const last = op.addrSize === 2 ? 0xffff : 0xffffffff;
  const room = op.df ? Math.floor(index / op.size) : Math.floor((last - index) / op.size);
  // The element at `index` itself needs no room beyond its own bytes.
  if (op.df) return Math.min(reps, room + 1);
  return Math.min(reps, Math.floor((last - index + 1) / op.size));
}

/**
 * Translates the run of a string operand and cuts `reps` to what is physically contiguous.
 * @returns guest-physical address of the first element, or -1 when the CPU has a page fault
 */
function run_to_phys(
  curr: vcpu,
  gla: number,
  size: number,
  df: boolean,
  reps: reps_t,
  write: boolean,
): number {
  reps.reps = Math.min(reps.reps, MAX_REPS);
  const gpa = hvmemul_linear_to_phys(curr, gla, write);
  if (gpa < 0) return -1;
  const total = reps.reps * size;
  // Bytes of the run on the first page, then page by page while the frames go on.
  let covered = df ? (gla % PAGE) + size : PAGE - (gla % PAGE);
  while (covered < total) {
    const next = df ? gla + size - covered - PAGE : gla + covered;
    const want = df ? gpa + size - covered - PAGE : gpa + covered;
    if (next < 0 || hvmemul_linear_to_phys(curr, next, write) !== want) {
      const whole = Math.floor(covered / size);
      // The first element must be reachable as a whole: if not, the fault is its own.
      if (whole === 0) return -1;
      reps.reps = whole;
      break;
    }
    covered += PAGE;
  }
  return gpa;
}

/**
 * The batch form of the string instruction `op`, at most `reps.reps` elements.
 * @returns OKAY with the number of elements covered in `reps`; UNHANDLEABLE: take one element the
 *   ordinary way; RETRY as from hvmemul_do_io
 */
export function hvmemul_rep_string(curr: vcpu, op: StringOp, reps: reps_t): x86emul_rc {
  switch (op.op) {
    case 'ins':
      return hvmemul_rep_ins(curr, op, reps);
    case 'outs':
      return hvmemul_rep_outs(curr, op, reps);
    case 'movs':
      return hvmemul_rep_movs(curr, op, reps);
    default:
      return hvmemul_rep_stos(curr, op, reps);
  }
}

function hvmemul_rep_ins(curr: vcpu, op: StringOp, reps: reps_t): x86emul_rc {
  reps.reps = reps_before_wrap(op, op.dstIndex, reps.reps);
  if (reps.reps === 0) return X86EMUL_UNHANDLEABLE;
  const gpa = run_to_phys(curr, op.dstBase + op.dstIndex, op.size, op.df, reps, true);
  if (gpa < 0) return X86EMUL_EXCEPTION;
  const type = curr.domain.arch.hvm.p2m.type_at(gpa);
  if (type === p2m_mmio_direct || type === p2m_mmio_dm) return X86EMUL_UNHANDLEABLE;
  return hvmemul_do_pio_addr(curr, op.port, reps, op.size, IOREQ_READ, op.df, gpa);
}

function hvmemul_rep_outs(curr: vcpu, op: StringOp, reps: reps_t): x86emul_rc {
  reps.reps = reps_before_wrap(op, op.srcIndex, reps.reps);
  if (reps.reps === 0) return X86EMUL_UNHANDLEABLE;
  const gpa = run_to_phys(curr, op.srcBase + op.srcIndex, op.size, op.df, reps, false);
  if (gpa < 0) return X86EMUL_EXCEPTION;
  const type = curr.domain.arch.hvm.p2m.type_at(gpa);
  if (type === p2m_mmio_direct || type === p2m_mmio_dm) return X86EMUL_UNHANDLEABLE;
  return hvmemul_do_pio_addr(curr, op.port, reps, op.size, IOREQ_WRITE, op.df, gpa);
}

function hvmemul_rep_movs(curr: vcpu, op: StringOp, reps: reps_t): x86emul_rc {
  const { p2m } = curr.domain.arch.hvm;
  const vio = curr.arch.hvm.hvm_io;
  reps.reps = reps_before_wrap(op, op.srcIndex, reps.reps);
  reps.reps = reps_before_wrap(op, op.dstIndex, reps.reps);
  if (reps.reps === 0) return X86EMUL_UNHANDLEABLE;
  const sgla = op.srcBase + op.srcIndex;
  const dgla = op.dstBase + op.dstIndex;
  const sgpa = run_to_phys(curr, sgla, op.size, op.df, reps, false);
  if (sgpa < 0) return X86EMUL_EXCEPTION;
  const dgpa = run_to_phys(curr, dgla, op.size, op.df, reps, true);
  if (dgpa < 0) return X86EMUL_EXCEPTION;

  const sp2mt = p2m.type_at(sgpa);
  const dp2mt = p2m.type_at(dgpa);
  if (
    sp2mt === p2m_mmio_direct ||
    dp2mt === p2m_mmio_direct ||
    (sp2mt === p2m_mmio_dm && dp2mt === p2m_mmio_dm)
  ) {
    return X86EMUL_UNHANDLEABLE;
  }
  if (sp2mt === p2m_mmio_dm) {
    latch_linear_to_phys(vio, sgla, sgpa, false);
    return hvmemul_do_mmio_addr(curr, sgpa, reps, op.size, IOREQ_READ, op.df, dgpa);
  }
  if (dp2mt === p2m_mmio_dm) {
    latch_linear_to_phys(vio, dgla, dgpa, true);
    return hvmemul_do_mmio_addr(curr, dgpa, reps, op.size, IOREQ_WRITE, op.df, sgpa);
  }
  return X86EMUL_UNHANDLEABLE;
}

function hvmemul_rep_stos(curr: vcpu, op: StringOp, reps: reps_t): x86emul_rc {
  const { hvm_io: vio, pio_data: value } = curr.arch.hvm;
  reps.reps = reps_before_wrap(op, op.dstIndex, reps.reps);
  if (reps.reps === 0) return X86EMUL_UNHANDLEABLE;
  const gla = op.dstBase + op.dstIndex;
  const gpa = run_to_phys(curr, gla, op.size, op.df, reps, true);
  if (gpa < 0) return X86EMUL_EXCEPTION;
  if (curr.domain.arch.hvm.p2m.type_at(gpa) !== p2m_mmio_dm) return X86EMUL_UNHANDLEABLE;
  latch_linear_to_phys(vio, gla, gpa, true);
  value.data = curr.regs.eax;
  value.data_hi = curr.regs.rax_hi;
  return hvmemul_do_mmio_buffer(curr, gpa, reps, op.size, IOREQ_WRITE, op.df, value);
}
