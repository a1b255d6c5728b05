// SPDX-License-Identifier: GPL-2.0-only
// `trapline stress <guest>`: a guest under thousands of checkpoints, and whether every access happened once.
import { Option } from 'commander';
import { stressPage } from '../../report/stress-page.ts';
import type { MuseumBug } from '../../toolstack/museum/index.ts';
import type { ThreadsOptions } from '../../toolstack/stress.ts';
import { ASSERT } from '../../util/assert.ts';
import { HvmError } from '../../util/errors.ts';
import type { RevisionName } from '../../xen/hvm/revision.ts';
import type { CampaignFlags } from '../campaign-options.ts';
import { addCampaignOptions, campaignRequest } from '../campaign-options.ts';
import type { CliCommand, Invocation, RunHooks } from '../command.ts';
import { runHooks } from '../command.ts';
import { timedHooks } from '../duration.ts';
import type { ExitCode } from '../exit-codes.ts';
import { OUTCOMES } from '../exit-codes.ts';
import { formatCount, formatDuration, formatTable } from '../format.ts';
import { addFsyncOption } from '../image-options.ts';
import type { GuestOptions, GuestRequest, LimitOptions } from '../options.ts';
import {
  addGuest,
  addLimitOptions,
  bugOption,
  checkpointsValue,
  numberValue,
  revisionOption,
  seedOption,
} from '../options.ts';
import type { Styler } from '../output.ts';
import { addPcOptions, type PcFlags, pcGuestRequest } from '../pc-options.ts';
import type { ReportOptions } from '../report.ts';
import { addReportOption, withReport } from '../report.ts';
import type { StressDocument } from '../schemas.ts';
import { stressSchema } from '../schemas.ts';
import { addScriptOptions, type ScriptFlags, scriptOf } from '../script-options.ts';
import type { ThreadsFlags } from '../threads-options.ts';
import { addThreadsOptions, threadsRequest } from '../threads-options.ts';
import { renderViolations, renderWindows } from '../violations.ts';
import { stressCampaign } from './stress-campaign.ts';
import {
  type ChainFlags,
  type ChainRunner,
  LINGER,
  stressChain,
  wantsChain,
} from './stress-chain.ts';

/** What was asked for on the command line, with every default filled in. */
export interface StressRequest extends GuestRequest {
  revision: RevisionName;
  /** In place of `revision`, or null. */
  bug: MuseumBug | null;
  seed: number;
  checkpoints: number;
  /** null: what suits the machine. */
  spacing: number | null;
  /** null: what the guest's manifest says, else no bound. */
  maxInstructions: number | null;
  timeoutMs: number | null;
  /** null: the history is judged but not written. */
  ledgerPath: string | null;
  /** By the clock, for --json and --report. */
  measure: boolean;
  /** null: everything on one thread. */
  threads: ThreadsOptions | null;
}

/** Everything of the document that the run knows. */
export type StressResult = Omit<
  StressDocument,
  'schema' | 'durationAskedMs' | 'durationMs' | 'checkpointsPerSecond'
>;

/** @throws HvmError before anything is written when the request makes no sense */
export type StressRunner = (
  request: StressRequest,
  hooks: RunHooks,
) => Promise<StressResult> | StressResult;

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

function verdictLine(document: StressDocument): string {
  const { crash, outcome, verdict } = document;
  switch (outcome) {
    case 'success':
      return document.checkpoints < document.checkpointsAsked
        ? `the guest ended by itself after ${formatCount(document.checkpoints)} of ${formatCount(document.checkpointsAsked)} checkpoints; every access happened exactly once`
        : 'every access happened exactly once';
    case 'failure':
      return document.violationsTotal > 0
        ? 'accesses went wrong: see above'
        : `the guest reports ${verdict ?? 'nothing'}`;
    case 'crashed':
      return `the guest crashed its domain: ${crash?.reason ?? 'no reason recorded'}`;
    case 'limit':
      return 'a limit was reached first; nothing went wrong until then';
    case 'interrupted':
      return 'interrupted; this is what was seen until then';
    case 'skip':
      return 'the guest reports that it cannot run here';
    case 'error':
      return 'the guest reports that its own test is wrong';
  }
}

function scriptRow({ script }: StressDocument): string[][] {
  if (script === null) return [];
  const { done, steps } = script;
  const how = done === steps ? 'to its end' : `${done} of ${steps} steps when the run ended`;
  return [['script', how]];
}

/** The end beside that of a run without checkpoints. */
function endRow({ end }: StressDocument): string[][] {
  if (end === null) return [];
  const where = `of an undisturbed run of ${formatCount(end.instructions)} instructions`;
  return [
    ['end', end.identical ? `that ${where}` : `not that ${where}`],
    ['', `screen, memory, registers, devices, output, ${formatCount(end.accesses)} accesses`],
  ];
}

/** The result as text. */
export function renderStress(document: StressDocument, style: Styler): string {
  const { accesses, checkpoints, durationMs } = document;
  const rows = [
    [
      'checkpoints',
      `${formatCount(checkpoints)} in ${formatDuration(durationMs)} (${formatCount(document.checkpointsPerSecond)}/s)`,
    ],
    ...(document.threads ? [['', 'in threads: no other run is the same']] : []),
    ...(document.durationAskedMs === null || document.threads
      ? []
      : [['', 'bounded by time: how many they are does not follow from the seed']]),
    ['instructions', formatCount(document.instructions)],
    [
      'accesses',
      `issued ${formatCount(accesses.issued)}, answered ${formatCount(accesses.answered)}, retired ${formatCount(accesses.retired)}`,
    ],
    ['lost', formatCount(document.lost)],
    ['duplicated', formatCount(document.duplicated)],
    ...document.deviceModels.map(({ server, why }) => ['device model', `${server} ${why}`]),
    ...scriptRow(document),
    ...endRow(document),
  ];
  const windows = renderWindows(document.windows);
  const { guest, outcome, reproduce, revision, seed } = document;
  return [
    style('bold', `stress ${guest}, revision ${revision}, seed ${seed}`),
    formatTable(rows, { indent: '  ' }),
    ...(windows.length === 0 ? [] : ['  windows hit', ...windows]),
    ...renderViolations(document, style),
    ...(reproduce === null
      ? []
      : [`  ${document.threads ? 'another run' : 'again'}: ${reproduce}`]),
    style(outcome === 'success' ? 'good' : 'bad', verdictLine(document)),
  ].join('\n');
}

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
