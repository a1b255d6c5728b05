// SPDX-License-Identifier: GPL-2.0-only
// Drive C of a DOS program: the host's folder with what the program changed over it. The host's files are only read.
import { type Change, type Changes, changesOf, changesText, FileBytes } from './dos-change.ts';
import {
  ARCHIVE,
  type DosEntry,
  DosError,
  FILE_EXISTS,
  FOLDER,
  HIDDEN,
  NO_ACCESS,
  NO_FILE,
  NO_PATH,
  READ_ONLY,
  SYSTEM,
} from './dos-entry.ts';
import type { HostFolder } from './dos-host.ts';
import { isDosName } from './dos-names.ts';
import { type DosTime, dosTime } from './dos-time.ts';

/** Something on the drive: what it is, and where its bytes are. */
interface Found extends DosEntry {
  readonly from: readonly string[] | null;
  readonly data: FileBytes | null;
}

/** Bytes that all changed files together may have: then the disk is full. */
export const MOST_BYTES = 64 << 20;
/** Names that a program may change: then there is no room for one more. */
export const MOST_NAMES = 16384;

const key = (path: readonly string[]): string => path.join('\\');

export class DosVolume {
  readonly #host: HostFolder;
  #changes: Changes = new Map();
  #used = 0;

  constructor(host: HostFolder) {
    this.#host = host;
  }

