// SPDX-License-Identifier: GPL-2.0-only
// `trapline exactness`: every form of access, stopped at every place, against the run without stops.
import { Option } from 'commander';
import { parseStop, type RequestedStop } from '../../toolstack/exactness/stops.ts';
import type { ExactnessDocument } from '../check-schemas.ts';
import { exactnessSchema } from '../check-schemas.ts';
import type { CliCommand, RunHooks } from '../command.ts';
import { runHooks } from '../command.ts';
import type { ExitCode } from '../exit-codes.ts';
import { formatCount, formatDuration, formatTable } from '../format.ts';
import type { Styler } from '../output.ts';
import type { ReportOptions } from '../report.ts';
import { addReportOption, withReport } from '../report.ts';

export interface ExactnessRequest {
  /** Cells whose family or name contains this; null: all. */
  filter: string | null;
  /** The cell of this name; null: all. */
  cell: string | null;
  /** One stop, as a failure names it; null: all. */
  stop: RequestedStop | null;
  full: boolean;
}

/** Everything of the document that the run knows. */
export type ExactnessResult = Omit<ExactnessDocument, 'schema' | 'durationMs'>;

export type ExactnessRunner = (
  request: ExactnessRequest,
  hooks: RunHooks,
) => Promise<ExactnessResult> | ExactnessResult;

interface ExactnessOptions extends ReportOptions {
  filter?: string;
  cell?: string;
  stop?: RequestedStop;
  full?: boolean;
}

/** Failures shown as text; the document has more. */
const SHOWN = 10;

function verdictLine(document: ExactnessDocument): string {
  if (document.failuresTotal > 0) return 'accesses are not exact: see above';
  if (document.interrupted) return 'interrupted; nothing was wrong until then';
  return 'stopped anywhere, every form leaves what the undisturbed run leaves';
}

/** The matrix by family. */
export function renderExactness(document: ExactnessDocument, style: Styler): string {
  const families = new Map<string, [number, number, number, number]>();
  for (const { family, possible, combinations, failures } of document.cells) {
    const [cells, all, tried, failed] = families.get(family) ?? [0, 0, 0, 0];
    families.set(family, [cells + 1, all + possible, tried + combinations, failed + failures]);
  }
  const rows = [
    ['family', 'cells', 'stops', 'tried', 'failures'],
    ...[...families].map(([name, counts]) => [name, ...counts.map(formatCount)]),
  ];
  const { combinations, durationMs, failures, failuresTotal, possible, stops } = document;
  const tries = Object.entries(stops).map(([name, count]) => [name, formatCount(count)]);
  const { runs, kicks, kicksInside } = document.thread;
  const { staying } = document;
  return [
    style('bold', `exactness: revision exact, ${formatDuration(durationMs)}`),
    formatTable(rows, { indent: '  ' }),
    ...(tries.length === 0 ? [] : ['  stops tried', formatTable(tries, { indent: '    ' })]),
    ...(runs === 0
      ? []
      : [
          '  kicks from another thread, not the same from run to run',
          `    ${formatCount(runs)} runs, ${formatCount(kicks)} kicks, ${formatCount(kicksInside)} of them inside a cell`,
        ]),
    ...(staying.runs === 0
      ? []
      : [
          `  in the guest: ${formatCount(staying.runs)} runs in which ${formatCount(staying.stayed)} accesses stayed there`,
        ]),
    `  ${formatCount(combinations)} combinations of ${formatCount(possible)}, ${formatCount(failuresTotal)} failures`,
    ...failures
      .slice(0, SHOWN)
      .flatMap(({ cell, stop, field, expected, got, reproduce }) => [
        `  ${cell}; ${stop}: ${field} is ${got}, expected ${expected}`,
        `    again: ${reproduce}`,
      ]),
    style(document.outcome === 'success' ? 'good' : 'bad', verdictLine(document)),
  ].join('\n');
}

/** @param runner - the matrix of the toolstack */
export function exactnessCommand(runner: ExactnessRunner): CliCommand {
  return {
    name: 'exactness',
    summary: 'stop every form of access everywhere, and compare',
    purpose:
      'Runs generated guest snippets, one for every form of port and memory-mapped I/O, once without stops and then once for each place and kind of stop: checkpoint and resume, checkpoint and restore into a fresh machine, kick; several times while another thread kicks; and with devices whose posted writes and published registers stay in the guest. Registers, flags, memory, devices, counts and ledger have to be those of the undisturbed run.',
    examples: [
      ['', 'every stop of nearly every cell, in minutes'],
      ['--filter cmpxchg --json', 'some cells, for a program'],
    ],
    exitCodes: [0, 1, 5, 130, 143],
    configure(command) {
      command
        .optionsGroup('Matrix:')
        .option('--filter <text>', 'only cells whose family or name contains this')
        .addOption(
          new Option('--cell <name>', 'only the cell of this name').conflicts(['filter', 'full']),
        )
        .addOption(
          new Option('--stop <place>', "only this stop, as in 'point 3 restore'").argParser(
            parseStop,
          ),
        )
        .option('--full', 'every stop of every cell but the longest, and the largest counts');
      addReportOption(command);
    },
    async run(invocation, _args, raw): Promise<ExitCode> {
      const options = raw as ExactnessOptions;
      const { clock } = invocation.io;
      const request: ExactnessRequest = {
        filter: options.filter ?? null,
        cell: options.cell ?? null,
        stop: options.stop ?? null,
        full: options.full === true,
      };
      const document = await withReport(options, async (): Promise<ExactnessDocument> => {
        const startMs = clock.nowMs();
        const result = await runner(request, runHooks(invocation, 'exactness'));
        return {
          schema: 'trapline.exactness/1',
          ...result,
          durationMs: clock.nowMs() - startMs,
        };
      });
      invocation.progress.erase();
      const show = (style: Styler): string => renderExactness(document, style);
      invocation.output.result(exactnessSchema, document, show);
      if (document.outcome === 'interrupted') return 130;
      return document.outcome === 'success' ? 0 : 1;
    },
  };
}
