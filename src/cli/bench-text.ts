// SPDX-License-Identifier: GPL-2.0-only
// The document of `trapline bench` as text.
import type { VersusTable } from '../report/bench-page.ts';
import { formatRatio } from '../util/quantity.ts';
import type { BenchDocument } from './bench-schemas.ts';
import { formatCount, formatNs, formatTable } from './format.ts';
import type { Styler } from './output.ts';

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

/** The names of `<loop>/<who>`, apart. */
function split(name: string): [loop: string, who: string] {
  const at = name.lastIndexOf('/');
  const loop = name.slice(0, at);
  return [loop === 'loop' ? 'loop/all' : loop, name.slice(at + 1)];
}

type Spread = BenchDocument['versus']['ratios'][number];

/** The figures of both kinds side by side; ratios over all loops come as `loop/all`. */
export function versusTable({ versus }: Pick<BenchDocument, 'versus'>): VersusTable {
  const all = [...versus.results, ...versus.ratios].map(({ name }) => split(name));
  const who = [...new Set(all.map(([, name]) => name))];
  const loops = [...new Set(all.map(([loop]) => loop))];
  const find = (rows: readonly Spread[], loop: string, name: string): Spread | null =>
    rows.find((row) => {
      const [ofLoop, of] = split(row.name);
      return ofLoop === loop && of === name;
    }) ?? null;
  return {
    who,
    loops: loops.map((loop) => ({
      loop,
      cells: who.map((name) => ({
        ns: find(versus.results, loop, name),
        ratio: find(versus.ratios, loop, name),
      })),
    })),
  };
}

function versusText(document: BenchDocument): string {
  const { who, loops } = versusTable(document);
  const rows = loops.map(({ loop, cells }) => [
    loop,
    ...cells.map(({ ns, ratio }) => {
      const time = ns === null ? '' : formatNs(ns.median);
      return ratio === null ? time : `${time} (${formatRatio(ratio.median)})`.trim();
    }),
  ]);
  return formatTable([['loop', ...who], ...rows], {
    right: who.map((_, i) => i + 1),
    indent: '  ',
  });
}

function peerLine({ name, state, version, answeredBy, reason, install }: Peer): string {
  if (state === 'absent') return `  ${name}: absent, ${reason}. To have it: ${install}`;
  const about = `  ${name} ${version}: ${answeredBy}`;
  return state === 'failed' ? `${about}. FAILED: ${reason}` : about;
}
type Peer = BenchDocument['peers'][number];

/** The result as text. */
export function renderBench(document: BenchDocument, style: Styler): string {
  const { cores, cpu, load, node, platform } = document.environment;
  const lines = [
    style('bold', `bench: Node ${node}, ${platform}, ${cores} x ${cpu}, load ${load.toFixed(1)}`),
  ];
  if (document.results.length > 0 || document.stages.length > 0) {
    lines.push(`  ${document.method}`);
  }
  if (document.results.length > 0) lines.push(measuredTable(document.results));
  if (document.stages.length > 0) {
    lines.push(style('bold', 'stages of one trap'), measuredTable(document.stages));
  }
  if (document.versus.results.length > 0) {
    lines.push(
      style('bold', 'beside other monitors: median, and ours divided by theirs'),
      versusText(document),
    );
  }
  return [...lines, ...document.peers.map(peerLine)].join('\n');
}
