// SPDX-License-Identifier: GPL-2.0-only
// Runs the built program and kills it at a moment after it has got going.
import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const main: string = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** Longest wait for a sign of life. */
const PATIENCE_MS = 20_000;

/** Inode of a file: another one whenever a whole image was renamed into its place; 0: none. */
export function inode(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.ino ?? 0;
}

/**
 * @param going - told what was written so far
 * @param ms - from `going` to SIGKILL
 * @returns what was written to stdout
 */
export async function runAndKill(
  args: readonly string[],
  going: (output: string) => boolean,
  ms: number,
): Promise<string> {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  let output = '';
  child.stdout.setEncoding('latin1').on('data', (text: string) => {
    output += text;
  });
  const gone = new Promise((resolve) => child.once('close', resolve));
  const wait = (time: number): Promise<void> => new Promise((then) => setTimeout(then, time));
  for (let waited = 0; waited < PATIENCE_MS && !going(output); waited += 5) {
    if (child.exitCode !== null) break;
    await wait(5);
  }
  await wait(ms);
  child.kill('SIGKILL');
  await gone;
  return output;
}
