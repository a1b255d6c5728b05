// SPDX-License-Identifier: GPL-2.0-only
// `trapline explore <guest>`: every order of guest I/O, device answers, shutdown and resume, within a bound.

import { Option } from 'commander';
import {
  type ExploreOptions,
  type ExploreReport,
  STRATEGIES,
  type StrategyName,
} from '../../explore/explorer.ts';
import { MOST_IRQS, MOST_VCPUS } from '../../explore/scenario.ts';
import { MOST_CHECKPOINTS, MOST_IOS } from '../../explore/schedule.ts';
import { explorePage } from '../../report/explore-page.ts';
import type { MuseumBug } from '../../toolstack/museum/index.ts';
import { HvmError } from '../../util/errors.ts';
import type { RevisionName } from '../../xen/hvm/revision.ts';
import type { CliCommand, Invocation, RunHooks } from '../command.ts';
import { runHooks } from '../command.ts';
import type { ExitCode } from '../exit-codes.ts';
import { OUTCOMES } from '../exit-codes.ts';
import { addCpuOption, exploreDocument } from '../explore-document.ts';
import { type ExploreDocument, exploreSchema } from '../explore-schemas.ts';
import { withState } from '../explore-state.ts';
import { renderExplore } from '../explore-text.ts';
import type { GuestOptions } from '../options.ts';
import {
  addGuest,
  bugOption,
  durationValue,
  guestRequest,
  numberValue,
  revisionOption,
} from '../options.ts';
import type { ReportOptions } from '../report.ts';
import { addReportOption, withReport } from '../report.ts';

export type ExploreRunner = (request: ExploreOptions, hooks: RunHooks) => Promise<ExploreReport>;

interface Flags extends GuestOptions, ReportOptions {
  revision: RevisionName;
  bug?: MuseumBug;
  cpu: 'real' | 'scripted';
  ios: number;
  checkpoints: number;
  vcpus: number;
  kills: number;
  interrupts: number;
  preemptions: number;
  strategy: StrategyName;
  seed: number;
  depth: number;
  schedules?: number;
  time?: number;
  prune: boolean;
  keepGoing?: boolean;
  determinism?: boolean;
  state?: string;
}

/** Runs drawn, unless a number or a time bounds them. */
const DRAWN = 10_000;
function requestOf(guest: string, flags: Flags): ExploreOptions {
  const drawn = flags.strategy !== 'dfs' && flags.time === undefined ? DRAWN : null;
  return {
    scenario: {
      ...guestRequest(guest, flags),
      revision: flags.bug?.base ?? flags.revision,
      bug: flags.bug ?? null,
      cpu: flags.cpu,
      ios: flags.ios,
      checkpoints: flags.checkpoints,
      vcpus: flags.vcpus,
      kills: flags.kills,
      irqs: flags.interrupts,
    },
    strategy: flags.strategy,
    bounds: {
      preemptions: flags.preemptions,
      schedules: flags.schedules ?? drawn,
      timeMs: flags.time ?? null,
    },
    seed: flags.seed,
    depth: flags.depth,
    prune: flags.prune,
    keepGoing: flags.keepGoing === true,
    determinism: flags.determinism === true,
    from: null,
  };
}

/** @param runner - the search */
export function exploreCommand(runner: ExploreRunner): CliCommand {
  return {
    name: 'explore',
    summary: 'search every order of I/O, shutdown and resume within a bound',
    purpose:
      'Runs the guest, forked from a snapshot for each run, through all orders in which its I/O, the answers of device models, shutdowns and resumes can meet, up to a bound on preemptions, and judges each by named invariants. A violation is shrunk to the fewest events, told in words, and can be replayed.',
    examples: [
      ['counter', 'every order of 3 accesses and 2 checkpoints with up to 3 preemptions'],
      ['counter --revision before-b7e0d8978810', 'the race, found and shrunk'],
      [
        'rmw-ledger --revision fixed --report what-is-left.html',
        'what the fix left open, to look at',
      ],
    ],
    exitCodes: [0, 1, 4, 5, 130, 143],
    configure(command) {
      addGuest(command, true);
      command
        .optionsGroup('Search:')
        .addOption(revisionOption())
        .addOption(bugOption())
        .option(
          '--ios <n>',
          'accesses the guest carries to their end',
          numberValue('--ios', 1, MOST_IOS),
          3,
        )
        .option(
          '--checkpoints <n>',
          'checkpoints the toolstack may take',
          numberValue('--checkpoints', 0, MOST_CHECKPOINTS),
          2,
        )
        .option(
          '--vcpus <n>',
          'vCPUs, each with a copy of the guest',
          numberValue('--vcpus', 1, MOST_VCPUS),
          1,
        )
        .option(
          '--kills <n>',
          'device models that may die, at any point',
          numberValue('--kills', 0, 9),
          0,
        )
        .option(
          '--interrupts <n>',
          'edges on interrupt line 0, at any point',
          numberValue('--interrupts', 0, MOST_IRQS),
          0,
        )
        .option(
          '--preemptions <n>',
          'switches away from one that could go on',
          numberValue('--preemptions', 0, 100),
          3,
        )
        .addOption(
          new Option('--strategy <name>', 'dfs: every order; random, pct: some')
            .choices([...STRATEGIES])
            .default('dfs'),
        )
        .option('--seed <n>', 'for random and pct', numberValue('--seed', 0, 0xffffffff), 1)
        .option(
          '--depth <n>',
          'for pct: orders that have to be right',
          numberValue('--depth', 1, 100),
          3,
        )
        .option('--no-prune', 'run every order, also from states met before')
        .option('--keep-going', 'do not stop at the first violation')
        .option('--determinism', 'run every schedule twice and compare every event');
      addCpuOption(command);
      command
        .optionsGroup('Limits:')
        .option(
          '--schedules <n>',
          `stop after so many runs (dfs: none; random, pct: ${DRAWN})`,
          numberValue('--schedules', 1),
        )
        .option('--time <duration>', 'stop after this time', durationValue('--time'))
        .option(
          '--state <file>',
          'go on from this file if it is there; written when the search stops early',
        );
      addReportOption(command, true);
    },
    async run(invocation: Invocation, args, raw): Promise<ExitCode> {
      const flags = raw as Flags;
      const guest = args[0] ?? flags.bug?.guest;
      if (guest === undefined) {
        throw new HvmError(
          'HVM_USAGE',
          'no guest given: expected one, or --bug, which brings its own',
        );
      }
      const options = requestOf(guest, flags);
      const hooks = runHooks(invocation, `explore ${guest}, estimate in 1/1000`);
      const { clock } = invocation.io;
      const body = async (): Promise<ExploreDocument> => {
        const startMs = clock.nowMs();
        const report = await withState(flags.state ?? null, options, (it) => runner(it, hooks));
        return exploreDocument(options, report, clock.nowMs() - startMs);
      };
      const document = await withReport(flags, body, explorePage);
      invocation.progress.erase();
      invocation.output.result(exploreSchema, document, (style) => renderExplore(document, style));
      return OUTCOMES[document.outcome];
    },
  };
}
