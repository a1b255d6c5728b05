// SPDX-License-Identifier: GPL-2.0-only
// Options about image files, shared by run, save and restore.
import type { Command } from 'commander';
import { Option } from 'commander';
import type { RunImageOptions } from '../toolstack/image/run-images.ts';
import { HvmError } from '../util/errors.ts';
import { numberValue } from './options.ts';

export interface ImageFlags {
  checkpointEvery?: number;
  image?: string;
  /** commander's form of --no-fsync. */
  fsync: boolean;
  outputRelease: 'committed' | 'immediate';
}

export function addFsyncOption(command: Command): void {
  command.option(
    '--no-fsync',
    'do not wait for the disk: survives a crash of the process, not of the machine',
  );
}

export function addLedgerOption(command: Command, what: string): void {
  command.optionsGroup('Output:').option('--ledger <file>', what);
}

export function addImageOptions(command: Command): void {
  command
    .optionsGroup('Checkpoints:')
    .option(
      '--checkpoint-every <n>',
      'instructions from checkpoint to checkpoint, into --image',
      numberValue('--checkpoint-every', 1),
    )
    .option('--image <file>', 'the file that always holds the last checkpoint')
    .addOption(
      new Option('--output-release <when>', "when the guest's output leaves")
        .choices(['committed', 'immediate'])
        .default('committed'),
    );
  addFsyncOption(command);
}

/** @throws HvmError HVM_USAGE when one is given without the other */
export function imageRequest(flags: ImageFlags): RunImageOptions | null {
  const { checkpointEvery, fsync, image, outputRelease } = flags;
  if (image === undefined && checkpointEvery === undefined) return null;
  if (image === undefined || checkpointEvery === undefined) {
    throw new HvmError('HVM_USAGE', '--checkpoint-every and --image: expected both or neither');
  }
  return { path: image, every: checkpointEvery, fsync, release: outputRelease };
}
