// SPDX-License-Identifier: GPL-2.0-only
// The options of a run in which every actor is a thread.
import type { Command } from 'commander';
import type { DeviceProcessOptions } from '../dm/process/spec.ts';
import { parseDeviceProcess } from '../dm/process/spec.ts';
import type { ThreadsOptions } from '../toolstack/threads/threads-options.ts';
import { HvmError } from '../util/errors.ts';
import { durationValue, numberValue } from './options.ts';

export interface ThreadsFlags {
  threads?: boolean;
  vcpus?: number;
  spin?: number;
  /** Milliseconds. */
  answerTimeout?: number;
  deviceProcess?: readonly DeviceProcessOptions[];
}

/** Short: more threads than cores are the rule. */
const SPINS = 200;
const ANSWER_TIMEOUT_MS = 5000;

/** @param vcpus - whether their number can be chosen: an image has its own */
export function addThreadsOptions(command: Command, vcpus = true): void {
  command
    .optionsGroup('Threads:')
    .option('--threads', 'vCPUs, device models and toolstack as threads; nothing is scripted');
  if (vcpus) {
    command.option(
      '--vcpus <n>',
      'vCPUs, for guests written for several (1)',
      numberValue('--vcpus', 1, 8),
    );
  }
  command
    .option(
      '--spin <n>',
      `looks for an event before a thread sleeps (${SPINS})`,
      numberValue('--spin', 0, 2 ** 31),
    )
    .option(
      '--answer-timeout <duration>',
      `a device model silent for so long counts as dead (${ANSWER_TIMEOUT_MS / 1000}s)`,
      durationValue('--answer-timeout'),
    )
    .option(
      '--device-process <device=command>',
      'a device served by another process, or at device=unix:path; repeatable',
      (text: string, before: readonly DeviceProcessOptions[] = []) => [
        ...before,
        parseDeviceProcess(text),
      ],
    );
}

/**
 * @returns null: everything on one thread
 * @throws HvmError HVM_USAGE for options that mean nothing without --threads
 */
export function threadsRequest(flags: ThreadsFlags): ThreadsOptions | null {
  const { answerTimeout, deviceProcess, spin, threads = false, vcpus } = flags;
  if (threads) {
    return {
      vcpus: vcpus ?? 1,
      spins: spin ?? SPINS,
      answerTimeoutMs: answerTimeout ?? ANSWER_TIMEOUT_MS,
      modules: [],
      ...(deviceProcess === undefined ? {} : { processes: deviceProcess }),
    };
  }
  const stray = [
    ...(vcpus === undefined ? [] : ['--vcpus']),
    ...(spin === undefined ? [] : ['--spin']),
    ...(answerTimeout === undefined ? [] : ['--answer-timeout']),
    ...(deviceProcess === undefined ? [] : ['--device-process']),
  ];
  if (stray.length === 0) return null;
  throw new HvmError('HVM_USAGE', `${stray.join(', ')}: expected with --threads`);
}
