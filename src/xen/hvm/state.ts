// SPDX-License-Identifier: GPL-2.0-only
// The HVM parts of a domain and a vCPU, ioreq servers and internal handlers: their state only.
// Fields of Xen 4.14.5 xen/include/asm-x86/hvm/{domain,vcpu,io}.h.
// Differences: no MSI-X, G2M ports, nested guests, VM events; scratch objects so that no access allocates.
import type { BufferedPage } from '../../mem/buffered-page.ts';
import type { IoreqPage } from '../../mem/ioreq-page.ts';
import type { rangeset } from '../common/rangeset.ts';
import type { domain, vcpu } from '../common/sched.ts';
import type { spinlock } from '../common/spinlock.ts';
import type { evtchn_port_t } from '../public/event_channel.ts';
import {
  IOREQ_TYPE_PIO,
  IOREQ_WRITE,
  type ioreq_dir,
  type ioreq_t,
  newIoreq,
  STATE_IOREQ_READY,
} from '../public/hvm_ioreq.ts';
import type { p2m_domain } from './p2m.ts';
import type { insn_access, insn_class, insn_cpu, x86emul_rc } from './x86_emulate.ts';

/** What handle_hvm_io_completion has to do once the response is in. */
export const HVMIO_no_completion = 0;
export const HVMIO_mmio_completion = 1;
export const HVMIO_pio_completion = 2;
export const HVMIO_realmode_completion = 3;
/** Ours: port I/O run by the emulator goes on in the emulator (switch emulated_in_retires). */
export const HVMIO_emul_completion = 4;
export type hvm_io_completion = 0 | 1 | 2 | 3 | 4;

/** A repeat count passed in and out. */
export interface reps_t {
  reps: number;
}

/** A value of up to eight bytes passed in and out, or a guest-physical address passed in. */
export interface io_data {
  data: number;
  data_hi: number;
}

/** Bytes of one MMIO cache entry. */
export const MMIO_CACHE_BUFFER = 64;
/** Entries of the MMIO cache. */
export const MMIO_CACHE_ENTRIES = 3;

/** Result of one MMIO access that the instruction in progress has made. */
export interface hvm_mmio_cache {
  gla: number;
  /** Bytes done so far. */
  size: number;
  dir: ioreq_dir;
  /** Uint8Array(64). */
  readonly buffer: Uint8Array;
}

/** How the remembered translation came about; kept as bits in Xen. */
export interface npfec {
  gla_valid: boolean;
  read_access: boolean;
  write_access: boolean;
}

/** One remembered read of guest memory during emulation. */
export interface cache_entry {
  gpa: number;
  size: number;
  /** Uint8Array(8). */
  readonly data: Uint8Array;
}

export interface hvm_vcpu_io {
  io_completion: hvm_io_completion;
  /** The last attempt to send was refused because of a shutdown. The boolean the fix adds. */
  suspended: boolean;
  /** The latched request, reused in place; its state is private: NONE, READY or IORESP_READY. */
  readonly io_req: ioreq_t;
  readonly mmio_access: npfec;
  /** Linear page of the remembered translation. */
  mmio_gla: number;
  /** Its guest frame. */
  mmio_gpfn: number;
  readonly mmio_cache: hvm_mmio_cache[];
  mmio_cache_count: number;
  /** Not 0: bytes of the instruction kept for running it again. */
  mmio_insn_bytes: number;
  /** Whether guest memory reads are remembered. */
  cache_enabled: boolean;
  readonly cache: cache_entry[];
  cache_count: number;
  /** A string instruction did fewer repetitions than asked for; its registers are committed. */
  mmio_retry: boolean;

  /** Ours: a refused broadcast, to be repeated; meaningful while `broadcast_refused` is not 0. */
  readonly broadcast_req: ioreq_t;
  /** Ours: servers that did not get it, one bit per id. */
  broadcast_refused: number;
}

