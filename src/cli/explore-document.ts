// SPDX-License-Identifier: GPL-2.0-only
// From what a search has found to the document of --json.
import { type Command, Option } from 'commander';
import type { ExploreOptions, ExploreReport } from '../explore/explorer.ts';
import { extrasOf, type Scenario } from '../explore/scenario.ts';
import type { Told } from '../explore/tell.ts';
import { deviceWords, loadWords, shellWord, word } from '../toolstack/command-words.ts';
import { revisionLabel } from '../toolstack/museum/index.ts';
import type { ExploreDocument, ToldDocument } from './explore-schemas.ts';

export function toldDocument(told: Told): ToldDocument {
  const { scenario, end, preemptions, decisions, findings, steps, turns, story, misfits } = told;
  const { ios, checkpoints } = scenario;
  const revision = revisionLabel(scenario.revision, scenario.bug);
  return {
    revision,
    ios,
    checkpoints,
    end,
    events: turns,
    preemptions,
    decisions,
    misfits,
    findings,
    steps,
    story,
  };
}

/** The command that replays a schedule of `scenario`: what is not in the string goes beside it. */
export function replayCommand(schedule: string, { load, devices, cpu }: Scenario): string {
  return [
    'trapline replay',
    shellWord(schedule),
    ...deviceWords(devices),
    ...loadWords(load),
    ...word('cpu', cpu === 'real' ? null : cpu),
  ].join(' ');
}

export function exploreDocument(
  options: ExploreOptions,
  report: ExploreReport,
  durationMs: number,
): ExploreDocument {
  const { scenario, strategy, bounds, seed, depth } = options;
  const { guest, cpu, ios, checkpoints } = scenario;
  const { vcpus, kills, irqs } = extrasOf(scenario);
  const revision = revisionLabel(scenario.revision, scenario.bug);
  const { stop, complete, schedules, pruned, states, decisions, violationsTotal } = report;
  const drawn = strategy !== 'dfs' && stop === 'schedules';
  return {
    schema: 'trapline.explore/1',
    outcome:
      violationsTotal > 0
        ? 'failure'
        : complete || drawn
          ? 'success'
          : stop === 'interrupted'
            ? 'interrupted'
            : 'limit',
    guest,
    revision,
    bug: scenario.bug?.id ?? null,
    cpu,
    ios,
    checkpoints,
    vcpus,
    kills,
    interrupts: irqs,
    strategy,
    preemptions: bounds.preemptions,
    seed,
    depth,
    stop,
    complete,
    schedules,
    pruned,
    states,
    decisions,
    violations: report.violations.map(({ findings, found, schedule, minimal, told, fixed }) => ({
      findings,
      found,
      schedule,
      replay: replayCommand(schedule, scenario),
      minimal,
      told: toldDocument(told),
      fixed: fixed === null ? null : toldDocument(fixed),
    })),
    violationsTotal,
    determinism: report.determinism,
    durationMs,
    schedulesPerSecond: durationMs > 0 ? (report.runs * 1000) / durationMs : 0,
  };
}

export function addCpuOption(command: Command): void {
  command.addOption(
    new Option(
      '--cpu <name>',
      "real: the emulator with the guest's code; scripted: a list of its accesses",
    )
      .choices(['real', 'scripted'])
      .default('real'),
  );
}
