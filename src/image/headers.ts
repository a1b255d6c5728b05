// SPDX-License-Identifier: GPL-2.0-only
// The two headers in front of the records: of the image, big endian, and of the domain.
import { imageFault, type Place } from './fault.ts';
import {
  DOMAIN_HEADER_BYTES,
  DOMAIN_X86_HVM,
  IMAGE_HEADER_BYTES,
  IMAGE_ID,
  PAGE_SHIFT,
} from './layout.ts';

/** What the headers say. */
export interface StreamHeaders {
  /** Of the stream: 2 or 3. */
  version: number;
  /** Of the Xen that wrote it; 0.x: converted from an older format. */
  xenMajor: number;
  xenMinor: number;
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Both headers of a stream of version 3. */
export function encodeHeaders(xenMajor: number, xenMinor: number): Uint8Array {
  const bytes = new Uint8Array(IMAGE_HEADER_BYTES + DOMAIN_HEADER_BYTES);
  const v = view(bytes);
  bytes.fill(0xff, 0, 8);
  v.setUint32(8, IMAGE_ID);
  v.setUint32(12, 3);
  v.setUint32(IMAGE_HEADER_BYTES, DOMAIN_X86_HVM, true);
  v.setUint16(IMAGE_HEADER_BYTES + 4, PAGE_SHIFT, true);
  v.setUint32(IMAGE_HEADER_BYTES + 8, xenMajor, true);
  v.setUint32(IMAGE_HEADER_BYTES + 12, xenMinor, true);
  return bytes;
}

const IN_IMAGE_HEADER: Place = { record: -1, type: 'image header', offset: 0 };
const at = (place: Place, offset: number): Place => ({ ...place, offset: place.offset + offset });

/** @returns the stream's version @throws HvmError HVM_IMAGE */
export function decodeImageHeader(bytes: Uint8Array): number {
  const v = view(bytes);
  const place = IN_IMAGE_HEADER;
  if (v.getUint32(0) !== 0xffffffff || v.getUint32(4) !== 0xffffffff) {
    throw imageFault(place, 'no image of Xen: expected eight bytes ff');
  }
  if (v.getUint32(8) !== IMAGE_ID) {
    throw imageFault(at(place, 8), `id 0x${v.getUint32(8).toString(16)}: expected "XENF"`);
  }
  const version = v.getUint32(12);
  if (version !== 2 && version !== 3) {
    throw imageFault(at(place, 12), `version ${version}: expected 2 or 3`);
  }
  const options = v.getUint16(16);
  if ((options & 1) !== 0) throw imageFault(at(place, 16), 'big endian: expected little');
  if (options !== 0 || v.getUint16(18) !== 0 || v.getUint32(20) !== 0) {
    throw imageFault(at(place, 16), 'reserved bits are set: expected 0');
  }
  return version;
}

/** @throws HvmError HVM_IMAGE */
export function decodeDomainHeader(bytes: Uint8Array): { xenMajor: number; xenMinor: number } {
  const v = view(bytes);
  const place: Place = { record: -1, type: 'domain header', offset: IMAGE_HEADER_BYTES };
  const type = v.getUint32(0, true);
  if (type !== DOMAIN_X86_HVM) {
    throw imageFault(place, `domain type ${type}: expected ${DOMAIN_X86_HVM}, x86 HVM`);
  }
  const shift = v.getUint16(4, true);
  if (shift !== PAGE_SHIFT) {
    throw imageFault(at(place, 4), `page shift ${shift}: expected ${PAGE_SHIFT}`);
  }
  if (v.getUint16(6, true) !== 0) {
    throw imageFault(at(place, 6), 'reserved bits are set: expected 0');
  }
  return { xenMajor: v.getUint32(8, true), xenMinor: v.getUint32(12, true) };
}
