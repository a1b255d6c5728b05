// SPDX-License-Identifier: GPL-2.0-only
// What an ioreq server has for each vCPU: its slot, its event channels; and what becomes of a request when it goes.
// Behaviour of Xen 4.14.5 xen/arch/x86/hvm/ioreq.c. Difference: switch destroyed_server_answers_ones.
import {
  alloc_unbound_xen_event_channel,
  free_xen_event_channel,
  xen_event_channel_signalled,
} from '../common/event_channel.ts';
import type { vcpu } from '../common/sched.ts';
import { ENOMEM, type errno_t } from '../public/errno.ts';
import { IOREQ_READ } from '../public/hvm_ioreq.ts';
import { hvm_copy_to_guest_phys } from './guest_copy.ts';
import { valueToGpa } from './intercept.ts';
import { handles_bufioreq } from './ioreq_server_pages.ts';
import { hvm_ioreq_needs_completion, type hvm_ioreq_server, type hvm_ioreq_vcpu } from './state.ts';

export function hvm_update_ioreq_evtchn(s: hvm_ioreq_server, sv: hvm_ioreq_vcpu): void {
  s.ioreq.va?.slot(sv.vcpu.vcpu_id).setVpEport(sv.ioreq_evtchn);
}

export function hvm_ioreq_server_add_vcpu(s: hvm_ioreq_server, v: vcpu): errno_t {
  const d = v.domain;
  if (!d.host.alloc('heap')) return -ENOMEM;
  const port = alloc_unbound_xen_event_channel(d, v.vcpu_id, s.emulator);
  if (port < 0) return port;
  if (v.vcpu_id === 0 && handles_bufioreq(s)) {
    const ring = alloc_unbound_xen_event_channel(d, 0, s.emulator);
    if (ring < 0) {
      free_xen_event_channel(d, port);
      return ring;
    }
    s.bufioreq_evtchn = ring;
  }
  const sv: hvm_ioreq_vcpu = { vcpu: v, ioreq_evtchn: port, pending: false };
  s.ioreq_vcpu_list.unshift(sv);
  s.sv[v.vcpu_id] = sv;
  if (s.enabled) hvm_update_ioreq_evtchn(s, sv);
  return 0;
}

/** The device model is gone: its answer to the request of `v` is all ones. */
function answer_all_ones(v: vcpu): void {
  const { io_req } = v.arch.hvm.hvm_io;
  if (hvm_ioreq_needs_completion(io_req)) {
    io_req.data = 0xffffffff;
    io_req.data_hi = 0xffffffff;
  } else if (io_req.data_is_ptr && io_req.dir === IOREQ_READ) {
    const ones = new Uint8Array(io_req.size).fill(0xff);
    const step = io_req.df ? -io_req.size : io_req.size;
    for (let i = 0; i < io_req.count; i++) {
      hvm_copy_to_guest_phys(v, valueToGpa(io_req) + step * i, ones, 0, io_req.size);
    }
  }
  xen_event_channel_signalled(v);
}

function remove_sv(s: hvm_ioreq_server, sv: hvm_ioreq_vcpu): void {
  const d = s.target;
  if (sv.vcpu.vcpu_id === 0 && handles_bufioreq(s)) free_xen_event_channel(d, s.bufioreq_evtchn);
  free_xen_event_channel(d, sv.ioreq_evtchn);
  s.ioreq_vcpu_list.splice(s.ioreq_vcpu_list.indexOf(sv), 1);
  s.sv[sv.vcpu.vcpu_id] = undefined;
  if (sv.pending && d.host.revision.destroyed_server_answers_ones) answer_all_ones(sv.vcpu);
}

export function hvm_ioreq_server_remove_vcpu(s: hvm_ioreq_server, v: vcpu): void {
  const sv = s.sv[v.vcpu_id];
  if (sv !== undefined) remove_sv(s, sv);
}

export function hvm_ioreq_server_remove_all_vcpus(s: hvm_ioreq_server): void {
  for (const sv of [...s.ioreq_vcpu_list]) remove_sv(s, sv);
}
