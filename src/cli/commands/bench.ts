// SPDX-License-Identifier: GPL-2.0-only
// `trapline bench`: how many traps a second this machine makes, and what each stage of one costs.
import { cpus } from 'node:os';
import { Option } from 'commander';
import type { CliCommand, RunHooks } from '../command.ts';
import { runHooks } from '../command.ts';
import type { ExitCode } from '../exit-codes.ts';
import { formatCount, formatNs, formatTable } from '../format.ts';
import { durationValue } from '../options.ts';
import type { Styler } from '../output.ts';
import type { ReportOptions } from '../report.ts';
import { addReportOption, withReport } from '../report.ts';
import type { BenchDocument } from '../schemas.ts';
import { benchSchema } from '../schemas.ts';

export interface BenchRequest {
  /** Only measurements whose name contains this; null: all. */
  name: string | null;
  /** For each measurement. */
  timeMs: number;
}

/** Everything of the document that the measuring knows. */
export type BenchResult = Pick<BenchDocument, 'method' | 'results' | 'stages'>;

export type BenchRunner = (
  request: BenchRequest,
  hooks: RunHooks,
) => Promise<BenchResult> | BenchResult;

function measuredTable(rows: BenchDocument['results']): string {
  const cells = rows.map(({ name, median, low, high, perSecond }) => [
    name,
    formatNs(median),
    `${formatNs(low)} .. ${formatNs(high)}`,
    `${formatCount(perSecond)}/s`,
  ]);
  const table = [['name', 'median', '10 % .. 90 %', 'rate'], ...cells];
  return formatTable(table, { right: [1, 2, 3], indent: '  ' });
}

/** The result as text. */
export function renderBench(document: BenchDocument, style: Styler): string {
  const { cores, cpu, node, platform } = document.environment;
  const lines = [
    style('bold', `bench: Node ${node}, ${platform}, ${cores} x ${cpu}`),
    `  ${document.method}`,
    measuredTable(document.results),
  ];
  if (document.stages.length > 0) {
    lines.push(style('bold', 'stages of one trap'), measuredTable(document.stages));
  }
  return lines.join('\n');
}

/** @param runner - measures */
export function benchCommand(runner: BenchRunner): CliCommand {
  return {
    name: 'bench',
    summary: 'measure traps per second and the cost of each stage',
    purpose:
      'Measures IN, OUT, MMIO reads and writes and REP, answered inside the monitor and by a device model, and the stages one trap consists of. Median and spread; run it on an idle machine.',
    examples: [
      ['', 'everything, a second each'],
      ['in --time 200ms --json', 'only what has "in" in its name, quickly, for a program'],
    ],
    exitCodes: [0, 5, 130, 143],
    configure(command) {
      command.argument('[name]', 'only measurements whose name contains this');
      command
        .optionsGroup('Measuring:')
        .addOption(
          new Option('--time <duration>', 'for each measurement')
            .argParser(durationValue('--time'))
            .default(1000, '1s'),
        );
      addReportOption(command);
    },
    async run(invocation, args, raw): Promise<ExitCode> {
      const options = raw as ReportOptions & { time: number };
      const { clock } = invocation.io;
      const document = await withReport(options, async (): Promise<BenchDocument> => {
        const startMs = clock.nowMs();
        const request: BenchRequest = { name: args[0] ?? null, timeMs: options.time };
        const result = await runner(request, runHooks(invocation, 'bench'));
        const processors = cpus();
        return {
          schema: 'trapline.bench/1',
          environment: {
            node: process.versions.node,
            platform: `${process.platform}-${process.arch}`,
            cpu: processors[0]?.model.trim() ?? 'unknown',
            cores: processors.length,
          },
          ...result,
          durationMs: clock.nowMs() - startMs,
        };
      });
      invocation.progress.erase();
      invocation.output.result(benchSchema, document, (style) => renderBench(document, style));
      return 0;
    },
  };
}
