// SPDX-License-Identifier: GPL-2.0-only
// The options that turn a stress run into a campaign: many seeds, in parts, resumable.
import type { Command } from 'commander';
import { Option } from 'commander';
import type { SeedRange, Shard } from '../toolstack/campaign/seeds.ts';
import { parseSeedRange, parseShard } from '../toolstack/campaign/seeds.ts';
import { HvmError } from '../util/errors.ts';
import { durationValue } from './options.ts';

export interface CampaignFlags {
  seeds?: SeedRange;
  shard?: Shard;
  resume?: string;
  failFast?: boolean;
  /** Milliseconds; also of a single run. */
  duration?: number;
}

/** What a campaign was asked for, beside what each of its runs is. */
export interface CampaignRequest {
  seeds: SeedRange;
  shard: Shard | null;
  /** null: nothing is kept. */
  resume: string | null;
  failFast: boolean;
  durationMs: number | null;
}

function parsed<T>(flag: string, parse: (text: string) => T | null, expected: string) {
  return (text: string): T => {
    const value = parse(text);
    if (value !== null) return value;
    throw new HvmError('HVM_USAGE', `${flag} '${text}': expected ${expected}`, {
      details: { option: flag, value: text },
    });
  };
}

export function addCampaignOptions(command: Command): void {
  command
    .optionsGroup('Campaign:')
    .addOption(
      new Option('--seeds <a-b>', 'one run for each of these seeds; "1-" has no end')
        .argParser(
          parsed(
            '--seeds',
            parseSeedRange,
            "two seeds, the lower one first, or '1-' (form: 1-1000)",
          ),
        )
        // A limit of time for a seed would make its result depend on the machine.
        .conflicts(['seed', 'ledger', 'timeout']),
    )
    .addOption(
      new Option('--shard <i/n>', 'only part i of n; seeds are dealt round').argParser(
        parsed('--shard', parseShard, 'a part and how many there are (forms: 1/4 to 4/4)'),
      ),
    )
    .option('--resume <file>', 'keep finished seeds in this file, and go on where it ends')
    .option('--fail-fast', 'end with the first seed that is no success')
    .addOption(
      new Option(
        '--duration <time>',
        'no new seed after this time; without --seeds: checkpoints until it is over',
      )
        .argParser(durationValue('--duration'))
        .conflicts('timeout'),
    );
}

/**
 * @returns null: no campaign was asked for
 * @throws HvmError HVM_USAGE for options that mean nothing without --seeds, and for a campaign without an end
 */
export function campaignRequest(flags: CampaignFlags): CampaignRequest | null {
  const { duration, failFast = false, resume, seeds, shard } = flags;
  if (seeds === undefined) {
    const stray = [
      ...(shard === undefined ? [] : ['--shard']),
      ...(resume === undefined ? [] : ['--resume']),
      ...(failFast ? ['--fail-fast'] : []),
    ];
    if (stray.length === 0) return null;
    throw new HvmError('HVM_USAGE', `${stray.join(', ')}: expected with --seeds, as in 1-1000`);
  }
  if (seeds.last === null && duration === undefined && !failFast) {
    throw new HvmError(
      'HVM_USAGE',
      `--seeds '${seeds.first}-' has no end: expected --duration or --fail-fast as well`,
    );
  }
  return {
    seeds,
    shard: shard ?? null,
    resume: resume ?? null,
    failFast,
    durationMs: duration ?? null,
  };
}
