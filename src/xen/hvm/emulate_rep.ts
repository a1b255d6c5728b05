// SPDX-License-Identifier: GPL-2.0-only
// Batches of REP INS, OUTS, MOVS and STOS: one request for many elements.
// Behaviour of Xen 4.14.5 xen/arch/x86/hvm/emulate.c (hvmemul_rep_*) and x86_emulate.c (limits of reps).
// Differences: the CPU host decodes and translates; switch rep_split_element_alone.
import type { vcpu } from '../common/sched.ts';
import { IOREQ_READ, IOREQ_WRITE } from '../public/hvm_ioreq.ts';
import {
  hvmemul_do_mmio_addr,
  hvmemul_do_mmio_buffer,
  hvmemul_do_pio_addr,
  hvmemul_do_pio_buffer,
} from './emulate.ts';
import { hvmemul_linear_to_phys, latch_linear_to_phys } from './emulate_mmio.ts';
import {
  HVMTRANS_gfn_paged_out,
  HVMTRANS_gfn_shared,
  HVMTRANS_okay,
  hvm_copy_from_guest_phys,
  hvm_copy_to_guest_phys,
  type hvm_translation_result,
} from './guest_copy.ts';
import { bytesToValue, valueToBytes } from './intercept.ts';
import { p2m_mmio_direct, p2m_mmio_dm } from './p2m.ts';
import type { reps_t } from './state.ts';
import {
  type StringOp,
  X86EMUL_EXCEPTION,
  X86EMUL_OKAY,
  X86EMUL_RETRY,
  X86EMUL_UNHANDLEABLE,
  type x86emul_rc,
} from './x86_emulate.ts';

const PAGE = 4096;
/** The most elements of one batch. */
const MAX_REPS = 4096;

const PAGE_FAULT = -1;
const SCATTERED = -2;

/** What becomes of a batch whose run is not to be had. */
function no_run(gpa: number): x86emul_rc {
  return gpa === SCATTERED ? X86EMUL_UNHANDLEABLE : X86EMUL_EXCEPTION;
}

/** How many elements an index can reach before it wraps: at least one. */
function reps_before_wrap(op: StringOp, index: number): number {
  const wraps = op.addrSize === 2 ? 0x10000 : 0x100000000;
  // Kept from Xen: upwards from index 0 the distance to the wrap comes out as 0, so one element. Not
  // for STOS, which Xen does not clip at all; here it ends at the wrap like the others.
  if (!op.df) {
    if (index === 0 && op.op !== 'stos') return 1;
    return Math.max(1, Math.floor((wraps - index) / op.size));
  }
  return index + op.size - 1 >= wraps ? 1 : Math.floor(index / op.size) + 1;
}

/** How many elements of a string instruction the emulator takes on at once. */
export function string_reps(op: StringOp): number {
  if (!op.rep) return 1;
  let reps = op.count;
  if (op.op !== 'outs') reps = Math.min(reps, reps_before_wrap(op, op.dstIndex));
  if (op.op === 'outs' || op.op === 'movs') {
    reps = Math.min(reps, reps_before_wrap(op, op.srcIndex));
  }
  return reps;
}

/**
 * Translates the run of a string operand and cuts `reps` to what is physically contiguous; 0 with a fault.
 * @returns guest-physical address of the first element; PAGE_FAULT when the CPU has one; SCATTERED
 *   when the first element lies over two pages whose frames are not neighbours
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
  if (gpa < 0) {
    reps.reps = 0;
    return PAGE_FAULT;
  }
  if (df && reps.reps > 1 && (gla % PAGE) + size > PAGE) {
    // The first element goes over a page end: its own second half lies above, away from the run.
    const above = gpa - (gpa % PAGE) + PAGE;
    const found = hvmemul_linear_to_phys(curr, gla - (gla % PAGE) + PAGE, write);
    if (found < 0) {
      if (!curr.domain.host.revision.fault_keeps_reps) reps.reps = 0;
      return PAGE_FAULT;
    }
    if (found !== above) return SCATTERED;
  }
  const total = reps.reps * size;
  // Bytes of the run on the first page, then page by page while the frames go on.
  let covered = df ? (gla % PAGE) + size : PAGE - (gla % PAGE);
  while (covered < total) {
    const next = df ? gla + size - covered - PAGE : gla + covered;
    const want = df ? gpa + size - covered - PAGE : gpa + covered;
    const found = next < 0 ? PAGE_FAULT : hvmemul_linear_to_phys(curr, next, write);
    if (found !== want) {
      const whole = Math.floor(covered / size);
      // The first element must be reachable as a whole: if not, the fault is its own.
      if (whole === 0) {
        if (found >= 0) return SCATTERED;
        reps.reps = 0;
        return PAGE_FAULT;
      }
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
  const gpa = run_to_phys(curr, op.dstBase + op.dstIndex, op.size, op.df, reps, true);
  if (gpa < 0) return no_run(gpa);
  const type = curr.domain.arch.hvm.p2m.type_at(gpa);
  if (type === p2m_mmio_direct || type === p2m_mmio_dm) return X86EMUL_UNHANDLEABLE;
  return hvmemul_do_pio_addr(curr, op.port, reps, op.size, IOREQ_READ, op.df, gpa);
}

function hvmemul_rep_outs(curr: vcpu, op: StringOp, reps: reps_t): x86emul_rc {
  const gpa = run_to_phys(curr, op.srcBase + op.srcIndex, op.size, op.df, reps, false);
  if (gpa < 0) return no_run(gpa);
  const type = curr.domain.arch.hvm.p2m.type_at(gpa);
  if (type === p2m_mmio_direct || type === p2m_mmio_dm) return X86EMUL_UNHANDLEABLE;
  if (curr.domain.host.revision.outs_batch_as_one_access) {
    return outs_as_one_access(curr, op, reps, gpa);
  }
  return hvmemul_do_pio_addr(curr, op.port, reps, op.size, IOREQ_WRITE, op.df, gpa);
}

/** A defect: the bytes of all elements as one value. More than eight of them nobody can handle. */
function outs_as_one_access(curr: vcpu, op: StringOp, reps: reps_t, gpa: number): x86emul_rc {
  const { bytes, pio_data } = curr.arch.hvm;
  const width = reps.reps * op.size;
  if (width > bytes.length) return X86EMUL_UNHANDLEABLE;
  const copied = hvm_copy_from_guest_phys(curr, bytes, 0, gpa, width);
  if (copied !== HVMTRANS_okay) return block_result(copied);
  bytesToValue(bytes, pio_data, width);
  return hvmemul_do_pio_buffer(curr, op.port, width, IOREQ_WRITE, pio_data);
}

