// SPDX-License-Identifier: GPL-2.0-only
// A folder of the host as DOS programs may see it: files and folders with 8.3 names, no links, nothing above it.
// Nothing here writes: folder-write.ts does.
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
} from 'node:fs';
import { join } from 'node:path';
import type { HostEntry, HostFolder } from '../../dm/devices/dos-host.ts';
import { isDosName } from '../../dm/devices/dos-names.ts';
import { HvmError } from '../../util/errors.ts';

const OWNER_WRITES = 0o200;

/** Nothing at all: no folder was asked for. */
export const EMPTY_FOLDER: HostFolder = {
  list: (path) => (path.length === 0 ? [] : null),
  hidden: () => [],
  read: () => new Uint8Array(0),
};

/** @throws HvmError HVM_USAGE when there is no such folder */
export function hostFolder(root: string): HostFolder {
  if (!isFolder(root)) {
    throw new HvmError('HVM_USAGE', `--dir '${root}': expected a folder`);
  }
  return {
    list: (path) => {
      const real = realPath(root, path);
      if (real === null || !isFolder(real)) return null;
      return entries(real).map(({ entry }) => entry);
    },
    hidden: (path) => {
      const real = realPath(root, path);
      if (real === null) return [];
      const seen = new Set(entries(real).map((entry) => entry.real));
      return listed(real)
        .filter((name) => !seen.has(name))
        .map((name) => name.toUpperCase());
    },
    read: (path, offset, count) => readPart(realPath(root, path), offset, count),
  };
}

const isFolder = (path: string): boolean =>
  lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/** The host's name of a path, step by step: no step is a link. */
export function realPath(root: string, path: readonly string[]): string | null {
  let real = root;
  for (const name of path) {
    const found = entries(real).find(({ entry }) => entry.name === name);
    if (found === undefined) return null;
    real = join(real, found.real);
  }
  return real;
}

/** What can be seen in a folder. Of two names that differ in capitals only the first counts. */
function entries(folder: string): { entry: HostEntry; real: string }[] {
  const seen = new Map<string, { entry: HostEntry; real: string }>();
  for (const real of listed(folder)) {
    const name = real.toUpperCase();
    if (!isDosName(name) || seen.has(name)) continue;
    const status = lstatSync(join(folder, real), { throwIfNoEntry: false });
    if (status === undefined || !(status.isFile() || status.isDirectory())) continue;
    const modified = Math.floor(status.mtimeMs / 1000);
    const readOnly = status.isFile() && (status.mode & OWNER_WRITES) === 0;
    const entry = { name, folder: status.isDirectory(), bytes: status.size, readOnly, modified };
    seen.set(name, { entry, real });
  }
  return [...seen.values()].sort((a, b) => (a.entry.name < b.entry.name ? -1 : 1));
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

/** A file that cannot be read is one without bytes: the program sees its end. */
function readPart(path: string | null, offset: number, count: number): Uint8Array {
  const none = new Uint8Array(0);
  if (path === null) return none;
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return none;
  }
  try {
    if (!fstatSync(file).isFile()) return none;
    const bytes = new Uint8Array(count);
    return bytes.subarray(0, readSync(file, bytes, 0, count, offset));
  } catch {
    return none;
  } finally {
    closeSync(file);
  }
}
