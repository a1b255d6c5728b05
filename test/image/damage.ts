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