/** Ours: the instruction that x86_emulate() has begun and not finished. */
export interface insn_in_progress {
  /** Accesses in order; entries beyond `count` are spare. */
  readonly list: insn_access[];
  /** How many of `list` belong to the instruction. */
  count: number;
  /** How many of them are answered for good: never asked again (switch pio_answers_cached). */
  answered: number;
  /** The access being made: its page translates without the CPU. Linear page, guest page, or -1. */
  gla_page: number;
  gpa_page: number;
}

export interface hvm_vcpu {
  readonly hvm_io: hvm_vcpu_io;
  /** Ours: plays x86_emulate(); null in a machine without emulated instructions. */
  cpu: insn_cpu | null;
  readonly insn: insn_in_progress;
  /** Class of the instruction being emulated, known after it was validated. */
  insn_class: insn_class;
  /** Scratch of hvmemul_do_io: the request under construction. */
  readonly p: ioreq_t;
  /** Scratch of x86_emulate: repetitions of a string instruction. */
  readonly string_reps: reps_t;
  /** Scratch of the callers of hvmemul_do_io. */
  readonly one_rep: reps_t;
  readonly data: io_data;
  /** Scratch of handle_pio, live across hvmemul_do_io. */
  readonly pio_data: io_data;
  /** Uint8Array(8), scratch of copies between guest memory and values. */
  readonly bytes: Uint8Array;
  /** Scratch of linear accesses. Uint8Array(8). */
  readonly access_bytes: Uint8Array;
}

/** One vCPU's record at one ioreq server. */
export interface hvm_ioreq_vcpu {
  readonly vcpu: vcpu;
  ioreq_evtchn: evtchn_port_t;
  /** A synchronous request of the vCPU is outstanding at this server. Private to the hypervisor. */
  pending: boolean;
}

/** One of a server's two shared pages. */
export interface hvm_ioreq_page<Page> {
  /** INVALID_GFN unless the page sits in the guest's address space. */
  gfn: number;
  /** Null while there is none. */
  va: Page | null;
}

export const INVALID_GFN = -1;

export interface hvm_ioreq_server {
  readonly id: number;
  readonly target: domain;
  /** Domain id of the device model. */
  readonly emulator: number;
  readonly ioreq: hvm_ioreq_page<IoreqPage>;
  readonly bufioreq: hvm_ioreq_page<BufferedPage>;
  /** Most recently added first, as Xen's list. */
  readonly ioreq_vcpu_list: hvm_ioreq_vcpu[];
  /** The same records by vCPU id. */
  readonly sv: (hvm_ioreq_vcpu | undefined)[];
  bufioreq_evtchn: evtchn_port_t;
  /** By range type. */
  readonly range: readonly [rangeset, rangeset, rangeset];
  enabled: boolean;
  /** Held while an entry is put into the buffered ring. */
  readonly bufioreq_lock: spinlock;
  /** HVM_IOREQSRV_BUFIOREQ_*. */
  readonly bufioreq_handling: number;
}

/** A handler inside the monitor. Answers of reads go into `data`. */
export interface hvm_io_handler {
  /** IOREQ_TYPE_PIO or IOREQ_TYPE_COPY. */
  readonly type: number;
  readonly ops: hvm_io_ops;
}

export interface hvm_io_ops {
  /** Whether the request is this handler's. */
  accept(curr: vcpu, p: ioreq_t): boolean;
  /** `data` comes in as zero. */
  read(curr: vcpu, addr: number, size: number, data: io_data): x86emul_rc;
  write(curr: vcpu, addr: number, size: number, data: io_data): x86emul_rc;
  /** Runs after every use of the handler; null for none. */
  readonly complete: ((curr: vcpu) => void) | null;
}

/** A port handler's range, which can be moved; `size` in ports. */
export interface hvm_portio {
  port: number;
  size: number;
}

