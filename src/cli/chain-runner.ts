// SPDX-License-Identifier: GPL-2.0-only
// Starts the processes of a chain, and kills them.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import {
  type ChainOptions,
  type ChainReport,
  chain,
  type LinkProcess,
} from '../toolstack/image/chain.ts';
import type { ChainLink, ChainWord } from '../toolstack/image/chain-words.ts';
import type { RunHooks } from './command.ts';
import { host } from './runners.ts';

function start(link: ChainLink): LinkProcess {
  const program = fileURLToPath(new URL('./chain-child.js', import.meta.url));
  const child = fork(program, [JSON.stringify(link)], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(0, 4000);
  });
  return {
    kill: () => {
      child.kill('SIGKILL');
    },
    watch: (word) =>
      new Promise((resolve) => {
        child.on('message', (message) => word(message as ChainWord));
        child.once('close', (_code, signal) => {
          resolve({ killed: signal === 'SIGKILL', errors: errors.trim() });
        });
      }),
  };
}

/** `stress --image <folder> --restore fresh`. */
export function chainRunner(
  options: Omit<ChainOptions, 'start'>,
  hooks: RunHooks,
): Promise<ChainReport> {
  return chain({ ...options, start }, { ...host, ...hooks });
}
