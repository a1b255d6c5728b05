// SPDX-License-Identifier: GPL-2.0-only
// What is at a guest frame: RAM, or one of the kinds of nothing. One flat table instead of page tables.
// Behaviour of Xen 4.14.5 xen/arch/x86/mm/p2m.c as far as the I/O path asks.
// Differences: no page reference counts, no nested or alternate tables; paged frames have no page.
import type { GuestRam } from '../../mem/guest-ram.ts';
import { EBUSY, EINVAL, type errno_t } from '../public/errno.ts';
import type { hvm_ioreq_server } from './state.ts';

export const p2m_ram_rw = 0;
export const p2m_ram_ro = 3;
/** Nothing there: accesses go to a device model. */
export const p2m_mmio_dm = 4;
export const p2m_mmio_direct = 5;
export const p2m_ram_paged = 10;
export const p2m_ram_shared = 12;
/** RAM whose writes go to one registered ioreq server. */
export const p2m_ioreq_server = 15;
export type p2m_type_t = number;

const PAGE = 4096;

/** The guest's memory map. Frames beyond RAM are p2m_mmio_dm unless overridden. */
export class p2m_domain {
  /** Ours: called when a frame has changed its type. */
  onChange: () => void = () => {};
  readonly ram: GuestRam;
  /** Uint8Array, one type per RAM frame. */
  readonly #types: Uint8Array;
  /** Overrides beyond RAM, newest last; few. */
  readonly #high: { first: number; last: number; type: p2m_type_t }[] = [];
  /** The server of p2m_ioreq_server frames. */
  ioreq_server: hvm_ioreq_server | null = null;
  ioreq_flags = 0;
  /** How many p2m_ioreq_server entries there are. */
  ioreq_entry_count = 0;

  constructor(ram: GuestRam) {
    this.ram = ram;
    this.#types = new Uint8Array(ram.sizeBytes / PAGE).fill(p2m_ram_rw);
  }

  /** Type of the frame that holds `gpa`. */
  type_at(gpa: number): p2m_type_t {
    const gfn = Math.floor(gpa / PAGE);
    if (gfn >= 0 && gfn < this.#types.length) return this.#types[gfn] ?? p2m_mmio_dm;
    for (let i = this.#high.length - 1; i >= 0; i--) {
      const range = this.#high[i];
      if (range !== undefined && gfn >= range.first && gfn <= range.last) return range.type;
    }
    return p2m_mmio_dm;
  }

  /** Whether the frame that holds `gpa` has a page behind it. */
  has_page(gpa: number): boolean {
    if (!this.ram.contains(gpa, 1)) return false;
    const type = this.type_at(gpa);
    return type !== p2m_mmio_dm && type !== p2m_mmio_direct && type !== p2m_ram_paged;
  }

  /** Overrides the type of `n` frames from `gfn`; the latest override wins. */
  set_type(gfn: number, n: number, type: p2m_type_t): void {
    for (let i = gfn; i < Math.min(gfn + n, this.#types.length); i++) {
      if (this.#types[i] === p2m_ioreq_server) this.ioreq_entry_count--;
      if (type === p2m_ioreq_server) this.ioreq_entry_count++;
      this.#types[i] = type;
    }
    const first = Math.max(gfn, this.#types.length);
    if (gfn + n > first) this.#high.push({ first, last: gfn + n - 1, type });
    this.onChange();
  }

  /** Every p2m_ioreq_server frame becomes ordinary RAM. */
  reset_ioreq_entries(): void {
    for (let i = 0; i < this.#types.length; i++) {
      if (this.#types[i] === p2m_ioreq_server) this.#types[i] = p2m_ram_rw;
    }
    this.ioreq_entry_count = 0;
  }
}

/** Registers (`flags` not 0) or unregisters the server of p2m_ioreq_server frames. */
export function p2m_set_ioreq_server(p2m: p2m_domain, flags: number, s: hvm_ioreq_server): errno_t {
  if (flags === 0) {
    if (p2m.ioreq_server !== s) return -EINVAL;
    p2m.ioreq_server = null;
    p2m.ioreq_flags = 0;
    return 0;
  }
  if (p2m.ioreq_server !== null) return -EBUSY;
  // Entries of a server that has just been unregistered may still be there.
  if (p2m.ioreq_entry_count !== 0) return -EBUSY;
  p2m.ioreq_server = s;
  p2m.ioreq_flags = flags;
  return 0;
}
