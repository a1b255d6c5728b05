// SPDX-License-Identifier: GPL-2.0-only
// A pause that arrives just behind the scheduler's look at the vCPU is not forgotten: it would keep domain_pause()
// waiting for ever.
import { describe, expect, it } from 'vitest';
import { GuestRam } from '../../../src/mem/guest-ram.ts';
import { wait_for_schedule } from '../../../src/xen/common/event_channel.ts';
import { schedule_vcpu, type vcpu, vcpu_pause_nosync } from '../../../src/xen/common/sched.ts';
import { createXenHost } from '../../../src/xen/host.ts';
import { domain_create, vcpu_create } from '../../../src/xen/hvm/hvm.ts';
import { REVISIONS } from '../../../src/xen/hvm/revision.ts';

/** A vCPU that another thread pauses right after `vcpu_runnable()` has read its last word. */
function pausedBehindTheLook(): { v: vcpu; looks: () => number } {
  const host = createXenHost({ revision: REVISIONS.exact });
  const d = domain_create(1, new GuestRam(4096), host);
  const v = vcpu_create(d, { eax: 0, rax_hi: 0, eip: 0 });
  let looks = 0;
  Object.defineProperty(d, 'pause_count', {
    get: () => {
      if (looks++ === 0) vcpu_pause_nosync(v);
      return 0;
    },
  });
  return { v, looks: () => looks };
}

describe('a pause behind the look', () => {
  it('schedule_vcpu does not enter the guest', () => {
    const { v, looks } = pausedBehindTheLook();
    expect(schedule_vcpu(v, { resumes: 0 })).toBe('not_runnable');
    expect(looks()).toBeGreaterThan(0);
    expect(v.in_guest).toBe(false);
  });

  it('wait_for_schedule goes on, and the softirq stays raised', () => {
    const { v } = pausedBehindTheLook();
    expect(wait_for_schedule(v)).toBe(true);
    expect(v.sched_pending).toBe(true);
  });
});
