// SPDX-License-Identifier: GPL-2.0-only
// Searches on a DOS drive: as on a disk every entry of a folder has a place that it keeps, so that a program may delete
// what it finds and go on, and all that a search needs is in the program's own memory.
import { namesOf, parsed } from './dos-change.ts';
import { type DosEntry, FOLDER, matches } from './dos-entry.ts';
import type { DosVolume } from './dos-volume.ts';

/** Folders that are told apart. */
const MOST_FOLDERS = 0x10000;

export class DosSearches {
  readonly #volume: DosVolume;
  /** Names by place, '' where one was deleted; by folder, in the order in which they were first searched. */
  #places = new Map<string, string[]>();

  constructor(volume: DosVolume) {
    this.#volume = volume;
  }

  get text(): string {
    return JSON.stringify([...this.#places].map(([folder, names]) => [folder, ...names]));
  }

  /** @throws HvmError HVM_DEVICE_STATE */
  set text(text: string) {
    this.#places = new Map();
    for (const row of parsed(text)) {
      const [folder = '', ...names] = (Array.isArray(row) ? row : []).map(String);
      this.#places.set(namesOf(folder).join('\\'), names);
    }
  }

  /** The number of a folder; null: too many. */
  number(path: readonly string[]): number | null {
    const folder = path.join('\\');
    if (!this.#places.has(folder)) {
      if (this.#places.size >= MOST_FOLDERS) return null;
      this.#places.set(folder, []);
    }
    return [...this.#places.keys()].indexOf(folder);
  }

  /** From the place `from` on. @returns null: no more, or no such folder any more */
  next(
    number: number,
    from: number,
    attributes: number,
    wanted: string,
  ): { place: number; entry: DosEntry } | null {
    const folder = [...this.#places.keys()][number];
    if (folder === undefined) return null;
    const path = folder === '' ? [] : folder.split('\\');
    const entries = this.#volume.list(path);
    if (entries === null) return null;
    const places = this.#placed(folder, entries);
    if (path.length > 0) {
      const self = this.#volume.find(path);
      for (const name of ['.', '..']) entries.set(name, { ...self, name, attributes: FOLDER });
    }
    for (let place = from; place < places.length; place++) {
      const entry = entries.get(places[place] ?? '');
      if (entry !== undefined && matches(entry, attributes, wanted)) return { place, entry };
    }
    return null;
  }

  /** What is gone leaves its place to what is new. */
  #placed(folder: string, entries: ReadonlyMap<string, DosEntry>): string[] {
    const places = this.#places.get(folder) ?? [];
    if (folder !== '' && places.length === 0) places.push('.', '..');
    for (const [i, name] of places.entries()) {
      if (!entries.has(name) && !name.startsWith('.')) places[i] = '';
    }
    const known = new Set(places);
    const fresh = [...entries.keys()].filter((name) => !known.has(name)).sort();
    for (const name of fresh) {
      const hole = places.indexOf('');
      if (hole < 0) places.push(name);
      else places[hole] = name;
    }
    this.#places.set(folder, places);
    return places;
  }
}
