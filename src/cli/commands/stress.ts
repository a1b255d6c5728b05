// SPDX-License-Identifier: GPL-2.0-only
// `trapline stress <guest>`: a guest under thousands of checkpoints, and whether every access happened once.
import { Option } from 'commander';
import { stressPage } from '../../report/stress-page.ts';
import type { MuseumBug } from '../../toolstack/museum/index.ts';
import { ASSERT } from '../../util/assert.ts';
import { HvmError } from '../../util/errors.ts';
import type { RevisionName } from '../../xen/hvm/revision.ts';
import type { CampaignFlags } from '../campaign-options.ts';
import { addCampaignOptions, campaignRequest } from '../campaign-options.ts';
import type { CliCommand, Invocation } from '../command.ts';
import { runHooks } from '../command.ts';
import { timedHooks } from '../duration.ts';
import type { ExitCode } from '../exit-codes.ts';
import { OUTCOMES } from '../exit-codes.ts';
import { addFsyncOption } from '../image-options.ts';
import type { GuestOptions, LimitOptions } from '../options.ts';
import {
  addGuest,
  addLimitOptions,
  bugOption,
  checkpointsValue,
  numberValue,
  revisionOption,
  seedOption,
} from '../options.ts';
import { addPcOptions, type PcFlags, pcGuestRequest } from '../pc-options.ts';
import type { ReportOptions } from '../report.ts';
import { addReportOption, withReport } from '../report.ts';
import { addScriptOptions, type ScriptFlags, scriptOf } from '../script-options.ts';
import type { StressRequest, StressRunner } from '../stress-request.ts';
import type { StressDocument } from '../stress-schemas.ts';
import { stressSchema } from '../stress-schemas.ts';
import { renderStress } from '../stress-text.ts';
import type { ThreadsFlags } from '../threads-options.ts';
import { addThreadsOptions, threadsRequest } from '../threads-options.ts';
import { stressCampaign } from './stress-campaign.ts';
import {
  type ChainFlags,
  type ChainRunner,
  LINGER,
  stressChain,
  wantsChain,
} from './stress-chain.ts';

type StressOptions = GuestOptions &
  PcFlags &
  ScriptFlags &
  LimitOptions &
  ReportOptions &
  CampaignFlags &
  ChainFlags &
  ThreadsFlags & {
    revision: RevisionName;
    bug?: MuseumBug;
    seed: number;
    checkpoints?: number;
    spacing?: number;
    ledger?: string;
  };

/** Of each run, unless a duration bounds it. */
const CHECKPOINTS = 10_000;

const NO_CHAIN: ChainRunner = () => {
  throw new HvmError('HVM_USAGE', '--restore fresh: not here');
};

