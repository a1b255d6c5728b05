// SPDX-License-Identifier: GPL-2.0-only
// Whether page tables allow a write: for what is written without the CPU.
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
