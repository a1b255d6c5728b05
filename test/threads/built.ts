// SPDX-License-Identifier: GPL-2.0-only
// Threads run compiled JavaScript only (Node 20): what starts them comes from dist/, which `npm test` builds.
import { readdirSync } from 'node:fs';
import type { Watch } from '../../src/toolstack/limits.ts';

const DIST = new URL('../../dist/', import.meta.url);

/** URL of a compiled module. @param path - as in src/, without the ending */
export function builtUrl(path: string): URL {
  return new URL(`${path}.js`, DIST);
}

/** Imports a compiled module: `built<typeof import('../../src/x.ts')>('x')`. */
export async function built<Module>(path: string): Promise<Module> {
  return (await import(builtUrl(path).href)) as Module;
}

/** The host's clock and timers. */
export function hostWatch(signal: AbortSignal = new AbortController().signal): Watch {
  return {
    signal,
    // Between checkpoints a Ctrl-C can arrive.
    tick: () => new Promise((resolve) => setImmediate(resolve)),
    clock: { nowMs: () => performance.now() },
    idle: (ms, then) => {
      setTimeout(then, ms);
    },
  };
}

/** Threads of this process. */
export function threadCount(): number {
  return readdirSync('/proc/self/task').length;
}
