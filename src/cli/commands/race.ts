// SPDX-License-Identifier: GPL-2.0-only
// `trapline race`: the story the project starts from: one guest, one seed, without and with the fix.
import { racePage } from '../../report/race-page.ts';
import type { CliCommand, RunHooks } from '../command.ts';
import { runHooks } from '../command.ts';
import type { ExitCode } from '../exit-codes.ts';
import { formatCount, formatDuration, sideBySide, wrap } from '../format.ts';
import { checkpointsOption, seedOption } from '../options.ts';
import type { Styler } from '../output.ts';
import type { ReportOptions } from '../report.ts';
import { addReportOption, withReport } from '../report.ts';
import type { RaceDocument, RaceSide } from '../stress-schemas.ts';
import { raceSchema } from '../stress-schemas.ts';

export interface RaceRequest {
  seed: number;
  /** For each side; the unfixed one may end at its first loss. */
  checkpoints: number;
  /** By the clock, for --json and --report. */
  measure: boolean;
}

/** Everything of the document that the run knows. */
export type RaceResult = Omit<RaceDocument, 'schema' | 'durationMs'>;

export type RaceRunner = (
  request: RaceRequest,
  hooks: RunHooks,
) => Promise<RaceResult> | RaceResult;

/** A seed whose story is short and clear: a shutdown lands inside the send, at the eighth checkpoint. */
const STORY_SEED = 112;

/** Characters of one column, in a line of 80 with a divider. */
const COLUMN = 38;

function sideLines(title: string, side: RaceSide): string[] {
  const lines = [
    title,
    `revision ${side.revision}`,
    '',
    `checkpoints   ${formatCount(side.checkpoints)}`,
    `accesses      ${formatCount(side.accesses)}`,
    `lost          ${formatCount(side.lost)}`,
    `duplicated    ${formatCount(side.duplicated)}`,
    '',
    'the guest read',
    ...wrap(side.values.join(' '), COLUMN - 2).map((line) => `  ${line}`),
  ];
  if (side.expected !== null) {
    lines.push(`  expected ${side.expected}, got ${side.got ?? 'nothing'}`);
  }
  lines.push('', 'what happened to that access');
  for (const [index, { actor, event }] of side.events.entries()) {
    const [first = '', ...rest] = wrap(`${actor}: ${event}`, COLUMN - 4);
    lines.push(`${String(index + 1).padStart(2)}. ${first}`);
    lines.push(...rest.map((line) => `    ${line}`));
  }
  return lines;
}

/** Whether the story went as it is told: lost without the fix, nothing lost with it. */
export function raceAsTold(document: Pick<RaceDocument, 'without' | 'with'>): boolean {
  const { without, with: fixed } = document;
  return (
    without.lost + without.duplicated > 0 &&
    fixed.lost + fixed.duplicated === 0 &&
    fixed.outcome === 'success'
  );
}

/** Why it is not the story: in most cases there were too few checkpoints. */
function unexpected({ without }: RaceDocument): string {
  return without.outcome === 'success'
    ? 'the race did not go as expected: no shutdown fell into its window; take more checkpoints'
    : 'the race did not go as expected';
}

/** The result as text, two columns. */
export function renderRace(document: RaceDocument, style: Styler): string {
  const { guest, seed, durationMs, without, with: fixed } = document;
  const verdict = raceAsTold(document)
    ? style('good', 'without the fix a value is lost; with it none is')
    : style('bad', unexpected(document));
  return [
    style('bold', `race: guest ${guest}, seed ${seed}, ${formatDuration(durationMs)}`),
    '',
    sideBySide(sideLines('WITHOUT THE FIX', without), sideLines('WITH THE FIX', fixed)),
    '',
    verdict,
  ].join('\n');
}

/** @param runner - runs both sides */
export function raceCommand(runner: RaceRunner): CliCommand {
  return {
    name: 'race',
    summary: 'lose a value to the unfixed race, and none with the fix',
    purpose:
      'Runs the counter guest twice with the same seed: as Xen was before commit b7e0d8978810, and as it is after it. A suspend that lands between sending an I/O and looking at its result makes the guest send it again without the fix, so the counter skips a value.',
    examples: [
      ['', 'the story, side by side'],
      ['--seed 7 --json', 'another run of it, for a program'],
    ],
    exitCodes: [0, 1, 5, 130, 143],
    configure(command) {
      command
        .optionsGroup('Checkpoints:')
        .addOption(checkpointsOption(2000))
        .addOption(seedOption(STORY_SEED));
      addReportOption(command, true);
    },
    async run(invocation, _args, raw): Promise<ExitCode> {
      const options = raw as RaceRequest & ReportOptions;
      const { clock } = invocation.io;
      const request: RaceRequest = {
        seed: options.seed,
        checkpoints: options.checkpoints,
        measure: invocation.output.json || options.report !== undefined,
      };
      const run = async (): Promise<RaceDocument> => {
        const startMs = clock.nowMs();
        const result = await runner(request, runHooks(invocation, 'race'));
        return { schema: 'trapline.race/1', ...result, durationMs: clock.nowMs() - startMs };
      };
      const document = await withReport(options, run, (it) => racePage(it, raceAsTold(it)));
      invocation.progress.erase();
      invocation.output.result(raceSchema, document, (style) => renderRace(document, style));
      return raceAsTold(document) ? 0 : 1;
    },
  };
}
