// SPDX-License-Identifier: GPL-2.0-only
// A domain in threads as an image has it: put together from what its vCPUs and device models have told of a checkpoint.
import { VERDICTS } from '../../dm/device.ts';
import type { EpochState } from '../../image/writer.ts';
import { InterruptLines } from '../../machine/interrupts.ts';
import { deviceLabel } from '../../machine/servers.ts';
import { D_IRQ_HIGH, D_IRQ_LATCHED, D_VERDICT } from '../../mem/domain-words.ts';
import { BugError, HvmError } from '../../util/errors.ts';
import { domainEpoch, type MemoryShape, type VcpuPart } from '../image/epoch.ts';
import type { ThreadedDomain } from './threaded-domain.ts';
import type { VcpuCaptured } from './vcpu-host.ts';

export interface ThreadedEpoch {
  shape: MemoryShape;
  /** Offsets of the pages written since the last checkpoint. */
  written: ReadonlySet<number>;
  state: EpochState;
}

/**
 * To be called while everything stands still at checkpoint `n`.
 * @throws HvmError HVM_DEVICE_DEAD when a device model's state is lost
 */
export function threadedEpoch(domain: ThreadedDomain, n: number): ThreadedEpoch {
  const { plan, from, devices, memory } = domain;
  const { guest, revision } = plan;
  const captured = domain.vcpus.map(({ captured: told, vcpuId }): VcpuCaptured => {
    if (told === null) throw new BugError(`vCPU ${vcpuId} has told of no checkpoint`);
    return told;
  });
  const vcpus = captured.map(({ part }, id): VcpuPart => {
    return { ...part, state: { ...part.state, witnesses: domain.witnesses(id) } };
  });
  const servers = devices.map(({ death, name, report }) => {
    if (report !== null && death === null) return { name, state: report.state };
    const why = death ?? 'it has not said how it stands';
    throw new HvmError('HVM_DEVICE_DEAD', `no image: device model '${name}': ${why}`);
  });
  const words = new Int32Array(memory.words);
  // Each vCPU has found out by itself.
  const pageIsRam = captured.some((c) => c.pageIsRam);
  const state = domainEpoch(
    {
      guest,
      revision,
      devices: plan.devices.map(({ factory, range }) => deviceLabel(factory.name, range)),
      servers,
      checkpoint: n,
      interrupts: new InterruptLines(words, D_IRQ_HIGH, D_IRQ_LATCHED).save(),
      pageIsRam,
      verdict: VERDICTS[Atomics.load(words, D_VERDICT) - 1] ?? from?.state.verdict ?? null,
      pc: null,
    },
    vcpus,
  );
  const written = new Set(captured.flatMap((c) => c.written));
  return { shape: { devices: plan.devices, pageIsRam, guest }, written, state };
}
