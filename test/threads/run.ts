// SPDX-License-Identifier: GPL-2.0-only
// Starts test/threads/children/stress.mjs, which runs dist/ in a process of its own, and reads what it prints.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DeviceProcessOptions } from '../../src/dm/process/spec.ts';
import type { StressReport } from '../../src/toolstack/stress-report.ts';

const HERE = new URL('./children/', import.meta.url);
const EXAMPLES = new URL('../../examples/', import.meta.url);

export const PYTHON = [
  'python3',
  fileURLToPath(new URL('device-model-python/counter.py', EXAMPLES)),
];
export const NODE = [
  process.execPath,
  fileURLToPath(new URL('device-model-node/counter.mjs', EXAMPLES)),
];

/** A device model that breaks the protocol in one way. */
export function rawPeer(fault: string): string[] {
  return [process.execPath, fileURLToPath(new URL('raw-peer.mjs', HERE)), fault];
}

/** What a process holds. */
interface Held {
  files: number;
  children: number;
  threads: number;
  folders: number;
}

export interface Outcome {
  report: StressReport | null;
  error: { code: string | null; message: string } | null;
  outcomes: Record<string, number>;
  /** After the first round, or the first of each fault, and after the last. */
  first: Held;
  last: Held;
  socketLeft: boolean;
}

export interface RunOptions {
  processes: readonly DeviceProcessOptions[];
  [option: string]: unknown;
}

/** @throws when it crashes, or takes longer than five minutes */
export function run(options: RunOptions): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'trapline-test-'));
  return new Promise((resolve, reject) => {
    const script = fileURLToPath(new URL('stress.mjs', HERE));
    const child = execFile(
      process.execPath,
      [script, JSON.stringify(options)],
      { env: { ...process.env, TMPDIR: folder }, timeout: 300_000, killSignal: 'SIGKILL' },
      (error, stdout, stderr) => {
        rmSync(folder, { recursive: true });
        if (error !== null) reject(new Error(`${error.message}\n${stderr}`));
        else resolve(JSON.parse(stdout));
      },
    );
    child.stdin?.end();
  });
}
