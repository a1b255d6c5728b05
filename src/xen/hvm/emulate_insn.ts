// SPDX-License-Identifier: GPL-2.0-only
// Emulating one instruction: x86_emulate() over a CPU host, the choice of completion, handle_mmio.
// Behaviour of Xen 4.14.5 xen/arch/x86/hvm/emulate.c (_hvm_emulate_one), io.c (hvm_emulate_one_insn).
// Differences: the CPU host runs the instruction, access by access; what Xen re-executes from its
// start with cached answers is here a list of accesses that are asked for again. Switches
// pio_answers_cached, emulated_in_retires.
import type { vcpu } from '../common/sched.ts';
import {
  IOREQ_READ,
  IOREQ_TYPE_PIO,
  IOREQ_WRITE,
  STATE_IOREQ_NONE,
  STATE_IORESP_READY,
} from '../public/hvm_ioreq.ts';
import { hvmemul_do_pio_buffer } from './emulate.ts';
import { linear_read, linear_write } from './emulate_mmio.ts';
import { hvmemul_rep_string, string_reps } from './emulate_rep.ts';
import { hvmemul_cache_disable, hvmemul_cache_enable } from './guest_copy.ts';
import { bytesToValue, valueToBytes } from './intercept.ts';
import {
  HVMIO_emul_completion,
  HVMIO_mmio_completion,
  HVMIO_no_completion,
  HVMIO_pio_completion,
  type hvm_io_completion,
  hvm_ioreq_needs_completion,
  type hvm_vcpu,
  type hvm_vcpu_io,
  type insn_in_progress,
} from './state.ts';
import {
  INSN_MEM_ACCESS,
  INSN_PORTIO,
  type insn_access,
  type insn_class,
  type insn_cpu,
  X86EMUL_DONE,
  X86EMUL_EXCEPTION,
  X86EMUL_OKAY,
  X86EMUL_RETRY,
  X86EMUL_UNHANDLEABLE,
  X86EMUL_UNRECOGNIZED,
  type x86emul_rc,
} from './x86_emulate.ts';

/** Vector and type of exceptions this path hands to the guest. */
const TRAP_invalid_op = 6;
const PAGE = 4096;
/** Bytes kept of an instruction for re-execution. */
const MAX_INSN_BYTES = 16;

/** Which instructions a caller is willing to have emulated. */
export type hvm_emulate_validate_t = (insn: insn_class) => boolean;

/** IN, OUT, INS, OUTS. */
export function x86_insn_is_portio(insn: insn_class): boolean {
  return (insn & INSN_PORTIO) !== 0;
}

/** Anything with a memory operand that is accessed. */
export function x86_insn_is_mem_access(insn: insn_class): boolean {
  return (insn & INSN_MEM_ACCESS) !== 0;
}

/** The access at `index` of the instruction in progress, made on first use. */
function ensure_access(insn: insn_in_progress, index: number): insn_access {
  let access = insn.list[index];
  if (access === undefined) {
    access = { is_pio: false, dir: IOREQ_WRITE, gla: 0, gpa: 0, size: 0, data: 0, data_hi: 0 };
    insn.list[index] = access;
  }
  return access;
}

/** The instruction in progress is abandoned: nothing of it has happened. */
export function insn_drop(hvm: hvm_vcpu): void {
  if (hvm.insn.count > 0) hvm.cpu?.rollback();
  hvm.insn.count = 0;
  hvm.insn.answered = 0;
}

function do_pio_access(curr: vcpu, access: insn_access): x86emul_rc {
  const { pio_data: data } = curr.arch.hvm;
  data.data = access.dir === IOREQ_READ ? 0 : access.data;
  data.data_hi = 0;
  const rc = hvmemul_do_pio_buffer(curr, access.gpa, access.size, access.dir, data);
  if (access.dir === IOREQ_READ && rc === X86EMUL_OKAY) access.data = data.data;
  return rc;
}

function do_mem_access(curr: vcpu, access: insn_access): x86emul_rc {
  const { access_bytes: bytes, insn } = curr.arch.hvm;
  insn.gla_page = access.gla - (access.gla % PAGE);
  insn.gpa_page = access.gpa - (access.gpa % PAGE);
  let rc: x86emul_rc;
  if (access.dir === IOREQ_READ) {
    rc = linear_read(curr, access.gla, access.size, bytes);
    if (rc === X86EMUL_OKAY) bytesToValue(bytes, access, access.size);
  } else {
    valueToBytes(access, bytes, access.size);
    rc = linear_write(curr, access.gla, access.size, bytes);
  }
  insn.gla_page = -1;
  return rc;
}

