// SPDX-License-Identifier: GPL-2.0-only
// The pages that an ioreq server shares with its device model, and the guest's frames they may lie at.
// Behaviour of Xen 4.14.5 xen/arch/x86/hvm/ioreq.c. Difference: pages come from the host and are not reference counted.
import { BufferedPage } from '../../mem/buffered-page.ts';
import { IoreqPage } from '../../mem/ioreq-page.ts';
import { domain_crash } from '../common/domain.ts';
import type { domain } from '../common/sched.ts';
import { EINVAL, ENODATA, ENOMEM, EPERM, type errno_t } from '../public/errno.ts';
import {
  HVM_IOREQSRV_BUFIOREQ_OFF,
  HVM_PARAM_BUFIOREQ_PFN,
  HVM_PARAM_IOREQ_PFN,
} from '../public/hvm_dm_op.ts';
import { type hvm_ioreq_page, type hvm_ioreq_server, INVALID_GFN } from './state.ts';

export function handles_bufioreq(s: hvm_ioreq_server): boolean {
  return s.bufioreq_handling !== HVM_IOREQSRV_BUFIOREQ_OFF;
}

function hvm_alloc_legacy_ioreq_gfn(d: domain): number {
  const { ioreq_gfn, params } = d.arch.hvm;
  for (let i = HVM_PARAM_IOREQ_PFN; i <= HVM_PARAM_BUFIOREQ_PFN; i++) {
    const was_set = (ioreq_gfn.legacy_mask >>> i) & 1;
    ioreq_gfn.legacy_mask &= ~(1 << i);
    // Inverted in 4.14.5, and kept: a frame already given out is given out again.
    if (!was_set) return params[i] ?? 0;
  }
  return INVALID_GFN;
}

function hvm_alloc_ioreq_gfn(d: domain): number {
  const { base, mask } = d.arch.hvm.ioreq_gfn;
  for (let i = 0; i < mask.length; i++) {
    if (mask[i] !== 1) continue;
    mask[i] = 0;
    return base + i;
  }
  return hvm_alloc_legacy_ioreq_gfn(d);
}

function hvm_free_ioreq_gfn(d: domain, gfn: number): void {
  const { ioreq_gfn, params } = d.arch.hvm;
  for (let i = HVM_PARAM_IOREQ_PFN; i <= HVM_PARAM_BUFIOREQ_PFN; i++) {
    if (gfn !== params[i]) continue;
    ioreq_gfn.legacy_mask |= 1 << i;
    return;
  }
  const i = gfn - ioreq_gfn.base;
  if (i >= 0 && i < ioreq_gfn.mask.length) ioreq_gfn.mask[i] = 1;
}

/** How a page of bytes becomes one of the two kinds of shared page. */
type MakePage<Page> = (bytes: Uint8Array) => Page;
const makeIoreqPage: MakePage<IoreqPage> = (bytes) => new IoreqPage(bytes);
const makeBufferedPage: MakePage<BufferedPage> = (bytes) => new BufferedPage(bytes);

interface SharedPage {
  clear(): void;
}

function hvm_unmap_ioreq_gfn<Page>(d: domain, iorp: hvm_ioreq_page<Page>): void {
  if (iorp.gfn === INVALID_GFN) return;
  if (iorp.va !== null) d.host.trace.unmap_gfn(d);
  iorp.va = null;
  hvm_free_ioreq_gfn(d, iorp.gfn);
  iorp.gfn = INVALID_GFN;
}

function hvm_map_ioreq_gfn<Page>(
  d: domain,
  iorp: hvm_ioreq_page<Page>,
  make: MakePage<Page>,
): errno_t {
  if (iorp.va !== null) {
    // A page made by get_frame cannot be placed in the guest afterwards.
    return iorp.gfn === INVALID_GFN ? -EPERM : 0;
  }
  if (d.is_dying) return -EINVAL;
  iorp.gfn = hvm_alloc_ioreq_gfn(d);
  if (iorp.gfn === INVALID_GFN) return -ENOMEM;
  const page = d.host.map_ring_page(d, iorp.gfn);
  if (typeof page === 'number') {
    hvm_unmap_ioreq_gfn(d, iorp);
    return page;
  }
  iorp.va = make(page);
  d.host.trace.map_gfn(d, iorp.gfn);
  return 0;
}

export function hvm_ioreq_server_map_pages(s: hvm_ioreq_server): errno_t {
  const d = s.target;
  let rc = hvm_map_ioreq_gfn(d, s.ioreq, makeIoreqPage);
  if (rc === 0 && handles_bufioreq(s)) rc = hvm_map_ioreq_gfn(d, s.bufioreq, makeBufferedPage);
  if (rc !== 0) hvm_unmap_ioreq_gfn(d, s.ioreq);
  return rc;
}

function hvm_alloc_ioreq_mfn<Page>(
  s: hvm_ioreq_server,
  iorp: hvm_ioreq_page<Page>,
  make: MakePage<Page>,
): errno_t {
  const { host } = s.target;
  if (iorp.va !== null) return iorp.gfn === INVALID_GFN ? 0 : -EPERM;
  if (!host.alloc('domheap')) return -ENOMEM;
  if (!host.alloc('gettype')) {
    // The emulator cannot know of this page yet: it must have done something fishy.
    host.trace.crash_other(s.emulator);
    host.crash_domain(s.emulator);
    return -ENODATA;
  }
  if (!host.alloc('mapglobal')) return -ENOMEM;
  iorp.va = make(host.alloc_shared_page());
  return 0;
}

export function hvm_ioreq_server_alloc_pages(s: hvm_ioreq_server): errno_t {
  let rc = hvm_alloc_ioreq_mfn(s, s.ioreq, makeIoreqPage);
  if (rc === 0 && handles_bufioreq(s)) rc = hvm_alloc_ioreq_mfn(s, s.bufioreq, makeBufferedPage);
  // Kept from Xen: after -EPERM too, so a server with a frame in the guest loses its page.
  if (rc !== 0) s.ioreq.va = null;
  return rc;
}

/** Takes the page out of the guest's reach. */
export function hvm_remove_ioreq_gfn<Page extends SharedPage>(
  d: domain,
  iorp: hvm_ioreq_page<Page>,
): void {
  if (iorp.gfn === INVALID_GFN) return;
  d.host.trace.physmap_remove(d, iorp.gfn);
  if (d.host.guest_physmap_remove_page(d, iorp.gfn) !== 0) {
    domain_crash(d, `ioreq page 0x${iorp.gfn.toString(16)} could not be taken from the guest`);
  }
  iorp.va?.clear();
}

/** Puts the page back where the guest can see it, wiped. */
export function hvm_add_ioreq_gfn<Page extends SharedPage>(
  d: domain,
  iorp: hvm_ioreq_page<Page>,
): void {
  if (iorp.gfn === INVALID_GFN) return;
  iorp.va?.clear();
  d.host.guest_physmap_add_page(d, iorp.gfn);
  d.host.trace.physmap_add(d, iorp.gfn);
}

export function hvm_ioreq_server_unmap_pages(s: hvm_ioreq_server): void {
  hvm_unmap_ioreq_gfn(s.target, s.bufioreq);
  hvm_unmap_ioreq_gfn(s.target, s.ioreq);
}
