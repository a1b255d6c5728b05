// SPDX-License-Identifier: GPL-2.0-only
// Damaged images: each is refused with its place, or is provably the same guest.
import { createHash } from 'node:crypto';
import { StreamWriter } from '../../src/image/writer.ts';
import { loadGuest } from '../../src/machine/loader.ts';
import { allPages, epochState, somePages } from '../../src/toolstack/image/epoch.ts';
import type { LoadedImage } from '../../src/toolstack/image/load.ts';
import { loadImageBytes } from '../../src/toolstack/image/read.ts';
import { suspend } from '../../src/toolstack/image/suspend.ts';
import { isHvmError } from '../../src/util/errors.ts';
import { imageOf, rig, runTo } from './helper.ts';

/** Enough for a guest at 0x7c00, and small enough to flip every bit. */
const SMALL = 0x8000;

function smallRig(): ReturnType<typeof rig> {
  return rig(loadGuest('hello', { memoryBytes: SMALL }));
}

/** A whole image of 8 pages. */
export function smallImage(): Uint8Array {
  using r = smallRig();
  runTo(r, 10);
  return imageOf(r);
}

/** A checkpointed one: whole, then two increments. */
export function smallContinuous(): Uint8Array {
  using r = smallRig();
  const pieces: Uint8Array[] = [];
  const writer = new StreamWriter((piece) => pieces.push(piece));
  for (let n = 1; n <= 3; n++) {
    runTo(r, 10 * n);
    suspend(r.machine, r.loop, r.snapshot, () => {
      const facts = { revision: 'exact', checkpoint: n, ledger: null, log: null } as const;
      const state = epochState(r.machine, r.snapshot, facts);
      const { ram, copied } = r.snapshot;
      const pages = n === 1 ? allPages(r.machine, ram) : somePages(r.machine, ram, copied);
      writer.epoch(pages, state);
      writer.checkpoint();
    });
  }
  writer.end();
  return new Uint8Array(Buffer.concat(pieces));
}

/** Everything a restored guest follows from, as one hash. */
export function fingerprint(image: LoadedImage): string {
  const hash = createHash('sha256').update(JSON.stringify(image.state)).update(image.cpu);
  for (const { code, instance, body } of image.records)
    hash.update(`${code} ${instance}`).update(body);
  for (const [pfn, data] of [...image.pages].sort((a, b) => a[0] - b[0])) {
    hash.update(`${pfn}`).update(data ?? 'absent');
  }
  return hash.digest('hex');
}

/** `refused`, the fingerprint of what was loaded, or what must never be. */
export function judge(bytes: Uint8Array): string {
  let image: LoadedImage;
  try {
    image = loadImageBytes(bytes);
  } catch (error) {
    if (!isHvmError(error) || error.code !== 'HVM_IMAGE') return `threw ${String(error)}`;
    return /at offset \d+: /.test(error.message) ? 'refused' : `no place: ${error.message}`;
  }
  const cut = image.dropped === null ? '' : ' cut';
  return `${fingerprint(image)}${cut}`;
}

/**
 * Judges the image with each of `bits` flipped.
 * @param harmless - outcomes that are allowed besides refusal
 * @returns bits with another outcome
 */
export function flips(
  bytes: Uint8Array,
  bits: Iterable<number>,
  harmless: readonly string[],
): string[] {
  const wrong: string[] = [];
  const copy = bytes.slice();
  for (const bit of bits) {
    const at = bit >>> 3;
    copy[at] = (copy[at] ?? 0) ^ (1 << (bit & 7));
    const outcome = judge(copy);
    if (outcome !== 'refused' && !harmless.includes(outcome)) wrong.push(`bit ${bit}: ${outcome}`);
    copy[at] = bytes[at] ?? 0;
  }
  return wrong;
}

/** What an image cut off behind each of its checkpoints gives. */
export function cutOutcomes(bytes: Uint8Array): string[] {
  const v = new DataView(bytes.buffer, bytes.byteOffset);
  const found: string[] = [];
  for (let at = 40; at < bytes.length; ) {
    const type = v.getUint32(at, true);
    at += 8 + Math.ceil(v.getUint32(at + 4, true) / 8) * 8;
    if (type === 0x0e) found.push(judge(bytes.subarray(0, at)));
  }
  return found;
}

/** Records of a stream, headers first, as slices. */
export function parts(bytes: Uint8Array): Uint8Array[] {
  const found = [bytes.slice(0, 40)];
  const v = new DataView(bytes.buffer, bytes.byteOffset);
  for (let at = 40; at < bytes.length; ) {
    const end = at + 8 + Math.ceil(v.getUint32(at + 4, true) / 8) * 8;
    found.push(bytes.slice(at, end));
    at = end;
  }
  return found;
}

/** The pieces of a stream as one. */
export const join = (list: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(Buffer.concat(list));

export type Change = 'double' | 'swap' | 'drop' | 'type' | 'length';

/** The list with one change. @param a - which record, @param b - where to, or the new value */
export function changed(list: Uint8Array[], what: Change, a: number, b: number): Uint8Array[] {
  const next = [...list];
  const part = next[a];
  if (part === undefined) return next;
  if (what === 'double') next.splice(b, 0, part);
  else if (what === 'drop') next.splice(a, 1);
  else if (what === 'swap') [next[a], next[b]] = [next[b] ?? part, part];
  else {
    const copy = part.slice();
    if (copy.length >= 8) new DataView(copy.buffer).setUint32(what === 'type' ? 0 : 4, b, true);
    next[a] = copy;
  }
  return next;
}

/** Lengths and types that are no record's, or another's. */
const ODD = [1, 7, 8, 9, 0x1000, 0xffff, 0x400000, 0x400008, 0x7fffffff, 0x80000000, 0xffffffff];

/**
 * Every record doubled to every place, swapped with every other, dropped, and with every odd length and type.
 * @returns how many were tried, and those that were neither refused nor announced as cut
 */
export function rearrangements(bytes: Uint8Array): { tried: number; wrong: string[] } {
  const all = parts(bytes);
  const same = judge(bytes);
  const wrong: string[] = [];
  let tried = 0;
  const attempt = (what: Change, a: number, b: number): void => {
    const result = join(
      changed(
        all.map((part) => part.slice()),
        what,
        a,
        b,
      ),
    );
    if (Buffer.compare(result, bytes) === 0) return;
    tried++;
    const outcome = judge(result);
    if (outcome === 'refused' || outcome.endsWith(' cut') || outcome === same) return;
    wrong.push(`${what} ${a} ${b}: ${outcome}`);
  };
  for (let a = 0; a < all.length; a++) {
    attempt('drop', a, 0);
    for (let b = 0; b < all.length; b++) {
      attempt('double', a, b);
      if (b > a) attempt('swap', a, b);
    }
    for (const value of [...ODD, ...Array.from({ length: 19 }, (_, type) => type)]) {
      attempt('type', a, value);
      attempt('length', a, value);
    }
  }
  return { tried, wrong };
}

/** The image cut off at every byte. @returns as `rearrangements()` */
export function cuts(bytes: Uint8Array): { tried: number; wrong: string[] } {
  const allowed = ['refused', ...cutOutcomes(bytes)];
  const wrong: string[] = [];
  for (let end = 0; end < bytes.length; end++) {
    const outcome = judge(bytes.subarray(0, end));
    if (!allowed.includes(outcome)) wrong.push(`cut at ${end}: ${outcome}`);
  }
  return { tried: bytes.length, wrong };
}
