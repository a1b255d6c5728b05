// SPDX-License-Identifier: GPL-2.0-only
// Numbers of Xen's migration stream (libxc, version 2 and 3), and the limits this reader sets itself.

export const IMAGE_HEADER_BYTES = 24;
export const DOMAIN_HEADER_BYTES = 16;
export const RECORD_HEADER_BYTES = 8;
/** "XENF", big endian. */
export const IMAGE_ID = 0x58454e46;
export const DOMAIN_X86_PV = 1;
export const DOMAIN_X86_HVM = 2;
export const PAGE_SHIFT = 12;
export const PAGE_BYTES = 4096;

export const REC_END = 0x00;
export const REC_PAGE_DATA = 0x01;
export const REC_X86_TSC_INFO = 0x08;
export const REC_HVM_CONTEXT = 0x09;
export const REC_HVM_PARAMS = 0x0a;
export const REC_VERIFY = 0x0d;
export const REC_CHECKPOINT = 0x0e;
export const REC_STATIC_DATA_END = 0x10;
export const REC_X86_CPUID_POLICY = 0x11;
export const REC_X86_MSR_POLICY = 0x12;

/** Names as Xen's documentation has them; types that are none of an HVM guest's are here for messages. */
export const RECORD_NAMES: Readonly<Record<number, string>> = {
  [REC_END]: 'END',
  [REC_PAGE_DATA]: 'PAGE_DATA',
  2: 'X86_PV_INFO',
  3: 'X86_PV_P2M_FRAMES',
  4: 'X86_PV_VCPU_BASIC',
  5: 'X86_PV_VCPU_EXTENDED',
  6: 'X86_PV_VCPU_XSAVE',
  7: 'SHARED_INFO',
  [REC_X86_TSC_INFO]: 'X86_TSC_INFO',
  [REC_HVM_CONTEXT]: 'HVM_CONTEXT',
  [REC_HVM_PARAMS]: 'HVM_PARAMS',
  11: 'TOOLSTACK',
  12: 'X86_PV_VCPU_MSRS',
  [REC_VERIFY]: 'VERIFY',
  [REC_CHECKPOINT]: 'CHECKPOINT',
  15: 'CHECKPOINT_DIRTY_PFN_LIST',
  [REC_STATIC_DATA_END]: 'STATIC_DATA_END',
  [REC_X86_CPUID_POLICY]: 'X86_CPUID_POLICY',
  [REC_X86_MSR_POLICY]: 'X86_MSR_POLICY',
};

/** The name of a record type, or its number. */
export function recordName(type: number): string {
  return RECORD_NAMES[type] ?? `type 0x${type.toString(16)}`;
}

/** Pages in one PAGE_DATA record: Xen writes no more, and this reader takes no more. */
export const MAX_PAGES = 1024;
/** A guest's pages end here: 2 GiB. */
export const MAX_PFN = 2 ** 19 - 1;
/** Longest body of each record type this reader takes: it never holds more than one body. */
export const MAX_BODY: Readonly<Record<number, number>> = {
  [REC_END]: 0,
  [REC_PAGE_DATA]: 8 + MAX_PAGES * (8 + PAGE_BYTES),
  [REC_X86_TSC_INFO]: 24,
  [REC_HVM_CONTEXT]: 4 * 2 ** 20,
  [REC_HVM_PARAMS]: 8 + 64 * 16,
  [REC_VERIFY]: 0,
  [REC_CHECKPOINT]: 0,
  [REC_STATIC_DATA_END]: 0,
  [REC_X86_CPUID_POLICY]: 24 * 4096,
  [REC_X86_MSR_POLICY]: 16 * 4096,
};

/** Body length with its padding. */
export function padded(length: number): number {
  return Math.ceil(length / 8) * 8;
}

/** Types of a page: which of them carry data. */
export const PAGE_NORMAL = 0;
export const PAGE_BROKEN = 13;
export const PAGE_XALLOC = 14;
/** Not present: the page belongs to a device. */
export const PAGE_XTAB = 15;

/** Whether a page of this type carries data; null: no such type. */
export function pageHasData(type: number): boolean | null {
  if (type >= 5 && type <= 8) return null;
  return type < PAGE_BROKEN;
}
