// SPDX-License-Identifier: GPL-2.0-only
// From a captured machine to what the writer wants: state in named fields, and pages.

import { formatIoRange } from '../../dm/range.ts';
import { encodeHvmHeader, HVM_CPU, HVM_HEADER } from '../../image/hvm-context.ts';
import { PAGE_BYTES, PAGE_NORMAL, PAGE_XTAB } from '../../image/layout.ts';
import type { PageOut } from '../../image/page-data.ts';
import type { EpochState } from '../../image/writer.ts';
import type { Machine } from '../../machine/machine.ts';
import { HvmError } from '../../util/errors.ts';
import type { RevisionName } from '../../xen/hvm/revision.ts';
import type { Snapshot } from '../snapshot.ts';
import { encodeCpu } from './cpu-record.ts';
import { nativeCpu } from './native-cpu.ts';
import type { ImageState, LedgerPosition, LogPosition } from './state.ts';

/** The guest's clock ticks once per instruction, and an instruction takes a nanosecond. */
export const TSC_KHZ = 1_000_000;
/** x87 pointers are saved as 32 bits with their selectors. */
const PARAM_X87_FIP_WIDTH = 36;
const ALWAYS_EMULATED = 1;

/** What a machine does not know of itself. */
export interface EpochFacts {
  revision: RevisionName;
  /** Number of this checkpoint, from 1. */
  checkpoint: number;
  ledger: LedgerPosition | null;
  log: LogPosition | null;
}

/**
 * The state of a machine that stands still, just captured.
 * @param snapshot - of this very moment
 */
export function epochState(machine: Machine, snapshot: Snapshot, facts: EpochFacts): EpochState {
  const state = imageState(machine, snapshot, facts);
  return {
    tsc: { mode: ALWAYS_EMULATED, khz: TSC_KHZ, nsec: snapshot.icount, incarnation: 1 },
    params: [{ index: PARAM_X87_FIP_WIDTH, value: 4n }],
    entries: [
      {
        code: HVM_HEADER,
        instance: 0,
        body: encodeHvmHeader({ changeset: 2n ** 64n - 1n, cpuid: 0, tscKhz: TSC_KHZ }),
      },
      { code: HVM_CPU, instance: 0, body: encodeCpu(nativeCpu(machine)) },
    ],
    json: JSON.stringify(state),
    cpu: snapshot.cpu,
  };
}

function imageState(machine: Machine, snapshot: Snapshot, facts: EpochFacts): ImageState {
  const { guest } = machine;
  if (guest.manifest.monitor !== undefined) {
    throw new HvmError(
      'HVM_USAGE',
      `guest '${guest.name}' needs stand-ins for parts of Xen (monitor in its guest.json), and images do not hold them: expected a guest without`,
    );
  }
  return {
    guest: {
      name: guest.name,
      format: guest.format,
      hasManifest: guest.hasManifest,
      memoryBytes: guest.memoryBytes,
      blockBase: guest.blockBase,
      manifest: guest.manifest,
    },
    revision: facts.revision,
    devices: machine.devices.map(({ factory, range }) => `${factory.name}@${formatIoRange(range)}`),
    checkpoint: facts.checkpoint,
    icount: snapshot.icount,
    charged: snapshot.charged,
    irq: snapshot.irq,
    injected: snapshot.injected,
    servers: machine.servers.map(({ name }, i) => ({
      name,
      devices: structuredClone(snapshot.servers[i]?.devices ?? {}) as never,
    })),
    interrupts: snapshot.interrupts,
    nextTick: snapshot.nextTick,
    pciCf8: snapshot.pciCf8,
    pageIsRam: snapshot.pageIsRam,
    verdict: machine.verdict,
    unclaimed: machine.unclaimed,
    witnesses: machine.witnesses(),
    ledger: facts.ledger,
    log: facts.log,
  };
}

/** Page numbers that belong to memory-mapped devices: no RAM lies there. */
export function devicePages(
  devices: readonly { range: { space: string; start: number; end: number } }[],
  memoryBytes: number,
): Set<number> {
  const pages = new Set<number>();
  for (const { range } of devices) {
    if (range.space !== 'mmio') continue;
    const last = Math.min(Math.floor(range.end / PAGE_BYTES), memoryBytes / PAGE_BYTES - 1);
    for (let pfn = Math.floor(range.start / PAGE_BYTES); pfn <= last; pfn++) pages.add(pfn);
  }
  return pages;
}

/** Every page of memory; those of devices are not present. */
export function* allPages(machine: Machine, ram: Uint8Array): Generator<PageOut> {
  const holes = devicePages(machine.devices, ram.length);
  for (let pfn = 0; pfn * PAGE_BYTES < ram.length; pfn++) {
    if (holes.has(pfn)) yield { pfn, type: PAGE_XTAB, data: null };
    else yield pageAt(ram, pfn);
  }
}

/** One page of RAM. */
export function pageAt(ram: Uint8Array, pfn: number): PageOut {
  const at = pfn * PAGE_BYTES;
  return { pfn, type: PAGE_NORMAL, data: ram.subarray(at, at + PAGE_BYTES) };
}
