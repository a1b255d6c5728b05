// SPDX-License-Identifier: GPL-2.0-only
// The matrix: every cell undisturbed, then once per place and kind of stop, each compared with the first run.
import { Kicker } from '../../cpu/kicker.ts';
import { HvmError } from '../../util/errors.ts';
import type { Watch } from '../limits.ts';
import type { Cell } from './cell.ts';
import { type Selection, selectCells } from './cells.ts';
import { type Difference, differs } from './compare.ts';
import {
  DEEDS,
  DEFAULT_REACH,
  FULL_REACH,
  possibleStops,
  type RequestedStop,
  STAYING_FULL_REACH,
  STAYING_REACH,
  STAYING_STOP,
  type Stop,
  sample,
  stopName,
  stopsOf,
  THREAD_STOP,
} from './stops.ts';
import { type Disturbance, type Outcome, runTrial, type Setup } from './trial.ts';

/** What a matrix is asked for. */
export interface MatrixOptions extends Selection {
  /** One stop, as a failure names it. */
  stop: RequestedStop | null;
  /** Every so many-th cell. */
  every?: number;
  /** Runs of each cell under kicks from another thread; several unless given. */
  threadRuns?: number;
  /** End at the first failure. */
  untilFailure?: boolean;
  setup?: Setup;
}

/** One thing that was not as in the undisturbed run. */
export interface MatrixFailure {
  cell: string;
  /** 'undisturbed' for the first run. */
  stop: string;
  field: string;
  expected: string;
  got: string;
  reproduce: string;
}

export interface CellResult {
  name: string;
  family: string;
  /** Stops there are, and those of them that were tried. */
  possible: number;
  combinations: number;
  failures: number;
}

/** Runs under kicks from another thread: not the same from run to run. */
export interface ThreadResult {
  runs: number;
  kicks: number;
  /** Between the first instruction of a cell and its last. */
  kicksInside: number;
  failures: number;
}

/** Runs whose posted writes and published registers stay in the guest, beside the same in which they leave it. */
export interface StayingResult {
  runs: number;
  /** Accesses that did. */
  stayed: number;
  failures: number;
}

export interface MatrixResult {
  possible: number;
  combinations: number;
  failures: MatrixFailure[];
  failuresTotal: number;
  cells: CellResult[];
  /** Combinations by place and deed. */
  stops: Record<string, number>;
  thread: ThreadResult;
  staying: StayingResult;
  interrupted: boolean;
}

/** Failures kept in full; all are counted. */
const KEPT = 50;
const THREAD_RUNS = 3;
/** When nothing else is asked for: a fault that is a matter of luck wants many. */
const THREAD_RUNS_ALONE = 1000;
const EXACT: Setup = { revision: 'exact' };

/**
 * Runs the matrix.
 * @throws HvmError HVM_USAGE when no cell is asked for, or a stop that none of them has
 */
export async function runMatrix(options: MatrixOptions, watch: Watch): Promise<MatrixResult> {
  const { stop, every = 1, untilFailure = false } = options;
  const cells = selectCells(options).filter((_, i) => i % every === 0);
  const result: MatrixResult = {
    possible: 0,
    combinations: 0,
    failures: [],
    failuresTotal: 0,
    cells: [],
    stops: {},
    thread: { runs: 0, kicks: 0, kicksInside: 0, failures: 0 },
    staying: { runs: 0, stayed: 0, failures: 0 },
    interrupted: false,
  };
  const usual = stop === null ? THREAD_RUNS : stop === THREAD_STOP ? THREAD_RUNS_ALONE : 0;
  const threadRuns = options.threadRuns ?? usual;
  await using kicker = threadRuns > 0 ? await Kicker.start() : null;
  for (const [i, cell] of cells.entries()) {
    if (watch.signal.aborted) {
      result.interrupted = true;
      break;
    }
    if (untilFailure && result.failuresTotal > 0) break;
    const row = new Row(cell, options, result);
    const plain = row.undisturbed();
    if (plain !== null) {
      if (stop === null || stop === STAYING_STOP) row.staying(i);
      if (stop !== THREAD_STOP && stop !== STAYING_STOP) row.stops(plain, i);
      if (kicker !== null) row.kicked(plain, kicker, threadRuns);
    }
    const pause = watch.tick(i + 1, cells.length);
    if (pause !== undefined) await pause;
  }
  if (stop !== null && stop !== THREAD_STOP && stop !== STAYING_STOP)
    refuseUnmet(stop, cells, result);
  return result;
}

/** A stop that no cell has must not pass for a success. */
function refuseUnmet(stop: Stop, cells: readonly Cell[], result: MatrixResult): void {
  if (result.combinations > 0 || result.failuresTotal > 0 || result.interrupted) return;
  const [only] = cells;
  const whose =
    cells.length === 1 ? `'${only?.name}' has` : `all of the ${cells.length} cells have`;
  throw new HvmError(
    'HVM_USAGE',
    `--stop '${stopName(stop)}': ${whose} fewer places of this kind`,
    { details: { stop: stopName(stop) } },
  );
}

