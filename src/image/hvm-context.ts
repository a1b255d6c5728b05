// SPDX-License-Identifier: GPL-2.0-only
// The HVM context: entries of Xen's own save format, up to END; what follows END is ours (see own-part.ts).
import { imageFault, type Place } from './fault.ts';

export const HVM_END = 0;
export const HVM_HEADER = 1;
export const HVM_CPU = 2;
const MAGIC = 0x54381286;
const VERSION = 1;

/** Name and body length of each entry; a negative length is the least, in steps of 8. */
export const HVM_ENTRIES: readonly (readonly [name: string, bytes: number])[] = [
  ['END', 0],
  ['HEADER', 24],
  ['CPU', 1032],
  ['PIC', 8],
  ['IOAPIC', 400],
  ['LAPIC', 24],
  ['LAPIC_REGS', 1024],
  ['PCI_IRQ', 16],
  ['ISA_IRQ', 8],
  ['PCI_LINK', 8],
  ['PIT', 56],
  ['RTC', 24],
  ['HPET', 1048],
  ['PMTIMER', 8],
  ['MTRR', 240],
  ['VIRIDIAN_DOMAIN', 32],
  ['CPU_XSAVE', -600],
  ['VIRIDIAN_VCPU', 216],
  ['VMCE_VCPU', 32],
  ['TSC_ADJUST', 8],
  ['CPU_MSR', -24],
];
/** Before Xen 4.12 or so, without MSR_TSC_AUX and flags. */
const OLD_CPU_BYTES = 1016;

/** One entry of a context. */
export interface HvmEntry {
  code: number;
  /** vCPU, or which of two PICs. */
  instance: number;
  /** Bytes from the start of the context. */
  offset: number;
  body: Uint8Array;
}

/** What `HEADER` says. */
export interface HvmHeader {
  changeset: bigint;
  cpuid: number;
  tscKhz: number;
}

/** The body of HEADER. */
export function encodeHvmHeader(header: HvmHeader): Uint8Array {
  const body = new Uint8Array(24);
  const v = new DataView(body.buffer);
  v.setUint32(0, MAGIC, true);
  v.setUint32(4, VERSION, true);
  v.setBigUint64(8, header.changeset, true);
  v.setUint32(16, header.cpuid, true);
  v.setUint32(20, header.tscKhz, true);
  return body;
}

/** Entries with END behind them. */
export function encodeHvmContext(
  entries: readonly Pick<HvmEntry, 'code' | 'instance' | 'body'>[],
): Uint8Array {
  const length = entries.reduce((sum, e) => sum + 8 + e.body.length, 8);
  const bytes = new Uint8Array(length);
  const v = new DataView(bytes.buffer);
  let at = 0;
  for (const { code, instance, body } of entries) {
    v.setUint16(at, code, true);
    v.setUint16(at + 2, instance, true);
    v.setUint32(at + 4, body.length, true);
    bytes.set(body, at + 8);
    at += 8 + body.length;
  }
  return bytes;
}

/**
 * Entries up to END, each of a length that Xen takes; HEADER first, nothing twice.
 * @returns the entries and where the bytes behind END begin
 * @throws HvmError HVM_IMAGE
 */
export function decodeHvmContext(
  bytes: Uint8Array,
  place: Place,
): { entries: HvmEntry[]; end: number } {
  const fail = (offset: number, what: string): never => {
    throw imageFault({ ...place, offset: place.offset + offset }, what);
  };
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const entries: HvmEntry[] = [];
  const seen = new Set<number>();
  for (let at = 0; ; ) {
    if (at + 8 > bytes.length) fail(at, 'the context ends without its END entry');
    const code = v.getUint16(at, true);
    const instance = v.getUint16(at + 2, true);
    const length = v.getUint32(at + 4, true);
    const known = HVM_ENTRIES[code];
    if (known === undefined) throw fail(at, `entry type ${code}: expected 0 to 20`);
    const [name, wanted] = known;
    if (entries.length === 0 && code !== HVM_HEADER) fail(at, `${name}: expected HEADER first`);
    if (!fits(code, wanted, length)) {
      fail(
        at + 4,
        `${name} of ${length} bytes: expected ${wanted < 0 ? 'at least ' : ''}${Math.abs(wanted)}`,
      );
    }
    if (instance > 127) fail(at + 2, `${name} of instance ${instance}: expected at most 127`);
    if (code === HVM_END) {
      if (instance !== 0) fail(at + 2, `END of instance ${instance}: expected 0`);
      return { entries, end: at + 8 };
    }
    const key = code * 65536 + instance;
    if (seen.has(key)) fail(at, `${name} of instance ${instance} is there twice`);
    seen.add(key);
    if (at + 8 + length > bytes.length) fail(at, `${name} reaches past the end of the context`);
    const body = bytes.subarray(at + 8, at + 8 + length);
    if (code === HVM_HEADER) {
      if (v.getUint32(at + 8, true) !== MAGIC) fail(at + 8, 'HEADER: expected magic 0x54381286');
      if (v.getUint32(at + 12, true) !== VERSION) fail(at + 12, 'HEADER: expected version 1');
      if (instance !== 0) fail(at + 2, `HEADER of instance ${instance}: expected 0`);
    }
    entries.push({ code, instance, offset: at, body });
    at += 8 + length;
  }
}

function fits(code: number, wanted: number, length: number): boolean {
  if (wanted < 0) return length >= -wanted && length % 8 === 0;
  return length === wanted || (code === HVM_CPU && length === OLD_CPU_BYTES);
}
