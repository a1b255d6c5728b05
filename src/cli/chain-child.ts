// SPDX-License-Identifier: GPL-2.0-only
// The program of one process of `stress --restore fresh`: told by its parent what to do, killed by it at any moment.

import { runLink } from '../toolstack/image/chain-link.ts';
import type { ChainLink } from '../toolstack/image/chain-words.ts';
import { toFailure } from './output.ts';
import { host } from './runners.ts';

// A terminal's Ctrl-C reaches every process of its group: it is the parent who decides what becomes of this one.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});
const link = JSON.parse(process.argv[2] ?? '{}') as ChainLink;
try {
  const watch = { ...host, signal: new AbortController().signal, tick: () => undefined };
  await runLink(link, (word) => process.send?.(word), watch);
  process.disconnect?.();
} catch (error) {
  const { code, message, exitCode } = toFailure(error);
  process.stderr.write(`${message} [${code}]\n`);
  process.exitCode = exitCode;
  process.disconnect?.();
}
