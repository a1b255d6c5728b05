// SPDX-License-Identifier: GPL-2.0-only
// The matrix: every cell undisturbed, then once per place and kind of stop, each compared with the first run.
import type { Watch } from '../limits.ts';
import type { Cell } from './cell.ts';
import { knownCells } from './known-cells.ts';
import { mmioCells } from './mmio-cells.ts';
import { oddCells } from './odd-cells.ts';
import { portCells } from './port-cells.ts';
import { type Deed, type Outcome, runTrial, type Setup, type Stop } from './trial.ts';

/** What a matrix is asked for. */
export interface MatrixOptions {
  /** Cells whose name or family contains this text. */
  filter: string | null;
  /** One stop, as a failure names it. */
  stop: string | null;
  /** Up to FULL_SAMPLE places of each kind instead of SAMPLE, and the cells with the largest counts. */
  full: boolean;
  /** Every so many-th cell. */
  every?: number;
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
  combinations: number;
  failures: number;
}

export interface MatrixResult {
  combinations: number;
  failures: MatrixFailure[];
  failuresTotal: number;
  cells: CellResult[];
  /** Combinations by place and deed. */
  stops: Record<string, number>;
  interrupted: boolean;
}

/** Failures kept in full; all are counted. */
const KEPT = 50;
/** Places of one kind that a default run stops at, per cell and deed. */
const SAMPLE = 2;
/** And a full one. */
const FULL_SAMPLE = 200;
const DEEDS: readonly Deed[] = ['resume', 'restore', 'kick'];
const EXACT: Setup = { revision: 'exact' };

/** Every cell of a run. */
export function matrixCells(full: boolean): Cell[] {
  return [...portCells(full), ...mmioCells(), ...oddCells(16), ...knownCells()];
}

/** `instruction 3 restore`: as `--stop` takes it. */
export function stopName(stop: Stop): string {
  return `${stop.where} ${stop.index} ${stop.deed}`;
}

/** Runs the matrix. */
export async function runMatrix(options: MatrixOptions, watch: Watch): Promise<MatrixResult> {
  const { filter, full, every = 1, setup = EXACT } = options;
  const text = filter?.toLowerCase() ?? '';
  const cells = matrixCells(full)
    .filter((c) => `${c.family}: ${c.name}`.toLowerCase().includes(text))
    .filter((_, i) => i % every === 0);
  const result: MatrixResult = {
    combinations: 0,
    failures: [],
    failuresTotal: 0,
    cells: [],
    stops: {},
    interrupted: false,
  };
  for (const [i, cell] of cells.entries()) {
    if (watch.signal.aborted) {
      result.interrupted = true;
      break;
    }
    if (options.untilFailure === true && result.failuresTotal > 0) break;
    runCell(cell, i, { ...options, setup }, result);
    const pause = watch.tick(i + 1, cells.length);
    if (pause !== undefined) await pause;
  }
  return result;
}

function runCell(
  cell: Cell,
  turn: number,
  options: MatrixOptions & { setup: Setup },
  result: MatrixResult,
): void {
  const row: CellResult = { name: cell.name, family: cell.family, combinations: 0, failures: 0 };
  result.cells.push(row);
  const fail = (stop: string, field: string, expected: string, got: string): void => {
    row.failures++;
    result.failuresTotal++;
    if (result.failures.length >= KEPT) return;
    const again = stop === 'undisturbed' ? '' : ` --stop '${stop}'`;
    const reproduce = `trapline exactness --full --filter '${cell.name}'${again}`;
    result.failures.push({ cell: cell.name, stop, field, expected, got, reproduce });
  };
  const attempt = (stop: Stop | null, stepped = false): Outcome | null => {
    try {
      return runTrial(cell, options.setup, stop, stepped);
    } catch (error) {
      fail(
        stop === null ? 'undisturbed' : stopName(stop),
        'run',
        'no error',
        (error as Error).message,
      );
      return null;
    }
  };
  const plain = attempt(null);
  const stepped = attempt(null, true);
  if (plain === null || stepped === null) return;
  if (plain.fields.end !== 'dead') {
    const why = `${plain.fields.end}: ${plain.fields.crash}`;
    fail('undisturbed', 'end', 'dead', why);
    return;
  }
  // Equal runs that all lose the access are no proof.
  const { unclaimed } = plain.fields;
  if (unclaimed !== 0) fail('undisturbed', 'unclaimed', '0', String(unclaimed));
  for (const violation of plain.violations)
    fail('undisturbed', 'ledger', 'no violation', violation);
  for (const stop of stopsOf(plain, stepped.steps, turn, options)) {
    row.combinations++;
    result.combinations++;
    const kind = `${stop.where} ${stop.deed}`;
    result.stops[kind] = (result.stops[kind] ?? 0) + 1;
    const found = attempt(stop);
    if (found === null) continue;
    const difference = differs(found, plain);
    if (difference !== null) fail(stopName(stop), ...difference);
  }
}

function stopsOf(plain: Outcome, steps: number, turn: number, options: MatrixOptions): Stop[] {
  const { full, stop: only } = options;
  const most = full || only !== null ? (only === null ? FULL_SAMPLE : Infinity) : SAMPLE;
  const stops: Stop[] = [];
  const places = { point: plain.points.length, step: steps, instruction: plain.icount };
  for (const [where, count] of Object.entries(places) as [Stop['where'], number][]) {
    DEEDS.forEach((deed, d) => {
      for (const index of sample(count, most, turn + d)) stops.push({ where, index, deed });
    });
  }
  return only === null ? stops : stops.filter((s) => stopName(s) === only);
}

/** At most `most` of the places 0 to `count` - 1, evenly; `turn` decides which, so that cells take turns. */
export function sample(count: number, most: number, turn: number): number[] {
  if (count <= most) return Array.from({ length: count }, (_, i) => i);
  const stride = count / most;
  const shift = (turn * 0.381966 * stride) % stride;
  return Array.from({ length: most }, (_, i) => Math.floor(i * stride + shift));
}

/** The first field in which two outcomes differ: name, expected, got. */
export function differs(found: Outcome, wanted: Outcome): [string, string, string] | null {
  if (!found.stopped) return ['stop', 'reached', 'never reached'];
  for (const violation of found.violations) return ['ledger', 'no violation', violation];
  const length = Math.max(found.accesses.length, wanted.accesses.length);
  for (let i = 0; i < length; i++) {
    const [a, b] = [wanted.accesses[i] ?? 'none', found.accesses[i] ?? 'none'];
    if (a !== b) return [`access ${i}`, a, b];
  }
  for (const [field, value] of Object.entries(wanted.fields)) {
    if (found.fields[field] !== value) return [field, text(value), text(found.fields[field])];
  }
  return (
    bytesDiffer('RAM', found.ram, wanted.ram) ?? bytesDiffer('CPU state', found.cpu, wanted.cpu)
  );
}

function text(value: string | number | undefined): string {
  return typeof value === 'number' ? `0x${value.toString(16)}` : (value ?? 'none');
}

function bytesDiffer(
  what: string,
  found: Uint8Array,
  wanted: Uint8Array,
): [string, string, string] | null {
  if (found.length === wanted.length && Buffer.compare(found, wanted) === 0) return null;
  const at = wanted.findIndex((byte, i) => found[i] !== byte);
  return [`${what} at 0x${at.toString(16)}`, text(wanted[at]), text(found[at])];
}
