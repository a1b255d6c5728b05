// SPDX-License-Identifier: GPL-2.0-only
// Joins the commands about images to what they run: standard input and output as streams of bytes.
import { fileSource, type ImageSource } from '../toolstack/image/read.ts';
import { restoreRun } from '../toolstack/image/restore-run.ts';
import { saveGuest } from '../toolstack/image/save.ts';
import type { RestoreRunner } from './commands/restore.ts';
import type { SaveRunner } from './commands/save.ts';
import { host } from './runners.ts';
import { TerminalInput } from './terminal-input.ts';

/** `-` is standard input. */
export function imageSource(name: string): ImageSource {
  if (name !== '-') return fileSource(name);
  return { name: 'standard input', bytes: process.stdin };
}

function writeOut(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

export const saveRunner: SaveRunner = async (request, hooks) => {
  using input = new TerminalInput(process.stdin);
  const { path, fsync, ...options } = request;
  const to = path === '-' ? { write: writeOut } : { path, fsync };
  return await saveGuest({ ...options, to }, { ...host, ...hooks, input });
};

export const restoreRunner: RestoreRunner = async (request, hooks) => {
  const { file, ...options } = request;
  const source = imageSource(file);
  // An image on standard input leaves no input for the guest.
  if (file === '-') return await restoreRun({ ...options, source }, { ...host, ...hooks });
  using input = new TerminalInput(process.stdin);
  return await restoreRun({ ...options, source }, { ...host, ...hooks, input });
};
