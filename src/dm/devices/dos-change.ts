// SPDX-License-Identifier: GPL-2.0-only
// What a DOS program changed on its drive, kept beside the host's folder; and the same as text, for images.
import { HvmError } from '../../util/errors.ts';
import { isDosName } from './dos-names.ts';
import type { DosTime } from './dos-time.ts';

/** One name that is not as the host has it. */
export interface Change extends DosTime {
  /** `gone`: what the host has there is deleted. */
  readonly kind: 'gone' | 'folder' | 'file';
  readonly attributes: number;
  /** Where the host has what is in it; null: nothing of it is the host's. */
  readonly from: readonly string[] | null;
  /** Bytes of a file; null: as the host has them. */
  readonly data: FileBytes | null;
}

/** A file that grows. */
export class FileBytes {
  #bytes: Uint8Array;
  #length: number;
  #text: string | null = null;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#length = bytes.length;
  }

  get length(): number {
    return this.#length;
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  write(offset: number, from: Uint8Array): void {
    this.resize(Math.max(this.#length, offset + from.length));
    this.#bytes.set(from, offset);
    this.#text = null;
  }

  /** What is new is zeros. */
  resize(length: number): void {
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#bytes.length));
      larger.set(this.bytes);
      this.#bytes = larger;
    } else if (length > this.#length) this.#bytes.fill(0, this.#length, length);
    if (length !== this.#length) this.#text = null;
    this.#length = length;
  }

  /** Base64. */
  get text(): string {
    this.#text ??= Buffer.from(this.bytes).toString('base64');
    return this.#text;
  }
}

/** Changes by folder, names joined by \, and by name. */
export type Changes = Map<string, Map<string, Change>>;

export function changesText(changes: Changes): string {
  const rows = [...changes].flatMap(([folder, names]) =>
    [...names].map(([name, c]) => [
      folder,
      name,
      c.kind,
      c.attributes,
      c.time,
      c.date,
      c.from === null ? null : c.from.join('\\'),
      c.data?.text ?? null,
    ]),
  );
  return JSON.stringify(rows);
}

/** @throws HvmError HVM_DEVICE_STATE for a text that `changesText()` does not write */
export function changesOf(text: string): Changes {
  const changes: Changes = new Map();
  for (const row of parsed(text)) {
    if (!Array.isArray(row) || row.length !== 8) refuse();
    const [folder, name, kind, attributes, time, date, from, data] = row as unknown[];
    if (typeof folder !== 'string' || typeof name !== 'string' || !isDosName(name)) refuse();
    if (kind !== 'gone' && kind !== 'folder' && kind !== 'file') refuse();
    if (data !== null && typeof data !== 'string') refuse();
    const names = changes.get(folder as string) ?? new Map<string, Change>();
    changes.set(namesOf(folder).join('\\'), names);
    names.set(name as string, {
      kind: kind as Change['kind'],
      attributes: word(attributes) & 0xff,
      time: word(time),
      date: word(date),
      from: from === null ? null : namesOf(from),
      data:
        data === null ? null : new FileBytes(new Uint8Array(Buffer.from(data as string, 'base64'))),
    });
  }
  return changes;
}

/** Names joined by \ as a list. @throws HvmError HVM_DEVICE_STATE when one is none */
export function namesOf(text: unknown): string[] {
  if (typeof text !== 'string') return refuse();
  const names = text === '' ? [] : text.split('\\');
  return names.every(isDosName) ? names : refuse();
}

/** A list from JSON. @throws HvmError HVM_DEVICE_STATE */
export function parsed(text: string): unknown[] {
  try {
    const list: unknown = JSON.parse(text);
    if (Array.isArray(list)) return list;
  } catch {
    // refused below
  }
  return refuse();
}

function word(value: unknown): number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff
    ? value
    : refuse();
}

function refuse(): never {
  throw new HvmError('HVM_DEVICE_STATE', "state for device 'host-folder': no list of files");
}
