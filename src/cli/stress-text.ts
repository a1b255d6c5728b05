// SPDX-License-Identifier: GPL-2.0-only
// A stress run as text.
import { formatCount, formatDuration, formatTable } from './format.ts';
import type { Styler } from './output.ts';
import type { StressDocument } from './stress-schemas.ts';
import { renderViolations, renderWindows } from './violations.ts';

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
