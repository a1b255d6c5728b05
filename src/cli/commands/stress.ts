// SPDX-License-Identifier: GPL-2.0-only
// `trapline stress <guest>`: a guest under thousands of checkpoints, and whether every access happened once.
import { stressPage } from '../../report/stress-page.ts';
import { ASSERT } from '../../util/assert.ts';
import type { RevisionName } from '../../xen/hvm/revision.ts';
import type { CliCommand, RunHooks } from '../command.ts';
import { runHooks } from '../command.ts';
import type { ExitCode } from '../exit-codes.ts';
import { OUTCOMES } from '../exit-codes.ts';
import { formatCount, formatDuration, formatTable } from '../format.ts';
import type { GuestOptions, GuestRequest, LimitOptions } from '../options.ts';
import {
  addGuest,
  addLimitOptions,
  checkpointsOption,
  guestRequest,
  revisionOption,
  seedOption,
} from '../options.ts';
import type { Styler } from '../output.ts';
import type { ReportOptions } from '../report.ts';
import { addReportOption, withReport } from '../report.ts';
import type { StressDocument } from '../schemas.ts';
import { stressSchema } from '../schemas.ts';
import { renderViolations, renderWindows } from '../violations.ts';

/** What was asked for on the command line, with every default filled in. */
export interface StressRequest extends GuestRequest {
  revision: RevisionName;
  seed: number;
  checkpoints: number;
  /** null: what the guest's manifest says, else no bound. */
  maxInstructions: number | null;
  timeoutMs: number | null;
  /** null: the history is judged but not written. */
  ledgerPath: string | null;
  /** By the clock, for --json and --report. */
  measure: boolean;
}

/** Everything of the document that the run knows. */
export type StressResult = Omit<StressDocument, 'schema' | 'durationMs' | 'checkpointsPerSecond'>;

/** @throws HvmError before anything is written when the request makes no sense */
export type StressRunner = (
  request: StressRequest,
  hooks: RunHooks,
) => Promise<StressResult> | StressResult;

type StressOptions = GuestOptions &
  LimitOptions &
  ReportOptions & { revision: RevisionName; seed: number; checkpoints: number; ledger?: string };

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

/** The result as text. */
export function renderStress(document: StressDocument, style: Styler): string {
  const { accesses, checkpoints, durationMs } = document;
  const rows = [
    [
      'checkpoints',
      `${formatCount(checkpoints)} in ${formatDuration(durationMs)} (${formatCount(document.checkpointsPerSecond)}/s)`,
    ],
    ['instructions', formatCount(document.instructions)],
    [
      'accesses',
      `issued ${formatCount(accesses.issued)}, answered ${formatCount(accesses.answered)}, retired ${formatCount(accesses.retired)}`,
    ],
    ['lost', formatCount(document.lost)],
    ['duplicated', formatCount(document.duplicated)],
  ];
  const windows = renderWindows(document.windows);
  const { guest, outcome, reproduce, revision, seed } = document;
  return [
    style('bold', `stress ${guest}, revision ${revision}, seed ${seed}`),
    formatTable(rows, { indent: '  ' }),
    ...(windows.length === 0 ? [] : ['  windows hit', ...windows]),
    ...renderViolations(document, style),
    ...(reproduce === null ? [] : [`  again: ${reproduce}`]),
    style(outcome === 'success' ? 'good' : 'bad', verdictLine(document)),
  ].join('\n');
}

/** @param runner - the stress run of the toolstack */
export function stressCommand(runner: StressRunner): CliCommand {
  return {
    name: 'stress',
    summary: 'run a guest under checkpoints and judge every access',
    purpose:
      'Runs a guest while the toolstack suspends, captures and resumes it again and again, at places drawn from a seed, and judges by three witnesses (the guest, its log, the ledger) whether any access was lost or happened twice.',
    examples: [
      ['counter --checkpoints 100000', 'a hundred thousand checkpoints; nothing may be lost'],
      [
        'counter --revision before-b7e0d8978810',
        'the same without the fix: prints the first violation and how to see it again',
      ],
    ],
    exitCodes: [0, 1, 3, 4, 5, 6, 130, 143],
    configure(command) {
      addGuest(command);
      command
        .optionsGroup('Checkpoints:')
        .addOption(checkpointsOption(10_000))
        .addOption(seedOption())
        .addOption(revisionOption());
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
      const request: StressRequest = {
        ...guestRequest(guest, options),
        revision: options.revision,
        seed: options.seed,
        checkpoints: options.checkpoints,
        maxInstructions: options.maxInstructions ?? null,
        timeoutMs: options.timeout ?? null,
        ledgerPath: options.ledger ?? null,
        measure: invocation.output.json || options.report !== undefined,
      };
      const { clock } = invocation.io;
      const measured = async (): Promise<StressDocument> => {
        const startMs = clock.nowMs();
        const result = await runner(request, runHooks(invocation, `stress ${guest}`));
        const durationMs = clock.nowMs() - startMs;
        const perSecond = durationMs > 0 ? (result.checkpoints * 1000) / durationMs : 0;
        return {
          schema: 'trapline.stress/1',
          ...result,
          durationMs,
          checkpointsPerSecond: perSecond,
        };
      };
      const document = await withReport(options, measured, stressPage);
      invocation.progress.erase();
      invocation.output.result(stressSchema, document, (style) => renderStress(document, style));
      return OUTCOMES[document.outcome];
    },
  };
}