/** All trials of one cell. */
class Row {
  readonly #cell: Cell;
  readonly #options: MatrixOptions;
  readonly #setup: Setup;
  readonly #all: MatrixResult;
  readonly #row: CellResult;

  constructor(cell: Cell, options: MatrixOptions, all: MatrixResult) {
    const { name, family } = cell;
    this.#cell = cell;
    this.#options = options;
    this.#setup = options.setup ?? EXACT;
    this.#all = all;
    this.#row = { name, family, possible: 0, combinations: 0, failures: 0 };
    all.cells.push(this.#row);
  }

  /** The run everything is compared with, or null: there is none. */
  undisturbed(): Outcome | null {
    const plain = this.#attempt('undisturbed', {});
    if (plain === null) return null;
    const { end, crash, unclaimed } = plain.fields;
    if (end !== 'dead') {
      this.#fail('undisturbed', ['end', 'dead', `${end}: ${crash}`]);
      return null;
    }
    // Equal runs that all lose the access are no proof.
    if (unclaimed !== 0) this.#fail('undisturbed', ['unclaimed', '0', String(unclaimed)]);
    for (const violation of plain.violations)
      this.#fail('undisturbed', ['ledger', 'no violation', violation]);
    return plain;
  }

  /** One trial for each stop. @param turn - number of the cell */
  stops(plain: Outcome, turn: number): void {
    const { stop: only, full } = this.#options;
    const stepped = this.#attempt('undisturbed', { stepped: true });
    if (stepped === null) return;
    const places = { point: plain.points, step: stepped.steps, instruction: plain.icount };
    const possible = possibleStops(places);
    this.#row.possible += possible;
    this.#all.possible += possible;
    const asked = (): Stop[] =>
      only !== null && typeof only !== 'string' && only.index < places[only.where] ? [only] : [];
    const reach = full ? FULL_REACH : DEFAULT_REACH;
    for (const stop of only === null ? stopsOf(places, reach, turn) : asked()) {
      this.#row.combinations++;
      this.#all.combinations++;
      const kind = `${stop.where} ${stop.deed}`;
      this.#all.stops[kind] = (this.#all.stops[kind] ?? 0) + 1;
      this.#compare(stopName(stop), { stop }, plain);
    }
  }

  /** The cell with its accesses staying in the guest, undisturbed and stopped here and there, with books and without. */
  staying(turn: number): void {
    const { staying } = this.#all;
    const before = this.#row.failures;
    for (const books of [true, false]) {
      const base = this.#attempt('undisturbed', { staying: { inGuest: false, books } });
      if (base === null) continue;
      const reach = this.#options.full ? STAYING_FULL_REACH : STAYING_REACH;
      const stops = sample(base.icount, reach, turn).map((index, i) => ({
        where: 'instruction' as const,
        index,
        deed: DEEDS[(turn + i) % DEEDS.length] ?? 'resume',
      }));
      for (const stop of [null, ...stops]) {
        staying.runs++;
        const how = { staying: { inGuest: true, books }, ...(stop === null ? {} : { stop }) };
        const found = this.#compare(STAYING_STOP, how, base);
        staying.stayed += found?.stayed ?? 0;
        // A stop may divide a batch.
        if (found === null || stop !== null || found.history === base.history) continue;
        this.#fail(STAYING_STOP, ['history', String(base.history), String(found.history)]);
      }
    }
    staying.failures += this.#row.failures - before;
  }

  /** The cell again and again while another thread kicks. */
  kicked(plain: Outcome, kicker: Kicker, runs: number): void {
    const { thread } = this.#all;
    kicker.awake = true;
    const before = this.#row.failures;
    for (let i = 0; i < runs; i++) {
      thread.runs++;
      const found = this.#compare(THREAD_STOP, { kicker }, plain);
      thread.kicks += found?.kicks ?? 0;
      thread.kicksInside += found?.kicksInside ?? 0;
    }
    kicker.awake = false;
    thread.failures += this.#row.failures - before;
  }

  #compare(name: string, how: Disturbance, plain: Outcome): Outcome | null {
    const found = this.#attempt(name, how);
    const difference = found === null ? null : differs(found, plain);
    if (difference !== null) this.#fail(name, difference);
    return found;
  }

  #attempt(name: string, how: Disturbance): Outcome | null {
    try {
      return runTrial(this.#cell, this.#setup, how);
    } catch (error) {
      this.#fail(name, ['run', 'no error', (error as Error).message]);
      return null;
    }
  }

  #fail(stop: string, [field, expected, got]: Difference): void {
    const { failures } = this.#all;
    this.#row.failures++;
    this.#all.failuresTotal++;
    if (failures.length >= KEPT) return;
    const cell = this.#cell.name;
    const again = stop === 'undisturbed' ? '' : ` --stop '${stop}'`;
    const reproduce = `trapline exactness --cell '${cell}'${again}`;
    failures.push({ cell, stop, field, expected, got, reproduce });
  }
}
