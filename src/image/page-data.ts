// SPDX-License-Identifier: GPL-2.0-only
// PAGE_DATA: page numbers with their types, then the pages that carry data.
import { imageFault, type Place } from './fault.ts';
import { MAX_PAGES, MAX_PFN, PAGE_BYTES, PAGE_NORMAL, pageHasData } from './layout.ts';

/** One page of a record. */
export interface ImagePage {
  pfn: number;
  /** 0 normal, 15 not present, see layout.ts. */
  type: number;
  /** 4096 bytes, a view that is only valid during the call; null: the type carries none. */
  data: Uint8Array | null;
}

/** A page to be written; no data: it is not present. */
export interface PageOut {
  pfn: number;
  type: number;
  data: Uint8Array | null;
}

/** The body of a PAGE_DATA record. @param pages - 1 to 1024 */
export function encodePageData(pages: readonly PageOut[]): Uint8Array {
  const withData = pages.filter((p) => p.data !== null).length;
  const body = new Uint8Array(8 + 8 * pages.length + PAGE_BYTES * withData);
  const v = new DataView(body.buffer);
  v.setUint32(0, pages.length, true);
  let at = 8 + 8 * pages.length;
  pages.forEach(({ pfn, type, data }, i) => {
    v.setUint32(8 + 8 * i, pfn >>> 0, true);
    v.setUint32(12 + 8 * i, (Math.floor(pfn / 2 ** 32) | (type << 28)) >>> 0, true);
    if (data === null) return;
    body.set(data, at);
    at += PAGE_BYTES;
  });
  return body;
}

/** @param place - of the body @throws HvmError HVM_IMAGE */
export function decodePageData(body: Uint8Array, place: Place): ImagePage[] {
  const fail = (offset: number, what: string): never => {
    throw imageFault({ ...place, offset: place.offset + offset }, what);
  };
  if (body.length < 16) fail(0, `${body.length} bytes: expected at least one page`);
  const v = new DataView(body.buffer, body.byteOffset, body.length);
  const count = v.getUint32(0, true);
  if (count < 1 || count > MAX_PAGES) fail(0, `${count} pages: expected 1 to ${MAX_PAGES}`);
  if (v.getUint32(4, true) !== 0) fail(4, 'reserved bits are set: expected 0');
  if (body.length < 8 + 8 * count) fail(0, `${count} pages do not fit into ${body.length} bytes`);
  const pages: ImagePage[] = [];
  let at = 8 + 8 * count;
  for (let i = 0; i < count; i++) {
    const offset = 8 + 8 * i;
    const high = v.getUint32(offset + 4, true);
    const pfn = v.getUint32(offset, true) + (high & 0xfffff) * 2 ** 32;
    const type = high >>> 28;
    const hasData = pageHasData(type);
    if ((high & 0x0ff00000) !== 0) fail(offset, 'reserved bits of a page number are set');
    if (hasData === null) fail(offset, `page type ${type}: there is no such type`);
    if (type !== PAGE_NORMAL && type < 13) fail(offset, `page type ${type}: only of a PV guest`);
    if (pfn > MAX_PFN) fail(offset, `page 0x${pfn.toString(16)}: expected at most 0x7ffff (2 GiB)`);
    if (hasData !== true) {
      pages.push({ pfn, type, data: null });
      continue;
    }
    if (at + PAGE_BYTES > body.length) fail(offset, `the data of page ${i} is missing`);
    pages.push({ pfn, type, data: body.subarray(at, at + PAGE_BYTES) });
    at += PAGE_BYTES;
  }
  if (at !== body.length) fail(at, `${body.length - at} bytes behind the last page`);
  return pages;
}
