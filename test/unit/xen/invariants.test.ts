// SPDX-License-Identifier: GPL-2.0-only
// docs/invariants.md over random sequences of operations, two vCPUs, every revision.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { POINT_NAMES } from '../../../src/xen/common/points.ts';
import type { vcpu } from '../../../src/xen/common/sched.ts';
import { get_ioreq, hvm_io_pending } from '../../../src/xen/hvm/ioreq.ts';
import { get_ioreq_server } from '../../../src/xen/hvm/ioreq_server.ts';
import { REVISION_NAMES, type RevisionName } from '../../../src/xen/hvm/revision.ts';
import { STATE_IOREQ_NONE } from '../../../src/xen/public/hvm_ioreq.ts';
import type { JsonObject } from '../../conformance/scenario.ts';
import { PORT, Rig } from './rig.ts';

const vcpuId = fc.integer({ min: 0, max: 1 });
const outside = fc.oneof(
  fc.record({ op: fc.constant('shutdown'), reason: fc.constantFrom(0, 2) }),
  fc.record({ op: fc.constant('dm_answer'), server: fc.constant(0), vcpu: vcpuId, base: fc.nat() }),
  fc.record({ op: fc.constant('kick'), vcpu: vcpuId }),
);
const injected = fc.array(
  fc.record({
    at: fc.constantFrom(...POINT_NAMES),
    nth: fc.integer({ min: 1, max: 2 }),
    do: fc.array(outside, { minLength: 1, maxLength: 2 }),
  }),
  { maxLength: 2 },
);
const operation = fc.oneof(
  { weight: 3, arbitrary: fc.record({ op: fc.constant('run'), vcpu: vcpuId, inject: injected }) },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('pio'),
      vcpu: vcpuId,
      port: fc.constantFrom(PORT, PORT + 4, 0x99),
      size: fc.constantFrom(1, 2, 4),
      dir: fc.constantFrom('in', 'out'),
      len: fc.constantFrom(1, 2),
      inject: injected,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant('invalidate'), vcpu: vcpuId, inject: injected }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('resume') }) },
  { weight: 3, arbitrary: outside },
);

/** Counters that the checks are made of. */
class Watch {
  readonly rig: Rig;
  readonly #revision: RevisionName;
  #sent = 0;
  #answers = 0;
  #told = 0;
  #shutdowns = 0;

  constructor(revision: RevisionName) {
    this.#revision = revision;
    this.rig = new Rig(revision, { vcpus: 2 });
    this.rig.do('run', { vcpu: 1 });
    const { recorder } = this.rig.machine;
    const finalised = recorder.finalised.bind(recorder);
    recorder.finalised = (d, port) => {
      this.#told++;
      if (revision === 'exact') for (const v of d.vcpu) this.#quiet(v);
      finalised(d, port);
    };
    recorder.response = () => this.#answers++;
  }

  /** I7: nothing of this vCPU is under way. */
  #quiet(v: vcpu): void {
    expect(hvm_io_pending(v)).toBe(false);
    expect(v.defer_shutdown).toBe(false);
    expect(v.arch.hvm.hvm_io.io_req.state).toBe(STATE_IOREQ_NONE);
  }

  step(op: JsonObject & { op: string }): void {
    const { rig } = this;
    const { d } = rig;
    const before = rig.state();
    const wasShutDown = d.is_shut_down;
    const { op: name, ...args } = op;
    const told = this.#told;
    const result = rig.do(name, args);
    const after = rig.state();

    // I2, I4: every grant that was followed by READY is one send; every response ends one.
    const sends = rig.events('raise_schedule').length > 0 ? rig.events('notify').length : 0;
    this.#sent += sends;
    const pending = d.vcpu.filter((v) => hvm_io_pending(v)).length;
    expect(this.#sent - this.#answers).toBe(pending);

    for (const v of d.vcpu) {
      const s = get_ioreq_server(d, 0);
      const slot = s === null ? null : get_ioreq(s, v);
      // I1, I4: a slot is in use exactly while its request is pending.
      expect(slot?.state() !== STATE_IOREQ_NONE).toBe(hvm_io_pending(v));
      // I8.
      expect(v.pause_count).toBe(v.paused_for_shutdown ? 1 : 0);
      // I5.
      if (v.paused_for_shutdown) expect(v.in_guest).toBe(false);
      // I3.
      const moved =
        BigInt(after.vcpus[v.vcpu_id].regs.rip) - BigInt(before.vcpus[v.vcpu_id].regs.rip);
      const ran = name === 'pio' && args.vcpu === v.vcpu_id && result.rip_advanced === true;
      expect(moved).toBe(ran ? BigInt(args.len as number) : 0n);
      if (ran) expect(before.vcpus[v.vcpu_id].in_guest).toBe(true);
    }
    // I6: shut down exactly when every vCPU is paused for it; told once each time.
    expect(d.is_shut_down).toBe(d.is_shutting_down && d.vcpu.every((v) => v.paused_for_shutdown));
    if (d.is_shut_down && !wasShutDown) this.#shutdowns++;
    expect(this.#told - told).toBeLessThanOrEqual(1);
    expect(this.#told).toBeGreaterThanOrEqual(this.#shutdowns);
    if (wasShutDown && d.is_shut_down) expect(this.#told).toBe(told);
    if (d.is_shut_down && this.#revision === 'exact') for (const v of d.vcpu) this.#quiet(v);
    expect(d.crashed).toBeNull();
  }
}

describe.each(REVISION_NAMES)('invariants, %s', (revision) => {
  it('hold over random operations', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
        const watch = new Watch(revision);
        for (const op of operations) watch.step(op as unknown as JsonObject & { op: string });
      }),
      { numRuns: 150 },
    );
  });
});