/** Asks for one access, for the first time or again. */
function do_access(curr: vcpu, access: insn_access, index: number): x86emul_rc {
  const { insn } = curr.arch.hvm;
  if (!access.is_pio) return do_mem_access(curr, access);
  if (index < insn.answered && curr.domain.host.revision.pio_answers_cached) return X86EMUL_OKAY;
  return do_pio_access(curr, access);
}

/** Asks for the accesses of the instruction in progress up to `last`. */
function do_accesses(curr: vcpu, last: number): x86emul_rc {
  let rc: x86emul_rc = X86EMUL_OKAY;
  for (let i = 0; i <= last && rc === X86EMUL_OKAY; i++) {
    rc = do_access(curr, curr.arch.hvm.insn.list[i] as insn_access, i);
  }
  return rc;
}

/**
 * A single INS or OUTS whose read nobody could take, of the port or of memory: the batch form, then
 * the read again.
 * @param index - of the refused access; the read is all accesses up to it
 * @returns DONE when the batch form did it
 */
function retry_string_io(
  curr: vcpu,
  cpu: insn_cpu,
  access: insn_access,
  index: number,
): x86emul_rc {
  if (access.dir !== IOREQ_READ) return X86EMUL_UNHANDLEABLE;
  const op = cpu.string_op();
  if (op === null || op.op !== (access.is_pio ? 'ins' : 'outs')) return X86EMUL_UNHANDLEABLE;
  if (string_reps(op) > 1) return X86EMUL_UNHANDLEABLE;
  const reps = curr.arch.hvm.string_reps;
  reps.reps = 1;
  const rc = hvmemul_rep_string(curr, op, reps);
  if (rc === X86EMUL_UNHANDLEABLE) return do_accesses(curr, index);
  if (rc !== X86EMUL_OKAY) return rc;
  insn_drop(curr.arch.hvm);
  cpu.commit_string(op, reps.reps);
  return X86EMUL_DONE;
}

/**
 * Runs the instruction at RIP as far as it gets: to its end, or to an access whose answer is to
 * come. Called again after the answer, it asks for every access again, as Xen re-executes.
 */
function x86_emulate(curr: vcpu, cpu: insn_cpu): x86emul_rc {
  const { insn } = curr.arch.hvm;

  if (insn.count === 0) {
    const op = cpu.string_op();
    const reps = curr.arch.hvm.string_reps;
    reps.reps = op === null ? 1 : string_reps(op);
    if (op !== null && reps.reps > 1) {
      const rc = hvmemul_rep_string(curr, op, reps);
      // A fault commits what was done before it: nothing, unless it says otherwise.
      if (rc === X86EMUL_OKAY || (rc === X86EMUL_EXCEPTION && reps.reps > 0)) {
        cpu.commit_string(op, reps.reps);
      }
      if (rc !== X86EMUL_UNHANDLEABLE) return rc;
    }
  }

  for (let i = 0; ; i++) {
    if (i === insn.count) {
      ensure_access(insn, i);
      const step = cpu.advance(insn.list, i);
      if (step !== 'access') {
        insn.count = 0;
        insn.answered = 0;
        if (step === 'retired') return X86EMUL_OKAY;
        if (step === 'exception') return X86EMUL_EXCEPTION;
        return step === 'unrecognized' ? X86EMUL_UNRECOGNIZED : X86EMUL_UNHANDLEABLE;
      }
      insn.count = i + 1;
    }
    const access = insn.list[i] as insn_access;
    const { data, data_hi } = access;
    let rc = do_access(curr, access, i);
    if (rc === X86EMUL_UNHANDLEABLE) rc = retry_string_io(curr, cpu, access, i);
    if (rc === X86EMUL_DONE) return X86EMUL_OKAY;
    if (rc !== X86EMUL_OKAY) return rc;
    if (i < insn.answered && access.dir === IOREQ_READ) {
      if (access.data !== data || access.data_hi !== data_hi) {
        // Another answer than last time: what the instruction did with it has to be redone.
        cpu.rollback();
        insn.count = i + 1;
      }
    }
    if (insn.answered < i + 1) insn.answered = i + 1;
  }
}

/** Forgets what was kept for running the instruction again. */
function drop_caches(hvm: hvm_vcpu): void {
  const vio = hvm.hvm_io;
  vio.mmio_cache_count = 0;
  vio.mmio_insn_bytes = 0;
  vio.mmio_access.gla_valid = false;
  vio.mmio_access.read_access = false;
  vio.mmio_access.write_access = false;
  hvmemul_cache_disable(vio);
  insn_drop(hvm);
}

/** How the answer to the outstanding request will be taken in. */
function choose_completion(
  curr: vcpu,
  vio: hvm_vcpu_io,
  wanted: hvm_io_completion,
): hvm_io_completion {
  if (!hvm_ioreq_needs_completion(vio.io_req)) return HVMIO_no_completion;
  if (wanted !== HVMIO_no_completion) return wanted;
  const is_mem_access = x86_insn_is_mem_access(curr.arch.hvm.insn_class);
  if (vio.io_req.type !== IOREQ_TYPE_PIO || is_mem_access) return HVMIO_mmio_completion;
  return curr.domain.host.revision.emulated_in_retires
    ? HVMIO_emul_completion
    : HVMIO_pio_completion;
}