/** Ours: whether the element at `gpa` in device memory must go alone, because it lies over the end of a page. */
function goes_alone(curr: vcpu, gpa: number, size: number): boolean {
  return curr.domain.host.revision.rep_split_element_alone && (gpa % PAGE) + size > PAGE;
}

function hvmemul_rep_movs(curr: vcpu, op: StringOp, reps: reps_t): x86emul_rc {
  const { p2m } = curr.domain.arch.hvm;
  const vio = curr.arch.hvm.hvm_io;
  const sgla = op.srcBase + op.srcIndex;
  const dgla = op.dstBase + op.dstIndex;
  const sgpa = run_to_phys(curr, sgla, op.size, op.df, reps, false);
  if (sgpa < 0) return no_run(sgpa);
  const dgpa = run_to_phys(curr, dgla, op.size, op.df, reps, true);
  if (dgpa < 0) return no_run(dgpa);

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
    if (goes_alone(curr, sgpa, op.size)) return X86EMUL_UNHANDLEABLE;
    latch_linear_to_phys(vio, sgla, sgpa, false);
    return hvmemul_do_mmio_addr(curr, sgpa, reps, op.size, IOREQ_READ, op.df, dgpa);
  }
  if (dp2mt === p2m_mmio_dm) {
    if (goes_alone(curr, dgpa, op.size)) return X86EMUL_UNHANDLEABLE;
    latch_linear_to_phys(vio, dgla, dgpa, true);
    return hvmemul_do_mmio_addr(curr, dgpa, reps, op.size, IOREQ_WRITE, op.df, sgpa);
  }
  return copy_block(curr, op, sgpa, dgpa, reps.reps * op.size);
}

/** Memory to memory, as one copy. */
function copy_block(
  curr: vcpu,
  op: StringOp,
  sgpa: number,
  dgpa: number,
  bytes: number,
): x86emul_rc {
  const back = op.df ? bytes - op.size : 0;
  const source = sgpa - back;
  // If the first element lands in the source, later elements read what earlier ones wrote.
  if (dgpa + op.size > source && dgpa < source + bytes) return X86EMUL_UNHANDLEABLE;
  const block = new Uint8Array(bytes);
  let copied = hvm_copy_from_guest_phys(curr, block, 0, source, bytes);
  if (copied === HVMTRANS_okay) copied = hvm_copy_to_guest_phys(curr, dgpa - back, block, 0, bytes);
  return block_result(copied);
}

function block_result(copied: hvm_translation_result): x86emul_rc {
  if (copied === HVMTRANS_okay) return X86EMUL_OKAY;
  return copied === HVMTRANS_gfn_paged_out || copied === HVMTRANS_gfn_shared
    ? X86EMUL_RETRY
    : X86EMUL_UNHANDLEABLE;
}

/** The same value all over a run of memory. */
function fill_block(curr: vcpu, op: StringOp, gpa: number, reps: number): x86emul_rc {
  const { pio_data: value } = curr.arch.hvm;
  const bytes = reps * op.size;
  const block = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += op.size) valueToBytes(value, block, op.size, at);
  const first = op.df ? gpa - (bytes - op.size) : gpa;
  return block_result(hvm_copy_to_guest_phys(curr, first, block, 0, bytes));
}

function hvmemul_rep_stos(curr: vcpu, op: StringOp, reps: reps_t): x86emul_rc {
  const { hvm_io: vio, pio_data: value } = curr.arch.hvm;
  const gla = op.dstBase + op.dstIndex;
  const gpa = run_to_phys(curr, gla, op.size, op.df, reps, true);
  if (gpa < 0) return no_run(gpa);
  const type = curr.domain.arch.hvm.p2m.type_at(gpa);
  if (type === p2m_mmio_direct) return X86EMUL_UNHANDLEABLE;
  value.data = curr.regs.eax;
  value.data_hi = curr.regs.rax_hi;
  if (type !== p2m_mmio_dm) return fill_block(curr, op, gpa, reps.reps);
  if (goes_alone(curr, gpa, op.size)) return X86EMUL_UNHANDLEABLE;
  latch_linear_to_phys(vio, gla, gpa, true);
  return hvmemul_do_mmio_buffer(curr, gpa, reps, op.size, IOREQ_WRITE, op.df, value);
}
