// SPDX-License-Identifier: GPL-2.0-only
// Paths as DOS programs write them, against a folder of the host: they never lead out of it.
import type { HostEntry, HostFolder } from './host-folder.ts';

const DRIVE = 'C';

export class FileNames {
  readonly #folder: HostFolder;

  constructor(folder: HostFolder) {
    this.#folder = folder;
  }

  /** A path from the root, `..` taken away; null: another drive, or above the root. */
  folder(current: string, path: string): string[] | null {
    const [, drive = DRIVE, rest = ''] =
      /^(?:([A-Za-z]):)?([\s\S]*)$/.exec(path.toUpperCase()) ?? [];
    if (drive !== DRIVE) return null;
    const fromRoot = /^[\\/]/.test(rest) || current === '';
    const names = fromRoot ? [] : current.split('\\');
    for (const part of rest.split(/[\\/]/)) {
      if (part === '' || part === '.') continue;
      if (part !== '..') names.push(part);
      else if (names.pop() === undefined) return null;
    }
    return names;
  }

  /** What a path with `*` and `?` in its last name stands for; null: no such folder. */
  matching(current: string, path: string): HostEntry[] | null {
    const names = this.folder(current, path);
    const pattern = names?.pop();
    if (!names || pattern === undefined) return null;
    const entries = this.#folder.list(names);
    if (entries === null) return null;
    const wanted = filled(pattern);
    return entries.filter(({ name }) => fits(filled(name), wanted));
  }
}

/** A name as eleven characters, `*` as so many `?`. */
function filled(name: string): string {
  const dot = name.indexOf('.');
  const parts = dot < 0 ? [name, ''] : [name.slice(0, dot), name.slice(dot + 1)];
  return parts
    .map((part, i) => {
      const length = i === 0 ? 8 : 3;
      const star = part.indexOf('*');
      return star < 0
        ? part.slice(0, length).padEnd(length)
        : part.slice(0, Math.min(star, length)).padEnd(length, '?');
    })
    .join('');
}

function fits(name: string, wanted: string): boolean {
  return [...wanted].every((char, i) => char === '?' || char === name[i]);
}
