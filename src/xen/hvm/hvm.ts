// SPDX-License-Identifier: GPL-2.0-only
// Making a domain and its vCPUs, with what every one has: the 0xcf8 latch.
// Behaviour of Xen 4.14.5 xen/arch/x86/hvm/hvm.c (initialisation), ioreq.c (hvm_ioreq_init).
// Differences: state that other subsystems own does not exist here.
import type { GuestRam } from '../../mem/guest-ram.ts';
import { vcpu_check_shutdown } from '../common/domain.ts';
import type { cpu_user_regs, domain, vcpu } from '../common/sched.ts';
import { shared_domain, shared_vcpu } from '../common/shared_sched.ts';
import type { XenHost } from '../host.ts';
import { IOREQ_WRITE } from '../public/hvm_ioreq.ts';
import { SHUTDOWN_CODE_INVALID } from '../public/sched.ts';
import { hvm_do_resume } from './io_completion.ts';
import { register_portio_handler } from './io_handler.ts';
import { p2m_domain } from './p2m.ts';
import { newHvmDomain, newHvmVcpu } from './state.ts';
import { X86EMUL_UNHANDLEABLE } from './x86_emulate.ts';

/** The latch of PCI configuration addresses: writes are noted, and go on to the device model. */
function hvm_ioreq_init(d: domain): void {
  register_portio_handler(d, 0xcf8, 4, (_curr, dir, _port, size, val) => {
    if (dir === IOREQ_WRITE && size === 4) d.arch.hvm.pci_cf8 = val.data >>> 0;
    return X86EMUL_UNHANDLEABLE;
  });
}

/**
 * A domain without vCPUs.
 * @param domain_id - any number; the device models' domain is another
 * @param words - where several threads share its scheduling state; null on one thread
 */
export function domain_create(
  domain_id: number,
  ram: GuestRam,
  host: XenHost,
  words: Int32Array | null = null,
): domain {
  const parts = {
    domain_id,
    arch: { hvm: newHvmDomain(new p2m_domain(ram)) },
    host,
    ctxt_switch_tail: hvm_do_resume,
    shutdown_lock: host.new_lock(),
  };
  const d = words === null ? local_domain(parts) : new shared_domain(words, parts);
  hvm_ioreq_init(d);
  return d;
}

type DomainParts = Pick<
  domain,
  'domain_id' | 'arch' | 'host' | 'ctxt_switch_tail' | 'shutdown_lock'
>;

function local_domain(parts: DomainParts): domain {
  return {
    ...parts,
    vcpu: [],
    is_shutting_down: false,
    is_shut_down: false,
    shutdown_code: SHUTDOWN_CODE_INVALID,
    suspend_evtchn: 0,
    pause_count: 0,
    change_pause_count(by) {
      this.pause_count += by;
    },
    is_dying: false,
    crashed: null,
  };
}

/**
 * The next vCPU of `d`, not yet known to its ioreq servers (hvm_all_ioreq_servers_add_vcpu). In a
 * domain that is shutting down it starts out paused.
 */
export function vcpu_create(d: domain, regs: cpu_user_regs): vcpu {
  const parts = { vcpu_id: d.vcpu.length, domain: d, regs, arch: { hvm: newHvmVcpu() } };
  const v = local_vcpu(parts);
  d.vcpu.push(v);
  vcpu_check_shutdown(v);
  return v;
}

/**
 * The same over words that several threads share. No shutdown may be under way.
 * @param own - whether this thread runs it
 */
export function shared_vcpu_create(
  d: domain,
  regs: cpu_user_regs,
  words: Int32Array,
  own: boolean,
): vcpu {
  const parts = { vcpu_id: d.vcpu.length, domain: d, regs, arch: { hvm: newHvmVcpu() } };
  const v = new shared_vcpu(words, own, parts);
  d.vcpu.push(v);
  return v;
}

function local_vcpu(parts: Pick<vcpu, 'vcpu_id' | 'domain' | 'regs' | 'arch'>): vcpu {
  return {
    ...parts,
    defer_shutdown: false,
    paused_for_shutdown: false,
    pause_count: 0,
    change_pause_count(by) {
      this.pause_count += by;
    },
    blocked_in_xen: false,
    sched_pending: false,
    in_guest: false,
    is_running: false,
    descheduled: false,
  };
}