export interface hvm_domain {
  readonly p2m: p2m_domain;
  /** By id, as long as the highest id ever used: every access looks through it, several times. */
  readonly ioreq_server: (hvm_ioreq_server | null)[];
  /**
   * Ours: grows with every change of servers, their ranges, handlers, or types of frames: what was known of where an
   * access goes may be wrong then.
   */
  routing: number;
  /**
   * Ours: grows with every event, pause, request to leave the guest, shutdown, crash, verdict, deadline or change of the
   * board: whoever let others work sees that they did more than answer him.
   */
  stirs: number;
  /** Last value written to port 0xcf8. */
  pci_cf8: number;
  readonly io_handler: hvm_io_handler[];
  /** Registrations, those that found the table full too. */
  io_handler_count: number;
  /** Where port handlers can be found again by their port, index as in `io_handler`. */
  readonly portio: (hvm_portio | null)[];
  /** Frames for shared pages: frame base + i is free while mask[i] is 1. */
  readonly ioreq_gfn: { base: number; readonly mask: Uint8Array; legacy_mask: number };
  /** HVM_PARAM_*, by number. */
  readonly params: number[];
  /** The bits of CPUID that decide about extended configuration space. */
  cpuid: { amd: boolean; family: number };
  has_vpci: boolean;
  /** XEN_DMOP operations that need hardware assisted paging are possible. */
  hap_enabled: boolean;
}

/** An IN or OUT, or a memory access, whose answer the vCPU must still take in. */
export function hvm_ioreq_needs_completion(r: ioreq_t): boolean {
  return (
    r.state === STATE_IOREQ_READY &&
    !r.data_is_ptr &&
    (r.type !== IOREQ_TYPE_PIO || r.dir !== IOREQ_WRITE)
  );
}

function newMmioCache(): hvm_mmio_cache {
  return { gla: 0, size: 0, dir: IOREQ_WRITE, buffer: new Uint8Array(MMIO_CACHE_BUFFER) };
}

/** The entry `index` of the MMIO cache, made on first use. */
export function mmioCacheEntry(vio: hvm_vcpu_io, index: number): hvm_mmio_cache {
  let entry = vio.mmio_cache[index];
  if (entry === undefined) {
    entry = newMmioCache();
    vio.mmio_cache[index] = entry;
  }
  return entry;
}

export function newHvmVcpu(): hvm_vcpu {
  return {
    hvm_io: {
      io_completion: HVMIO_no_completion,
      suspended: false,
      io_req: newIoreq(),
      mmio_access: { gla_valid: false, read_access: false, write_access: false },
      mmio_gla: 0,
      mmio_gpfn: 0,
      mmio_cache: [newMmioCache(), newMmioCache(), newMmioCache()],
      mmio_cache_count: 0,
      mmio_insn_bytes: 0,
      cache_enabled: false,
      cache: [],
      cache_count: 0,
      mmio_retry: false,
      broadcast_req: newIoreq(),
      broadcast_refused: 0,
    },
    cpu: null,
    insn: { list: [], count: 0, answered: 0, gla_page: -1, gpa_page: -1 },
    insn_class: 0,
    p: newIoreq(),
    string_reps: { reps: 1 },
    one_rep: { reps: 1 },
    data: { data: 0, data_hi: 0 },
    pio_data: { data: 0, data_hi: 0 },
    bytes: new Uint8Array(8),
    access_bytes: new Uint8Array(8),
  };
}

export function newHvmDomain(p2m: p2m_domain): hvm_domain {
  const hvm: hvm_domain = {
    p2m,
    ioreq_server: [],
    routing: 0,
    stirs: 0,
    pci_cf8: 0,
    io_handler: [],
    io_handler_count: 0,
    portio: [],
    ioreq_gfn: { base: 0, mask: new Uint8Array(64), legacy_mask: 0 },
    params: new Array<number>(64).fill(0),
    cpuid: { amd: false, family: 0 },
    has_vpci: false,
    hap_enabled: true,
  };
  p2m.onChange = () => {
    hvm.routing++;
  };
  return hvm;
}
