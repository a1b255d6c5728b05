// SPDX-License-Identifier: GPL-2.0-only
// The command line of a stress run: what shows it again.
import type { DeviceProcessOptions } from '../dm/process/spec.ts';
import { deviceWords, loadWords, shellWord, word } from './command-words.ts';
import { pcWords } from './pc-words.ts';
import type { StressOptions } from './stress-report.ts';

/** The command that shows the same violation again: everything follows from these. */
export function reproduceCommand(options: StressOptions, checkpoints: number): string {
  // One more than were taken: it may have been noticed on the way to the next one.
  return commandLine(options, [`--seed ${options.seed}`, `--checkpoints ${checkpoints + 1}`]);
}

/** The command for `options`, with `run` in place of the options that say which seeds and how many checkpoints. */
export function commandLine(options: StressOptions, run: readonly string[]): string {
  const { load } = options;
  const words = [
    'trapline stress',
    shellWord(options.guest),
    options.bug ? `--bug ${options.bug.id}` : `--revision ${options.revision}`,
    ...run,
    ...deviceWords(options.devices),
    ...loadWords(load),
    ...pcWords(load).map(shellWord),
    ...word('spacing', options.spacing),
    ...word('max-instructions', options.maxInstructions),
  ];
  if (options.threads) {
    words.push('--threads');
    if (options.threads.vcpus > 1) words.push(...word('vcpus', options.threads.vcpus));
    for (const process of options.threads.processes ?? [])
      words.push(...word('device-process', processWord(process)));
  }
  return words.join(' ');
}

function processWord({ command = [], device, socket }: DeviceProcessOptions): string {
  const how = command.length > 0 ? command.map(shellWord).join(' ') : `unix:${socket ?? ''}`;
  return `${device}=${how}`;
}
