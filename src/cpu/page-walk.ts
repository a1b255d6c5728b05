// SPDX-License-Identifier: GPL-2.0-only
// Whether page tables allow a write, and what an access leaves in them: for what is accessed without the CPU.
import type { GuestRam } from '../mem/guest-ram.ts';

const PAGING = 0x80000000;
const WRITE_PROTECT = 0x10000;
const PAGE_SIZE_EXTENSIONS = 0x10;
const PHYSICAL_ADDRESS_EXTENSION = 0x20;
const WRITABLE = 2;
const USER = 4;
const LARGE = 0x80;

/** What decides, besides the tables. */
export interface PagingState {
  readonly cr0: number;
  readonly cr3: number;
  readonly cr4: number;
  /** CPL 3. */
  readonly user: boolean;
}

/**
 * Whether a write is allowed at `linear`, which is mapped.
 * @param read - 32 bits of guest-physical memory
 */
export function mayWrite(
  state: PagingState,
  linear: number,
  read: (gpa: number) => number,
): boolean {
  const { cr0, cr3, cr4, user } = state;
  if ((cr0 & PAGING) === 0 || (!user && (cr0 & WRITE_PROTECT) === 0)) return true;
  const needed = WRITABLE | (user ? USER : 0);
  const allows = (entry: number): boolean => (entry & needed) === needed;
  const frame = (entry: number): number => (entry & ~0xfff) >>> 0;
  if ((cr4 & PHYSICAL_ADDRESS_EXTENSION) !== 0) {
    // RAM lies below 4 GiB: the high halves of entries are 0, or NX. The first level has no such bits.
    const pointer = read(((cr3 & ~0x1f) >>> 0) + 8 * (linear >>> 30));
    const directory = read(frame(pointer) + 8 * ((linear >>> 21) & 511));
    if (!allows(directory) || (directory & LARGE) !== 0) return allows(directory);
    return allows(read(frame(directory) + 8 * ((linear >>> 12) & 511)));
  }
  const directory = read(frame(cr3) + 4 * (linear >>> 22));
  const large = (directory & LARGE) !== 0 && (cr4 & PAGE_SIZE_EXTENSIONS) !== 0;
  if (!allows(directory) || large) return allows(directory);
  return allows(read(frame(directory) + 4 * ((linear >>> 12) & 1023)));
}

const ACCESSED = 0x20;
const DIRTY = 0x40;

/** Page-table entries by guest-physical address. */
export interface Entries {
  readonly read: (gpa: number) => number;
  /** Sets bits. */
  readonly mark: (gpa: number, bits: number) => void;
}

/** Entries in these segments of RAM; 0 elsewhere. */
export function entriesIn(
  ram: GuestRam,
  segments: readonly { readonly gpa: number; readonly bytes: number; readonly offset: number }[],
): Entries {
  const offsetOf = (gpa: number): number => {
    const found = segments.find((s) => gpa >= s.gpa && gpa + 4 <= s.gpa + s.bytes);
    return found === undefined ? -1 : found.offset + gpa - found.gpa;
  };
  const read = (gpa: number): number => {
    const at = offsetOf(gpa);
    return at === -1 ? 0 : ram.read(at, 4);
  };
  return {
    read,
    mark: (gpa, bits) => {
      const [at, entry] = [offsetOf(gpa), read(gpa)];
      if (at !== -1 && (entry & bits) !== bits) ram.write(at, 4, (entry | bits) >>> 0);
    },
  };
}

/**
 * Notes in the page tables that `linear`, which is mapped, was accessed, and if `write` that it was written to: as a
 * processor does in its walk, and Xen's `guest_walk_tables()` in its own once the walk has succeeded.
 */
export function markAccess(
  state: PagingState,
  linear: number,
  write: boolean,
  { read, mark }: Entries,
): void {
  const { cr0, cr3, cr4 } = state;
  if ((cr0 & PAGING) === 0) return;
  const pae = (cr4 & PHYSICAL_ADDRESS_EXTENSION) !== 0;
  const frame = (entry: number): number => (entry & ~0xfff) >>> 0;
  const upper = pae
    ? frame(read(((cr3 & ~0x1f) >>> 0) + 8 * (linear >>> 30))) + 8 * ((linear >>> 21) & 511)
    : frame(cr3) + 4 * (linear >>> 22);
  const directory = read(upper);
  const leaf = ACCESSED | (write ? DIRTY : 0);
  if ((directory & LARGE) !== 0 && (pae || (cr4 & PAGE_SIZE_EXTENSIONS) !== 0)) {
    mark(upper, leaf);
    return;
  }
  mark(upper, ACCESSED);
  const index = (linear >>> 12) & (pae ? 511 : 1023);
  mark(frame(directory) + (pae ? 8 : 4) * index, leaf);
}
