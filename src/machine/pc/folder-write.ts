// SPDX-License-Identifier: GPL-2.0-only
// What a DOS program left on its drive, into the host's folder: only names that DOS may have, never through a link.
import {
  chmodSync,
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { type DosEntry, DosError, FOLDER, READ_ONLY } from '../../dm/devices/dos-entry.ts';
import { isDosName } from '../../dm/devices/dos-names.ts';
import { secondsOf } from '../../dm/devices/dos-time.ts';
import type { DosVolume } from '../../dm/devices/dos-volume.ts';
import { HvmError } from '../../util/errors.ts';
import { hostFolder, realPath } from './folder.ts';

/** A file to be: its bytes are taken before anything is changed, because it may have been renamed. */
interface NewFile {
  readonly path: string[];
  readonly entry: DosEntry;
  readonly bytes: Uint8Array;
}

/**
 * @returns files written and deleted
 * @throws HvmError HVM_OUTPUT for the first that cannot be; what came before it is done
 */
export function writeFolder(root: string, volume: DosVolume): number {
  const deleted: string[][] = [];
  const folders: string[][] = [];
  const files: NewFile[] = [];
  const add = (path: string[], entry: DosEntry): void => {
    if ((entry.attributes & FOLDER) === 0) {
      files.push({ path, entry, bytes: volume.read(path, 0, entry.bytes).slice() });
      return;
    }
    folders.push(path);
    for (const inside of volume.list(path)?.values() ?? []) add([...path, inside.name], inside);
  };
  for (const { path, change } of volume.changed()) {
    const replaced = change.kind === 'folder' && change.from?.join('\\') !== path.join('\\');
    if (change.kind === 'gone' || replaced) deleted.push(path);
    if (change.kind === 'file' || replaced) {
      attempt(path, 'write', () => add(path, volume.find(path)));
    }
  }
  let done = 0;
  for (const path of deleted.sort((a, b) => b.length - a.length)) done += remove(root, path);
  for (const path of folders.sort((a, b) => a.length - b.length)) makeFolder(root, path);
  const last = new Map(files.map((file) => [file.path.join('\\'), file]));
  for (const file of last.values()) write(root, file);
  return done + last.size;
}

function attempt<T>(path: readonly string[], what: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    // The volume itself does not find what the host has taken away since.
    const gone = cause instanceof DosError ? 'ENOENT' : undefined;
    const why = gone ?? (cause as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new HvmError('HVM_OUTPUT', `cannot ${what} ${path.join('/')} in --dir: ${why}`, {
      cause,
    });
  }
}

/** The folder that `path` is in, and what the name there is, or will be. */
function place(root: string, path: readonly string[]): string {
  return attempt(path, 'write', () => {
    const parent = realPath(root, path.slice(0, -1));
    const name = path.at(-1) ?? '';
    if (parent === null || !isDosName(name)) throw Object.assign(new Error(), { code: 'ENOENT' });
    return realPath(root, path) ?? join(parent, name);
  });
}

/** All of a folder that programs could see; the rest keeps it there. */
function remove(root: string, path: readonly string[]): number {
  const real = realPath(root, path);
  if (real === null) return 0;
  if (!lstatSync(real).isDirectory()) {
    attempt(path, 'delete', () => unlinkSync(real));
    return 1;
  }
  let done = 0;
  for (const { name } of hostFolder(root).list(path) ?? []) done += remove(root, [...path, name]);
  attempt(path, 'delete', () => rmdirSync(real));
  return done + 1;
}

function makeFolder(root: string, path: readonly string[]): void {
  const real = place(root, path);
  const there = lstatSync(real, { throwIfNoEntry: false });
  if (there?.isDirectory() === true) return;
  attempt(path, 'make', () => mkdirSync(real));
}

/** Beside it first, then in its place: a run that is killed leaves the old file or the new one. */
function write(root: string, { path, entry, bytes }: NewFile): void {
  const real = place(root, path);
  attempt(path, 'write', () => {
    const old = lstatSync(real, { throwIfNoEntry: false });
    if (old !== undefined && !old.isFile()) throw Object.assign(new Error(), { code: 'EEXIST' });
    const beside = `${real}.trapline-${process.pid}`;
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    const file = openSync(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o666);
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
      closeSync(file);
      const mode = (old ?? lstatSync(beside)).mode & 0o777;
      const readOnly = (entry.attributes & READ_ONLY) !== 0;
      chmodSync(beside, readOnly ? mode & ~0o222 : mode | 0o200);
      utimesSync(beside, secondsOf(entry), secondsOf(entry));
      renameSync(beside, real);
    } catch (error) {
      rmSync(beside, { force: true });
      throw error;
    }
  });
}
