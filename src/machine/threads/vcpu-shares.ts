// SPDX-License-Identifier: GPL-2.0-only
// A device model in another process counts accesses, not vCPUs. Each vCPU has books of its own, so the bridge counts
// whose accesses it carried; what the device model counted besides, or did not, shows in vCPU 0's share.

import type { IoRange } from '../../dm/range.ts';
import type { AccessEvent } from '../../dm/request.ts';
import type { Witness } from '../../ledger/events.ts';
import { IOREQ_READ } from '../../xen/public/hvm_ioreq.ts';

export class VcpuShares {
  readonly #ranges: ReadonlyMap<string, IoRange>;
  /** By vCPU, from 1 on, and device. */
  readonly #carried: Map<string, Witness>[];

  /** @param ranges - of each device, by its label */
  constructor(vcpus: number, ranges: ReadonlyMap<string, IoRange>) {
    this.#ranges = ranges;
    this.#carried = Array.from({ length: vcpus }, () => new Map());
  }

  carried({ addr, dir, size, space, vcpu }: AccessEvent): void {
    if (vcpu <= 0) return;
    for (const [label, range] of this.#ranges) {
      if (range.space !== space || addr < range.start || addr + size - 1 > range.end) continue;
      const of = this.#carried[vcpu];
      const share = of?.get(label) ?? { reads: 0, writes: 0 };
      if (dir === IOREQ_READ) share.reads++;
      else share.writes++;
      of?.set(label, share);
      return;
    }
  }

  /** @param totals - what the device model counted, by label; @returns the same by vCPU */
  split(totals: Readonly<Record<string, Witness>>): Record<string, Witness>[] {
    return this.#carried.map((_, vcpu) =>
      Object.fromEntries(
        Object.entries(totals).map(([label, total]) => [label, this.#share(vcpu, label, total)]),
      ),
    );
  }

  #share(vcpu: number, label: string, total: Witness): Witness {
    if (vcpu > 0) return this.#carried[vcpu]?.get(label) ?? { reads: 0, writes: 0 };
    let { reads, writes } = total;
    for (const of of this.#carried.slice(1)) {
      reads -= of.get(label)?.reads ?? 0;
      writes -= of.get(label)?.writes ?? 0;
    }
    return { reads, writes };
  }
}
