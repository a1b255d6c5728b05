// SPDX-License-Identifier: GPL-2.0-only
// From captured machines to what the writer wants: state in named fields, records of Xen's, and pages.

import type { ServerState } from '../../dm/server.ts';
import { encodeHvmHeader, HVM_HEADER } from '../../image/hvm-context.ts';
import { PAGE_BYTES, PAGE_NORMAL, PAGE_XTAB } from '../../image/layout.ts';
import type { PageOut } from '../../image/page-data.ts';
import type { EpochState } from '../../image/writer.ts';
import type { LoadedGuest } from '../../machine/loaded-guest.ts';
import type { Machine } from '../../machine/machine.ts';
import { deviceLabel } from '../../machine/servers.ts';
import type { RevisionName } from '../../xen/hvm/revision.ts';
import type { Snapshot } from '../snapshot.ts';
import { saveRecords } from './hvm-records.ts';
import type { HvmRecord } from './record-codec.ts';
import type {
  ImageState,
  LedgerPosition,
  LogPosition,
  OutputPosition,
  VcpuState,
} from './state.ts';

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
  /** Absent: nobody has listened since the guest started. */
  output?: OutputPosition | null;
}

/** One vCPU of a machine that stands still, just captured. */
export interface VcpuPart {
  state: VcpuState;
  /** Opaque. */
  cpu: Uint8Array;
  records: HvmRecord[];
}

/** Everything of a domain that is neither in a vCPU nor in memory. */
export interface DomainPart
  extends Pick<
    ImageState,
    'interrupts' | 'pageIsRam' | 'verdict' | 'revision' | 'checkpoint' | 'pc'
  > {
  guest: LoadedGuest;
  /** `name@range`. */
  devices: readonly string[];
  servers: readonly { name: string; state: ServerState }[];
  output?: OutputPosition | null;
}

/** @param snapshot - of this very moment */
export function vcpuPart(
  machine: Machine,
  snapshot: Snapshot,
  { ledger, log }: Pick<EpochFacts, 'ledger' | 'log'>,
): VcpuPart {
  const { cpu, charged, icount, injected, irq, nextTick, pciCf8, unclaimed } = snapshot;
  return {
    state: {
      cpuBytes: cpu.length,
      ...{ icount, charged, irq, injected, nextTick, pciCf8, unclaimed },
      witnesses: machine.witnesses(),
      ledger,
      log,
    },
    cpu,
    records: saveRecords(machine),
  };
}

/** One consistent state. @param vcpus - in the order of their numbers */
export function domainEpoch(domain: DomainPart, vcpus: readonly VcpuPart[]): EpochState {
  const { guest, servers, devices, revision, checkpoint, interrupts, pageIsRam, verdict } = domain;
  const { name, format, hasManifest, memoryBytes, blockBase, manifest } = guest;
  const state = {
    guest: { name, format, hasManifest, memoryBytes, blockBase, manifest },
    revision,
    devices,
    checkpoint,
    vcpus: vcpus.map((v) => v.state),
    servers: servers.map((s) => ({ name: s.name, devices: s.state.devices })),
    interrupts,
    pageIsRam,
    verdict,
    pc: domain.pc,
    // Absent where nobody has listened.
    output: domain.output ?? undefined,
  };
  const header = encodeHvmHeader({ changeset: 2n ** 64n - 1n, cpuid: 0, tscKhz: TSC_KHZ });
  // One counter for all: that of vCPU 0.
  const nsec = vcpus[0]?.state.icount ?? 0;
  return {
    tsc: { mode: ALWAYS_EMULATED, khz: TSC_KHZ, nsec, incarnation: 1 },
    params: [{ index: PARAM_X87_FIP_WIDTH, value: 4n }],
    entries: [
      { code: HVM_HEADER, instance: 0, body: header },
      // By kind, and of each kind by instance, as Xen saves them.
      ...vcpus.flatMap((v) => v.records).sort((a, b) => a.code - b.code),
    ],
    json: JSON.stringify(state),
    cpu: vcpus.length === 1 && vcpus[0] ? vcpus[0].cpu : Buffer.concat(vcpus.map((v) => v.cpu)),
  };
}

/**
 * The state of a machine on one thread that stands still, just captured.
 * @param snapshot - of this very moment
 */
export function epochState(machine: Machine, snapshot: Snapshot, facts: EpochFacts): EpochState {
  const { revision, checkpoint } = facts;
  const { interrupts, pageIsRam, verdict } = snapshot;
  const domain: DomainPart = {
    guest: machine.guest,
    devices: machine.devices.map(({ factory, range }) => deviceLabel(factory.name, range)),
    servers: machine.servers.map(({ name }, i) => ({
      name,
      state: snapshot.servers[i] ?? { devices: {} },
    })),
    ...{ revision, checkpoint, interrupts, pageIsRam, verdict },
    pc: machine.pc && snapshot.pc && { config: machine.pc.config, platform: snapshot.pc },
    output: facts.output ?? null,
  };
  return domainEpoch(domain, [vcpuPart(machine, snapshot, facts)]);
}

/** What decides where RAM lies: memory-mapped devices, and whether the page that can become RAM has done so. */
export interface MemoryShape {
  devices: readonly { range: { space: string; start: number; end: number } }[];
  pageIsRam: boolean;
  guest: Pick<LoadedGuest, 'manifest'>;
}

/** Page numbers that belong to memory-mapped devices: no RAM lies there. */
export function devicePages(shape: MemoryShape, memoryBytes: number): Set<number> {
  const pages = new Set<number>();
  for (const { range } of shape.devices) {
    if (range.space !== 'mmio') continue;
    const last = Math.min(Math.floor(range.end / PAGE_BYTES), memoryBytes / PAGE_BYTES - 1);
    for (let pfn = Math.floor(range.start / PAGE_BYTES); pfn <= last; pfn++) pages.add(pfn);
  }
  const turned = shape.guest.manifest.monitor?.ramAfterWrite;
  if (shape.pageIsRam && turned !== undefined) pages.delete(Math.floor(turned / PAGE_BYTES));
  return pages;
}

/** Every page of memory; those of devices are not present. */
export function* allPages(shape: MemoryShape, ram: Uint8Array): Generator<PageOut> {
  const holes = devicePages(shape, ram.length);
  for (let pfn = 0; pfn * PAGE_BYTES < ram.length; pfn++) yield pageAt(ram, pfn, holes);
}

/** Those of some pages that are worth an increment. @param offsets - into RAM */
export function* somePages(
  shape: MemoryShape,
  ram: Uint8Array,
  offsets: Iterable<number>,
): Generator<PageOut> {
  const holes = devicePages(shape, ram.length);
  for (const offset of offsets) yield pageAt(ram, offset / PAGE_BYTES, holes);
}

function pageAt(ram: Uint8Array, pfn: number, holes: ReadonlySet<number>): PageOut {
  if (holes.has(pfn)) return { pfn, type: PAGE_XTAB, data: null };
  const at = pfn * PAGE_BYTES;
  return { pfn, type: PAGE_NORMAL, data: ram.subarray(at, at + PAGE_BYTES) };
}
