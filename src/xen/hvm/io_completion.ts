// SPDX-License-Identifier: GPL-2.0-only
// What a vCPU does when the scheduler picks it: wait for answers, take them in, end the deferral.
// Behaviour of Xen 4.14.5 xen/arch/x86/hvm/ioreq.c (handle_hvm_io_completion), hvm.c (hvm_do_resume).
// Differences: no MSI-X hook, timers or VM events; switch deferral_spans_instruction turns the last
// two steps round; switch refused_broadcast_repeated adds one.
import { vcpu_end_shutdown_deferral } from '../common/domain.ts';
import { raise_schedule_softirq, type vcpu } from '../common/sched.ts';
import { STATE_IOREQ_NONE, STATE_IORESP_READY } from '../public/hvm_ioreq.ts';
import { handle_mmio, hvm_emulate_one_insn, x86_insn_is_portio } from './emulate_insn.ts';
import { handle_pio } from './io.ts';
import {
  get_ioreq,
  get_pending_server,
  hvm_repeat_refused_broadcast,
  hvm_wait_for_io,
  io_instruction_done,
  WAIT_DONE,
} from './ioreq.ts';
import { vmx_realmode_emulate_one } from './realmode.ts';
import {
  HVMIO_emul_completion,
  HVMIO_mmio_completion,
  HVMIO_no_completion,
  HVMIO_pio_completion,
  HVMIO_realmode_completion,
  hvm_ioreq_needs_completion,
  type hvm_ioreq_vcpu,
} from './state.ts';

/** Takes the answer in the way the exit has left word to. */
function complete_io(v: vcpu): boolean {
  const vio = v.arch.hvm.hvm_io;
  const completion = vio.io_completion;
  vio.io_completion = HVMIO_no_completion;
  switch (completion) {
    case HVMIO_no_completion:
      return true;
    case HVMIO_mmio_completion:
      return handle_mmio(v);
    case HVMIO_pio_completion:
      // RIP moved at the exit; the result of this second pass does not matter for it.
      return handle_pio(v, vio.io_req.addr, vio.io_req.size, vio.io_req.dir);
    case HVMIO_emul_completion:
      return hvm_emulate_one_insn(v, x86_insn_is_portio);
    case HVMIO_realmode_completion:
      vmx_realmode_emulate_one(v);
      return true;
  }
}

/**
 * Waits for every outstanding answer and takes it in.
 * @returns false when `v` must come back: it waits, or more work was found
 */
export function handle_hvm_io_completion(v: vcpu): boolean {
  const d = v.domain;
  const { host } = d;
  const vio = v.arch.hvm.hvm_io;

  if (d.arch.hvm.has_vpci && host.vpci_process_pending(v)) {
    raise_schedule_softirq(v);
    return false;
  }

  for (let s = get_pending_server(v); s !== null; s = get_pending_server(v)) {
    const sv = s.sv[v.vcpu_id] as hvm_ioreq_vcpu;
    if (hvm_wait_for_io(sv, get_ioreq(s, v), s.id) !== WAIT_DONE) return false;
    if (host.revision.one_server_waited_for) break;
  }

  vio.io_req.state = hvm_ioreq_needs_completion(vio.io_req) ? STATE_IORESP_READY : STATE_IOREQ_NONE;
  host.points.hit('assist_done', v);

  if (host.revision.deferral_spans_instruction) {
    const done = complete_io(v);
    if (hvm_repeat_refused_broadcast(v)) return false;
    // Registers and memory are complete: only now may a shutdown call the domain shut down.
    if (host.revision.answer_ends_deferral) vcpu_end_shutdown_deferral(v);
    else if (io_instruction_done(v)) {
      host.trace.end_deferral(v);
      host.points.hit('undefer_done', v);
    }
    return done;
  }
  vcpu_end_shutdown_deferral(v);
  host.trace.end_deferral(v);
  host.points.hit('undefer_done', v);
  return complete_io(v);
}

/** Runs each time the scheduler picks `v`, also when it just continues. */
export function hvm_do_resume(v: vcpu): void {
  handle_hvm_io_completion(v);
  // Event injection follows here in Xen; the CPU host takes interrupts at its next run.
}