/**
 * Emulates the instruction at RIP once.
 * @param validate - which instructions are acceptable; null for any
 * @param completion - how an outstanding answer is to be taken in; none to let the request decide
 */
function _hvm_emulate_one(
  curr: vcpu,
  validate: hvm_emulate_validate_t | null,
  completion: hvm_io_completion,
): x86emul_rc {
  const hvm = curr.arch.hvm;
  const { hvm_io: vio, cpu } = hvm;
  if (cpu === null) return X86EMUL_UNHANDLEABLE;

  // A request that is neither taken in nor waited for: a device model has made Xen bail out of the wait.
  const expected = vio.cache_enabled ? STATE_IORESP_READY : STATE_IOREQ_NONE;
  if (vio.io_req.state !== expected) curr.domain.host.trace.assert_failed('_hvm_emulate_one');
  if (!vio.cache_enabled) hvmemul_cache_enable(vio);
  vio.mmio_retry = false;
  hvm.insn_class = 0;
  const insn = cpu.classify();
  let rc: x86emul_rc = X86EMUL_UNHANDLEABLE;
  if (validate === null || validate(insn)) {
    hvm.insn_class = insn;
    rc = x86_emulate(curr, cpu);
  }
  if (rc === X86EMUL_OKAY && vio.mmio_retry) rc = X86EMUL_RETRY;

  vio.io_completion = choose_completion(curr, vio, completion);
  if (curr.domain.host.revision.partial_batch_wants_completion && vio.mmio_retry) {
    drop_caches(hvm);
    vio.io_completion = HVMIO_mmio_completion;
    return rc;
  }
  if (vio.io_completion === HVMIO_no_completion || vio.io_completion === HVMIO_pio_completion) {
    drop_caches(hvm);
  } else {
    vio.mmio_insn_bytes = MAX_INSN_BYTES;
  }
  return rc;
}

/** Emulates one instruction of any kind. */
export function hvm_emulate_one(curr: vcpu, completion: hvm_io_completion): x86emul_rc {
  return _hvm_emulate_one(curr, null, completion);
}

/**
 * Emulates one instruction that `validate` accepts.
 * @returns false when it cannot be done; the caller decides what the guest gets
 */
export function hvm_emulate_one_insn(curr: vcpu, validate: hvm_emulate_validate_t): boolean {
  const rc = _hvm_emulate_one(curr, validate, HVMIO_no_completion);
  if (rc === X86EMUL_UNHANDLEABLE) return false;
  if (rc === X86EMUL_UNRECOGNIZED) inject_hw_exception(curr, TRAP_invalid_op, -1);
  if (rc === X86EMUL_EXCEPTION) {
    const fault = curr.arch.hvm.cpu?.take_exception?.() ?? null;
    if (fault !== null) inject_hw_exception(curr, fault.vector, fault.ec);
  }
  return true;
}

/** Hands an exception to the guest; `ec` is -1 for none. */
export function inject_hw_exception(curr: vcpu, vector: number, ec: number): void {
  const { host } = curr.domain;
  host.trace.inject(curr, vector, 3, ec);
  host.inject_hw_exception(curr, vector, ec);
}

/** Emulates the memory access of the instruction at RIP: the exit itself, and its completion. */
export function handle_mmio(curr: vcpu): boolean {
  return hvm_emulate_one_insn(curr, x86_insn_is_mem_access);
}

/**
 * handle_mmio with the translation the hardware has reported.
 * @param gla - linear address, if `gla_valid`
 * @param gpfn - guest frame
 */
export function handle_mmio_with_translation(
  curr: vcpu,
  gla: number,
  gpfn: number,
  write: boolean,
  gla_valid: boolean,
): boolean {
  const vio = curr.arch.hvm.hvm_io;
  vio.mmio_access.gla_valid = gla_valid;
  vio.mmio_access.read_access = gla_valid && !write;
  vio.mmio_access.write_access = gla_valid && write;
  vio.mmio_gla = gla - (gla % PAGE);
  vio.mmio_gpfn = gpfn;
  return handle_mmio(curr);
}

/** The CPU state of `v` is being replaced: whatever emulation was under way is void. */
export function hvmemul_cancel(v: vcpu): void {
  const hvm = v.arch.hvm;
  hvm.hvm_io.io_req.state = STATE_IOREQ_NONE;
  hvm.hvm_io.io_completion = HVMIO_no_completion;
  hvm.hvm_io.mmio_retry = false;
  drop_caches(hvm);
}