  get text(): string {
    return changesText(this.#changes);
  }

  /** @throws HvmError HVM_DEVICE_STATE */
  set text(text: string) {
    this.#changes = changesOf(text);
    this.#used = 0;
    for (const change of this.changed()) this.#used += change.change.data?.length ?? 0;
  }

  get freeBytes(): number {
    return Math.max(0, MOST_BYTES - this.#used);
  }

  /** Every name that is not as the host has it. */
  *changed(): Generator<{ path: string[]; change: Change }> {
    for (const [folder, names] of this.#changes) {
      for (const [name, change] of names) {
        yield { path: folder === '' ? [name] : [...folder.split('\\'), name], change };
      }
    }
  }

  /** Entries of a folder by name; null: there is no such folder. */
  list(path: readonly string[]): Map<string, DosEntry> | null {
    const from = this.#folder(path);
    if (from === undefined) return null;
    const entries = new Map<string, DosEntry>();
    const changes = this.#changes.get(key(path));
    for (const entry of (from === null ? null : this.#host.list(from)) ?? []) {
      if (!changes?.has(entry.name)) entries.set(entry.name, hostEntry(entry, []));
    }
    for (const [name, change] of changes ?? []) {
      if (change.kind !== 'gone') entries.set(name, this.#entry(name, change));
    }
    return entries;
  }

  /** @throws DosError NO_PATH, NO_FILE */
  find(path: readonly string[]): Found {
    const name = path.at(-1);
    const parent = path.slice(0, -1);
    if (name === undefined) throw new DosError(NO_PATH);
    const from = this.#folder(parent);
    if (from === undefined) throw new DosError(NO_PATH);
    const change = this.#changes.get(key(parent))?.get(name);
    if (change !== undefined) {
      if (change.kind === 'gone') throw new DosError(NO_FILE);
      return this.#entry(name, change);
    }
    const entry = from === null ? undefined : this.#host.list(from)?.find((e) => e.name === name);
    if (from === null || entry === undefined) throw new DosError(NO_FILE);
    return hostEntry(entry, [...from, name]);
  }

  read(path: readonly string[], offset: number, count: number): Uint8Array {
    const { data, from } = this.file(path);
    if (data !== null) return data.bytes.subarray(offset, offset + count);
    return from === null ? new Uint8Array(0) : this.#host.read(from, offset, count);
  }

  /** @throws DosError NO_ACCESS when it is a folder */
  file(path: readonly string[]): Found {
    const found = this.find(path);
    if ((found.attributes & FOLDER) !== 0) throw new DosError(NO_ACCESS);
    return found;
  }

  /** A new file, or an old one made empty. @throws DosError */
  create(path: readonly string[], attributes: number, at: DosTime, fresh: boolean): void {
    const old = this.#try(path);
    if (old !== null) {
      if (fresh) throw new DosError(FILE_EXISTS);
      if ((old.attributes & (FOLDER | READ_ONLY)) !== 0) throw new DosError(NO_ACCESS);
    } else this.#mayBeNew(path);
    const own = (attributes & (READ_ONLY | HIDDEN | SYSTEM)) | ARCHIVE;
    this.#set(path, file(own, at, new FileBytes(new Uint8Array(0))));
  }

  /** @returns how many bytes found room */
  write(path: readonly string[], offset: number, bytes: Uint8Array): number {
    const data = this.#writable(path);
    const most = data.length + this.freeBytes - offset;
    const part = bytes.subarray(0, Math.max(0, Math.min(bytes.length, most)));
    if (part.length > 0) this.#grown(data, () => data.write(offset, part));
    return part.length;
  }

  /** Cuts a file off, or makes it longer. @throws DosError NO_ACCESS when there is no room */
  resize(path: readonly string[], length: number): void {
    const data = this.#writable(path);
    if (length - data.length > this.freeBytes) throw new DosError(NO_ACCESS);
    this.#grown(data, () => data.resize(length));
  }

  /** @throws DosError NO_ACCESS for a folder, or a file that is read only */
  remove(path: readonly string[]): void {
    if ((this.file(path).attributes & READ_ONLY) !== 0) throw new DosError(NO_ACCESS);
    this.#gone(path);
  }

  makeFolder(path: readonly string[], at: DosTime): void {
    if (this.#try(path) !== null) throw new DosError(NO_ACCESS);
    this.#mayBeNew(path);
    this.#changes.delete(key(path));
    this.#set(path, { kind: 'folder', attributes: FOLDER, ...at, from: null, data: null });
  }

  /** @throws DosError NO_ACCESS when something is in it, seen or not */
  removeFolder(path: readonly string[]): void {
    const { attributes, from } = this.find(path);
    if ((attributes & FOLDER) === 0) throw new DosError(NO_PATH);
    const unseen = from === null ? 0 : this.#host.hidden(from).length;
    if (this.list(path)?.size !== 0 || unseen > 0) throw new DosError(NO_ACCESS);
    this.#gone(path);
  }

  /** A file, or a folder that stays where it is. @throws DosError */
  rename(old: readonly string[], path: readonly string[]): void {
    const found = this.find(old);
    if (this.#try(path) !== null) throw new DosError(NO_ACCESS);
    this.#mayBeNew(path);
    const isFolder = (found.attributes & FOLDER) !== 0;
    if (isFolder && key(old.slice(0, -1)) !== key(path.slice(0, -1))) {
      throw new DosError(NO_ACCESS);
    }
    const { attributes, time, date, from, data } = found;
    const kind = isFolder ? 'folder' : 'file';
    const moved = isFolder ? this.#below(old) : [];
    this.#gone(old, false);
    this.#set(path, { kind, attributes, time, date, from, data }, false);
    for (const [folder, names] of moved) {
      this.#changes.set(key(path) + folder.slice(key(old).length), names);
    }
  }

  setAttributes(path: readonly string[], attributes: number): void {
    const { attributes: old, time, date, from, data } = this.find(path);
    const kind = (old & FOLDER) !== 0 ? 'folder' : 'file';
    const kept = (old & FOLDER) | (attributes & (READ_ONLY | HIDDEN | SYSTEM | ARCHIVE));
    this.#set(path, { kind, attributes: kept, time, date, from, data }, false);
  }

  setTime(path: readonly string[], at: DosTime): void {
    const { attributes, from, data } = this.file(path);
    const { time, date } = at;
    this.#set(path, { kind: 'file', attributes, time, date, from, data }, false);
  }

  /** Where the host has a folder's content, null: it has nothing of it; undefined: no such folder. */
  #folder(path: readonly string[]): readonly string[] | null | undefined {
    let from: readonly string[] | null = [];
    for (const [i, name] of path.entries()) {
      const change = this.#changes.get(key(path.slice(0, i)))?.get(name);
      if (change !== undefined) {
        if (change.kind !== 'folder') return undefined;
        from = change.from;
      } else {
        if (from === null) return undefined;
        const here: readonly string[] = from;
        const entry = this.#host.list(here)?.find((e) => e.name === name);
        if (entry?.folder !== true) return undefined;
        from = [...here, name];
      }
    }
    return from !== null && this.#host.list(from) === null ? undefined : from;
  }

  #entry(name: string, change: Change): Found {
    const { attributes, time, date, from, data } = change;
    let bytes = data?.length ?? 0;
    if (change.kind === 'file' && data === null && from !== null) {
      bytes = this.#host.list(from.slice(0, -1))?.find((e) => e.name === from.at(-1))?.bytes ?? 0;
    }
    return { name, attributes, time, date, bytes, from, data };
  }

  #try(path: readonly string[]): Found | null {
    try {
      return this.find(path);
    } catch (error) {
      if (error instanceof DosError && error.code === NO_FILE) return null;
      throw error;
    }
  }

  /** Whether something may be made here that is not there. @throws DosError */
  #mayBeNew(path: readonly string[]): void {
    const name = path.at(-1) ?? '';
    const from = this.#folder(path.slice(0, -1));
    if (!isDosName(name) || from === undefined) throw new DosError(NO_PATH);
    const names = [...this.#changes.values()].reduce((sum, { size }) => sum + size, 0);
    if (names >= MOST_NAMES) throw new DosError(NO_ACCESS);
    if (from !== null && this.#host.hidden(from).includes(name)) throw new DosError(NO_ACCESS);
  }

  /** The bytes of a file that is written to: the program's own copy. */
  #writable(path: readonly string[]): FileBytes {
    const { attributes, time, date, data, from } = this.file(path);
    if (data !== null) return data;
    const bytes = from === null ? new Uint8Array(0) : this.#whole(from);
    if (bytes.length > this.freeBytes) throw new DosError(NO_ACCESS);
    const own = new FileBytes(bytes);
    this.#set(path, { ...file(attributes | ARCHIVE, { time, date }, own), from });
    return own;
  }

  #whole(from: readonly string[]): Uint8Array {
    const size = this.#host.list(from.slice(0, -1))?.find((e) => e.name === from.at(-1))?.bytes;
    if ((size ?? 0) > this.freeBytes) throw new DosError(NO_ACCESS);
    return this.#host.read(from, 0, size ?? 0).slice();
  }

  #grown(data: FileBytes, change: () => void): void {
    const before = data.length;
    change();
    this.#used += data.length - before;
  }

  /** Changes inside a folder, taken out. */
  #below(path: readonly string[]): [string, Map<string, Change>][] {
    const start = key(path);
    const below = [...this.#changes].filter(([f]) => f === start || f.startsWith(`${start}\\`));
    for (const [folder] of below) this.#changes.delete(folder);
    return below;
  }

  #gone(path: readonly string[], free = true): void {
    const gone = { kind: 'gone', attributes: 0, time: 0, date: 0, from: null, data: null } as const;
    if ((this.find(path).attributes & FOLDER) !== 0) this.#below(path);
    this.#set(path, gone, free);
    // A name that the host has not needs no mark.
    const parent = path.slice(0, -1);
    const from = this.#folder(parent);
    const name = path.at(-1) ?? '';
    const there = from ? this.#host.list(from)?.some((e) => e.name === name) : false;
    if (there !== true) this.#changes.get(key(parent))?.delete(name);
  }

  /** @param free - what was there is not needed any more */
  #set(path: readonly string[], change: Change, free = true): void {
    const folder = key(path.slice(0, -1));
    const names = this.#changes.get(folder) ?? new Map<string, Change>();
    this.#changes.set(folder, names);
    const name = path.at(-1) ?? '';
    if (free) {
      this.#used -= names.get(name)?.data?.length ?? 0;
      this.#used += change.data?.length ?? 0;
    }
    names.set(name, change);
  }
}

function file(attributes: number, at: DosTime, data: FileBytes): Change {
  return { kind: 'file', attributes, time: at.time, date: at.date, from: null, data };
}

function hostEntry(
  entry: { name: string; folder: boolean; bytes: number; modified: number; readOnly: boolean },
  from: readonly string[],
): Found {
  const attributes = entry.folder ? FOLDER : ARCHIVE | (entry.readOnly ? READ_ONLY : 0);
  const bytes = entry.folder ? 0 : entry.bytes;
  return { name: entry.name, attributes, bytes, ...dosTime(entry.modified), from, data: null };
}
