// SPDX-License-Identifier: GPL-2.0-only
// `trapline bench`: how many traps a second this machine makes, and what each stage of one costs.
import { cpus, loadavg } from 'node:os';
import { InvalidArgumentError, Option } from 'commander';
import { PEER_NAMES, PEERS_EXPECTED, type PeerName, parsePeers } from '../../peers/names.ts';
import { benchPage } from '../../report/bench-page.ts';
import type { BenchDocument } from '../bench-schemas.ts';
import { benchSchema } from '../bench-schemas.ts';
import { renderBench, versusTable } from '../bench-text.ts';
import type { CliCommand, RunHooks } from '../command.ts';
import { runHooks } from '../command.ts';
import type { ExitCode } from '../exit-codes.ts';
import { durationValue } from '../options.ts';
import type { ReportOptions } from '../report.ts';
import { addReportOption, withReport } from '../report.ts';

export interface BenchRequest {
  /** Only measurements whose name contains this; null: all. */
  name: string | null;
  /** For each measurement. */
  timeMs: number;
  /** Other monitors to measure beside us, where they are found. */
  peers: readonly PeerName[];
  /** The folder of the npm package v86; null: where Node finds it. */
  v86: string | null;
}

/** Everything of the document that the measuring knows. */
export type BenchResult = Omit<BenchDocument, 'schema' | 'environment' | 'durationMs'>;

export type BenchRunner = (
  request: BenchRequest,
  hooks: RunHooks,
) => Promise<BenchResult> | BenchResult;

/** The machine, for those who compare figures. */
export function benchEnvironment(): BenchDocument['environment'] {
  const processors = cpus();
  return {
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    load: loadavg()[0] ?? 0,
  };
}

function peersValue(text: string): readonly PeerName[] {
  const peers = parsePeers(text);
  if (peers === null) throw new InvalidArgumentError(`expected ${PEERS_EXPECTED}`);
  return peers;
}

/** @param runner - measures */
export function benchCommand(runner: BenchRunner): CliCommand {
  return {
    name: 'bench',
    summary: 'measure traps, each stage of one, and other monitors beside us',
    purpose:
      'Measures IN, OUT, MMIO reads and writes and REP, answered inside the monitor and by a device model, and the stages one trap consists of. Then the same loops on every other monitor that this machine has, slice by slice in turns: v86, QEMU, KVM, Unicorn from C++ and from Python. Median and spread; run it on an idle machine.',
    examples: [
      ['--report bench.html', 'everything, a second each, as a page too'],
      ['in/ --peers v86,qemu --json', 'only what has "in/" in its name, for a program'],
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
        )
        .addOption(
          new Option('--peers <list>', `other monitors, where found: ${PEERS_EXPECTED}`)
            .argParser(peersValue)
            .default(PEER_NAMES, 'all'),
        )
        .option('--v86 <folder>', 'the npm package v86, if not installed where Node finds it');
      addReportOption(command, true);
    },
    async run(invocation, args, raw): Promise<ExitCode> {
      const options = raw as ReportOptions & {
        time: number;
        peers: readonly PeerName[];
        v86?: string;
      };
      const { clock } = invocation.io;
      const measure = async (): Promise<BenchDocument> => {
        const startMs = clock.nowMs();
        const environment = benchEnvironment();
        const request: BenchRequest = {
          name: args[0] ?? null,
          timeMs: options.time,
          peers: options.peers,
          v86: options.v86 ?? null,
        };
        const result = await runner(request, runHooks(invocation, 'bench'));
        return {
          schema: 'trapline.bench/1',
          environment,
          ...result,
          durationMs: clock.nowMs() - startMs,
        };
      };
      const document = await withReport(options, measure, (measured) =>
        benchPage({ ...measured, table: versusTable(measured) }),
      );
      invocation.progress.erase();
      invocation.output.result(benchSchema, document, (style) => renderBench(document, style));
      return 0;
    },
  };
}