/** @param runner - the stress run of the toolstack; @param chainRunner - a chain of processes */
export function stressCommand(
  runner: StressRunner,
  chainRunner: ChainRunner = NO_CHAIN,
): CliCommand {
  return {
    name: 'stress',
    summary: 'run a guest under checkpoints and judge every access',
    purpose:
      'Runs a guest while the toolstack suspends, captures and resumes it again and again, at places drawn from a seed, and judges by three witnesses (the guest, its log, the ledger) whether any access was lost or happened twice. The end of a PC is compared with that of a run without checkpoints.',
    examples: [
      ['counter --checkpoints 100000', 'a hundred thousand checkpoints; nothing may be lost'],
      [
        'counter --revision before-b7e0d8978810',
        'the same without the fix: prints the first violation and how to see it again',
      ],
      ['counter --threads --duration 60s', 'every actor a thread: a race that nobody arranged'],
    ],
    exitCodes: [0, 1, 3, 4, 5, 6, 130, 143],
    configure(command) {
      addGuest(command);
      addPcOptions(command);
      addScriptOptions(command);
      command
        .optionsGroup('Checkpoints:')
        .option(
          '--checkpoints <n>',
          `how many (${CHECKPOINTS}; with --duration alone: what fits)`,
          checkpointsValue,
        )
        .option(
          '--spacing <n>',
          'instructions between two of them, on average (0; 10,000 on a PC)',
          numberValue('--spacing', 0),
        )
        .addOption(seedOption())
        .addOption(revisionOption())
        .addOption(bugOption(['seeds', 'threads', 'image']));
      command
        .optionsGroup('Images:')
        .option('--image <folder>', 'with --restore: every checkpoint goes into an image there')
        .addOption(
          new Option(
            '--restore <how>',
            'fresh: after each checkpoint the process is killed, and a new one goes on from the image',
          ).choices(['fresh']),
        )
        .option(
          '--linger <n>',
          `with --restore: most instructions from a checkpoint to the next (${LINGER}); few, for a guest that ends soon`,
          numberValue('--linger', 1),
        )
        .option(
          '--per-process <n>',
          'with --restore: a process is killed after so many checkpoints (1); more: --checkpoints counts all of them',
          numberValue('--per-process', 1),
        );
      addFsyncOption(command);
      addThreadsOptions(command);
      addCampaignOptions(command);
      addLimitOptions(command);
      command
        .optionsGroup('Output:')
        .option('--ledger <file>', 'write every access to this file, see ledger check');
      addReportOption(command, true);
    },
    async run(invocation, args, raw): Promise<ExitCode> {
      const options = raw as StressOptions;
      const [guest] = args;
      ASSERT(guest !== undefined, 'a guest is given');
      const campaign = campaignRequest(options);
      const durationMs = campaign === null ? (options.duration ?? null) : null;
      const request: StressRequest = {
        ...pcGuestRequest(guest, options, scriptOf(options)),
        revision: options.revision,
        bug: options.bug ?? null,
        seed: options.seed,
        checkpoints: options.checkpoints ?? (durationMs === null ? CHECKPOINTS : 2 ** 32),
        maxInstructions: options.maxInstructions ?? null,
        timeoutMs: options.timeout ?? null,
        spacing: options.spacing ?? null,
        ledgerPath: options.ledger ?? null,
        measure: invocation.output.json || options.report !== undefined,
        threads: threadsRequest(options),
      };
      if (request.ledgerPath !== null && (request.threads?.vcpus ?? 1) > 1) {
        throw new HvmError('HVM_USAGE', '--ledger with --vcpus: a ledger file is of one vCPU');
      }
      if (wantsChain(options)) {
        if (campaign !== null || durationMs !== null || options.report !== undefined) {
          throw new HvmError(
            'HVM_USAGE',
            '--restore fresh with a campaign, --duration or --report',
          );
        }
        return await stressChain(chainRunner, request, options, invocation);
      }
      if (campaign !== null) {
        const run = {
          request: { ...request, measure: false },
          campaign,
          repeatable: request.threads === null,
        };
        return await stressCampaign(runner, run, invocation, options);
      }
      const document = await withReport(
        options,
        () => single(runner, request, durationMs, invocation),
        stressPage,
      );
      invocation.progress.erase();
      invocation.output.result(stressSchema, document, (style) => renderStress(document, style));
      return OUTCOMES[document.outcome];
    },
  };
}

async function single(
  runner: StressRunner,
  request: StressRequest,
  durationMs: number | null,
  invocation: Invocation,
): Promise<StressDocument> {
  const { clock } = invocation.io;
  const startMs = clock.nowMs();
  const hooks = runHooks(invocation, `stress ${request.guest}`);
  const timed = durationMs === null ? null : timedHooks(hooks, clock, durationMs);
  const result = await runner(request, timed ?? hooks);
  const tookMs = clock.nowMs() - startMs;
  // The time was over, as asked: that is no interruption.
  const full = timed?.timeIsOver === true && result.outcome === 'interrupted';
  return {
    schema: 'trapline.stress/1',
    ...result,
    ...(full ? { outcome: 'success', checkpointsAsked: result.checkpoints } : {}),
    durationAskedMs: durationMs,
    durationMs: tookMs,
    checkpointsPerSecond: tookMs > 0 ? (result.checkpoints * 1000) / tookMs : 0,
  };
}
