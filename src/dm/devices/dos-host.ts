// SPDX-License-Identifier: GPL-2.0-only
// What the host gives a DOS program: itself, and a folder.

/** What the host has. Names are in capitals, 8.3; paths are lists of them from the folder's root. */
export interface HostFolder {
  /** Sorted by name; null: no such folder. */
  list(path: readonly string[]): readonly HostEntry[] | null;
  /** Names of what is there and cannot be seen, in capitals. */
  hidden(path: readonly string[]): readonly string[];
  /** Bytes of a file from `offset` on; fewer at its end or when it is gone. */
  read(path: readonly string[], offset: number, count: number): Uint8Array;
}

export interface HostEntry {
  readonly name: string;
  readonly folder: boolean;
  readonly bytes: number;
  readonly readOnly: boolean;
  /** Seconds since 1970, UTC: the same on every machine. */
  readonly modified: number;
}

/** The program to run: it is in the root of drive C, whatever the host has there. */
export interface HostProgram {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Command tail as in a PSP: with its leading blank. */
  readonly tail: string;
  /** Its environment before PATH and COMSPEC: NAME=VALUE. */
  readonly environment: readonly string[];
}

/** The folder with the program in its root. */
export function withProgram(folder: HostFolder, { name, bytes }: HostProgram): HostFolder {
  const own = { name, folder: false, bytes: bytes.length, readOnly: false, modified: 0 };
  return {
    list: (path) => {
      const entries = folder.list(path);
      if (path.length > 0 || entries === null) return entries;
      const others = entries.filter((entry) => entry.name !== name);
      const modified = entries.find((entry) => entry.name === name)?.modified ?? 0;
      return [...others, { ...own, modified }].sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    hidden: (path) => folder.hidden(path),
    read: (path, offset, count) =>
      path.length === 1 && path[0] === name
        ? bytes.subarray(offset, offset + count)
        : folder.read(path, offset, count),
  };
}
