// SPDX-License-Identifier: GPL-2.0-only
// What `npm run bench` and `bench:check` do: what `trapline bench` measures, compared by ratios if asked to.
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { rateBench } from '../src/cli/bench-runner.ts';
import type { BenchDocument } from '../src/cli/bench-schemas.ts';
import { renderBench } from '../src/cli/bench-text.ts';
import { type BenchRequest, benchEnvironment } from '../src/cli/commands/bench.ts';
import { formatTable } from '../src/cli/format.ts';
import { PEER_NAMES, PEERS_EXPECTED, type PeerName, parsePeers } from '../src/peers/names.ts';
import type { BenchHooks } from '../src/toolstack/bench/sampler.ts';
import { hostClock } from '../src/util/clock.ts';
import { HvmError } from '../src/util/errors.ts';
import { formatRatio } from '../src/util/quantity.ts';
import type { Baseline, Comparison } from './compare.ts';
import { BASELINE_SCHEMA, compareRatios, parseBaseline } from './compare.ts';

const USAGE = `Usage: npm run bench -- [name] [options]

  name                 only measurements whose name contains this
  --time MS            for each measurement (default 1000; the stages take eight times that)
  --peers LIST         other monitors: all, none or names with commas between (default all)
  --v86 FOLDER         the npm package v86
  --json               one document instead of text
  --compare FILE       compare ratios with a baseline; exit 1 when one is lost
  --tolerance PERCENT  a ratio that grew by more counts as lost (default 15)
  --baseline FILE      write the ratios of this run as a baseline`;

function positive(option: string, text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new HvmError('HVM_USAGE', `${option} '${text}': expected a number above 0`);
}

function peersOf(text: string): readonly PeerName[] {
  const peers = parsePeers(text);
  if (peers !== null) return peers;
  throw new HvmError('HVM_USAGE', `--peers '${text}': expected ${PEERS_EXPECTED}`);
}

function comparisonText(
  rows: readonly Comparison[],
  baseline: Baseline,
  tolerance: number,
): string {
  const cells = rows.map(({ name, before, now, change, lost }) => [
    name,
    formatRatio(before),
    formatRatio(now),
    `${change >= 0 ? '+' : ''}${(100 * change).toFixed(0)} %`,
    lost ? 'LOST' : '',
  ]);
  const table = formatTable([['ratio', 'baseline', 'now', 'change', ''], ...cells], {
    right: [1, 2, 3],
    indent: '  ',
  });
  const lost = rows.filter((r) => r.lost).length;
  const verdict =
    lost === 0
      ? `no ratio of ${rows.length} grew by more than ${100 * tolerance} %`
      : `${lost} of ${rows.length} ratios grew by more than ${100 * tolerance} %`;
  const others = Object.keys(baseline.ratios).length - rows.length;
  const missing = others === 0 ? '' : `; ${others} more of the baseline were not measured`;
  return `${table}\n${verdict}${missing}`;
}

function options(args: readonly string[]): ReturnType<typeof parse> {
  try {
    return parse(args);
  } catch (cause) {
    throw new HvmError('HVM_USAGE', (cause as Error).message, { cause });
  }
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      time: { type: 'string', default: '1000' },
      peers: { type: 'string', default: 'all' },
      v86: { type: 'string' },
      json: { type: 'boolean', default: false },
      compare: { type: 'string' },
      tolerance: { type: 'string', default: '15' },
      baseline: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
}

function readBaseline(file: string): Baseline {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new HvmError('HVM_USAGE', `--compare: cannot read ${file}`, { cause });
  }
  return parseBaseline(text, file);
}

function writeBaseline(file: string, baseline: Baseline): void {
  try {
    writeFileSync(file, `${JSON.stringify(baseline, null, 2)}\n`);
  } catch (cause) {
    throw new HvmError('HVM_OUTPUT', `--baseline: cannot write ${file}`, { cause });
  }
}

/** Between samples: lets a Ctrl-C arrive. */
function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

type Rated = Awaited<ReturnType<typeof rateBench>>;

/** How often a measurement that seems lost is taken once more. */
const SECOND_LOOKS = 4;

/** By name: our own beside the yardstick, and us beside each peer. A mean over loops says nothing of its own. */
function comparable({ result, yardstick }: Rated) {
  const own = Object.entries({ ...yardstick, ...result.ratios });
  return Object.fromEntries(
    own.filter(([name]) => !PEER_NAMES.some((peer) => name === `loop/${peer}`)),
  );
}

/** Compares; what seems lost is measured again, and its best ratio counts: a busy machine is no loss. */
async function compareAgain(
  before: Readonly<Record<string, number>>,
  now: Record<string, number>,
  tolerance: number,
  rateOne: (name: string) => Promise<Rated>,
): Promise<Comparison[]> {
  let rows = compareRatios(before, now, tolerance);
  for (let look = 0; look < SECOND_LOOKS; look++) {
    for (const { name } of rows.filter((r) => r.lost)) {
      const ratios = comparable(await rateOne(name));
      now[name] = Math.min(
        now[name] ?? Number.POSITIVE_INFINITY,
        ratios[name] ?? Number.POSITIVE_INFINITY,
      );
    }
    rows = compareRatios(before, now, tolerance);
  }
  return rows;
}

/**
 * @param args - behind the program's name
 * @param say - takes what belongs on stdout
 * @param rate - measures
 * @returns the exit code: 1 when a ratio is lost
 */
export async function benchMain(
  args: readonly string[],
  say: (text: string) => void,
  rate: typeof rateBench = rateBench,
): Promise<number> {
  const { values, positionals } = options(args);
  if (values.help) {
    say(USAGE);
    return 0;
  }
  const tolerance = positive('--tolerance', values.tolerance) / 100;
  const request: BenchRequest = {
    name: positionals[0] ?? null,
    timeMs: positive('--time', values.time),
    peers: peersOf(values.peers),
    v86: values.v86 ?? null,
  };
  // Before a minute is spent: the file must be there.
  const before = values.compare === undefined ? null : readBaseline(values.compare);

  const environment = benchEnvironment();
  const start = hostClock.nowMs();
  const abort = new AbortController();
  process.once('SIGINT', () => abort.abort());
  const hooks: BenchHooks = { signal: abort.signal, tick: breathe };
  const rated = await rate(request, hooks);
  const ratios = comparable(rated);
  const document: BenchDocument = {
    schema: 'trapline.bench/1',
    environment,
    ...rated.result,
    durationMs: hostClock.nowMs() - start,
  };
  const rows =
    before === null
      ? null
      : await compareAgain(before.ratios, ratios, tolerance, (name) =>
          rate({ ...request, name }, hooks),
        );
  if (rows?.length === 0 && !abort.signal.aborted) {
    throw new HvmError('HVM_USAGE', `${values.compare}: has no ratio that was measured here`);
  }
  if (values.json) {
    const comparison = rows === null ? {} : { comparison: rows };
    say(JSON.stringify({ ...document, ratios, ...comparison }, null, 2));
  } else {
    say(renderBench(document, (_style, text) => text));
    if (before !== null && rows !== null) say(comparisonText(rows, before, tolerance));
  }
  if (values.baseline !== undefined) {
    const rounded = Object.entries(ratios).map(([name, r]) => [name, Number(r.toPrecision(4))]);
    const baseline: Baseline = {
      schema: BASELINE_SCHEMA,
      environment,
      ratios: Object.fromEntries(rounded),
    };
    writeBaseline(values.baseline, baseline);
  }
  if (abort.signal.aborted) return 130;
  return rows?.some((r) => r.lost) === true ? 1 : 0;
}
