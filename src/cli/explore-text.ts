// SPDX-License-Identifier: GPL-2.0-only
// A search's result as text, and schedules: events in plain words, numbered, or step by step with the state after each.
import { turnsOf } from '../explore/turns.ts';
import type { ExploreDocument, ToldDocument } from './explore-schemas.ts';
import { formatCount, formatDuration, formatTable, wrap } from './format.ts';
import type { Styler } from './output.ts';

const WIDTH = 80;

function plural(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}

/** `1 access, 1 checkpoint, 1 preemption, 7 events` */
export function sizeWords({ ios, checkpoints, preemptions, events }: ToldDocument): string {
  return [
    `${ios} ${ios === 1 ? 'access' : 'accesses'}`,
    plural(checkpoints, 'checkpoint'),
    plural(preemptions, 'preemption'),
    plural(events, 'event'),
  ].join(', ');
}

/** Who takes part besides one vCPU, toolstack and device models; empty: nobody. */
export function actorWords(of: { vcpus: number; kills: number; interrupts: number }): string {
  const { vcpus, kills, interrupts } = of;
  return [
    ...(vcpus > 1 ? [`${vcpus} vCPUs`] : []),
    ...(kills > 0 ? [`${plural(kills, 'device model')} may die`] : []),
    ...(interrupts > 0 ? [plural(interrupts, 'interrupt')] : []),
  ].join(', ');
}

function indented(text: string, first: string, rest: string): string[] {
  return wrap(text, WIDTH - rest.length).map((line, i) => `${i === 0 ? first : rest}${line}`);
}

/** One paragraph per event: what one actor did until another one went on. */
export function renderTurns(told: ToldDocument, style: Styler): string[] {
  const lines: string[] = [];
  for (const { n, actor, place, texts, broken } of turnsOf(told.steps)) {
    if (n > told.events) break;
    const where =
      actor === 'vCPU' || n === 1 || place === 'idle' ? '' : ` (the vCPU stands at ${place})`;
    const text = `${actor}${where}: ${texts.join('; ')}`;
    lines.push(...indented(text, `  ${String(n).padStart(2)}. `, '      '));
    if (broken.length > 0) lines.push(`      ${style('bad', `broken: ${broken.join(', ')}`)}`);
  }
  return lines;
}

/** Every step, and what stands where after it. */
export function renderSteps(told: ToldDocument, style: Styler): string[] {
  const lines: string[] = [];
  let turn = 0;
  told.steps.forEach(({ turn: n, actor, place, text, state, broken }, i) => {
    if (n !== turn) {
      turn = n;
      lines.push(style('bold', `${n}. ${actor}, the vCPU at ${place}`));
    }
    lines.push(...indented(text, `  ${String(i + 1).padStart(3)}  `, '       '));
    const flags = [
      state.deferring ? 'deferring' : '',
      state.stopping ? 'shutting down' : '',
      state.shutDown ? 'shut down' : '',
      state.pauseCount > 0 ? `paused ${state.pauseCount}` : '',
      state.blocked ? 'blocked' : '',
    ].filter((word) => word !== '');
    const words = [`slot ${state.slot}`, `io_req ${state.latch}`, ...flags].join(', ');
    lines.push(`       ${style('dim', words)}`);
    if (broken.length > 0) lines.push(`       ${style('bad', `broken: ${broken.join(', ')}`)}`);
  });
  return lines;
}

/** What is broken, a line each. */
export function renderFindings(findings: ToldDocument['findings'], style: Styler): string[] {
  return findings.flatMap(({ invariant, message }) => [
    `  ${style('bad', `broken: ${invariant}`)}`,
    ...indented(message, '    ', '    '),
  ]);
}

function verdictLine(document: ExploreDocument): string {
  const { outcome, complete, strategy, violationsTotal, stop } = document;
  if (outcome === 'failure') {
    return `${formatCount(violationsTotal)} ${violationsTotal === 1 ? 'schedule breaks' : 'schedules break'} an invariant`;
  }
  if (complete) return 'complete: no order within these bounds breaks anything';
  if (outcome === 'interrupted') return 'interrupted; nothing was broken until then';
  if (strategy === 'dfs') return `stopped by the bound on ${stop}; nothing was broken until then`;
  return 'nothing was broken; what was not drawn was not looked at';
}

function renderViolation(v: ExploreDocument['violations'][number], style: Styler): string[] {
  const { findings, fixed, minimal, replay, told } = v;
  return [
    ...renderFindings(findings, style),
    `  ${minimal ? 'the smallest there is' : 'shrunk'}: ${sizeWords(told)}`,
    ...renderTurns(told, style),
    ...(fixed === null
      ? []
      : [
          `  with revision ${fixed.revision}, the same choices: ${
            fixed.findings.length === 0
              ? 'nothing is broken'
              : `broken: ${fixed.findings.map((f) => f.invariant).join(', ')}`
          }`,
        ]),
    `  again: ${replay}`,
  ];
}

/** The result as text. */
export function renderExplore(document: ExploreDocument, style: Styler): string {
  const d = document;
  const size = `${d.ios} ${d.ios === 1 ? 'access' : 'accesses'}, ${d.checkpoints} ${d.checkpoints === 1 ? 'checkpoint' : 'checkpoints'}`;
  const how = {
    dfs: `every order with at most ${d.preemptions} preemptions`,
    random: `at random, at most ${d.preemptions} preemptions, seed ${d.seed}`,
    pct: `PCT, depth ${d.depth}, seed ${d.seed}`,
  }[d.strategy];
  const actors = actorWords(d);
  const rows = [
    ['search', `${size}; ${how}`],
    ...(actors === '' ? [] : [['actors', actors]]),
    [
      'schedules',
      `${formatCount(d.schedules)} to the end${d.pruned > 0 ? `, ${formatCount(d.pruned)} cut short in a known state` : ''}`,
    ],
    ...(d.states > 0 ? [['states', formatCount(d.states)]] : []),
    ['decisions', `${formatCount(d.decisions)} in the longest`],
    ['time', `${formatDuration(d.durationMs)} (${formatCount(d.schedulesPerSecond)}/s)`],
    ...(d.determinism === null
      ? []
      : [
          [
            'run twice',
            `${formatCount(d.determinism.compared)}, the same in all ${formatCount(d.determinism.events)} values`,
          ],
        ]),
  ];
  return [
    style('bold', `explore ${d.guest}, revision ${d.revision}, CPU ${d.cpu}`),
    formatTable(rows, { indent: '  ' }),
    ...d.violations.flatMap((v) => renderViolation(v, style)),
    style(d.outcome === 'failure' ? 'bad' : 'good', verdictLine(d)),
  ].join('\n');
}
