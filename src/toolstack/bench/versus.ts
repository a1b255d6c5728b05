// SPDX-License-Identifier: GPL-2.0-only
// Us against other monitors: the same loops everywhere, slice by slice in turns, and the ratios of one round.
import { BugError } from '../../util/errors.ts';
import {
  ACCESS_PROGRAMS,
  type CountedProgram,
  counted,
  LOOP_PROGRAMS,
  STAYING_PROGRAMS,
} from './programs.ts';
import { type BenchHooks, type Statistics, statistics } from './sampler.ts';

/** What one slice took. */
export interface PeerSlice {
  /** CPU time. */
  ns: number;
  /** How many accesses were answered by the one whose task it is; null: nobody counts them. */
  accesses: number | null;
}

/** A peer died, hangs, or did something else than it was asked: a line of the report, no failure of the run. */
export class PeerFailure extends Error {}

/** One loop on one monitor. */
export interface PeerSession extends Disposable {
  /** @throws PeerFailure */
  run(rounds: number): Promise<PeerSlice>;
}

/** A monitor that was found. */
export interface Peer {
  readonly name: string;
  readonly version: string;
  /** Who answers an access. */
  readonly answeredBy: string;
  /** @param loop - its name; @throws PeerFailure */
  start(program: CountedProgram, loop: string): Promise<PeerSession>;
}

/** One that was not, and how to get it. */
export interface AbsentPeer {
  readonly name: string;
  readonly why: string;
  readonly install: string;
}

/** The name of our own part. */
export const OURS = 'trapline';

/** What became of a peer. */
export interface PeerOutcome {
  name: string;
  state: 'measured' | 'absent' | 'failed';
  version: string | null;
  answeredBy: string | null;
  /** Why it is absent or failed. */
  reason: string | null;
  /** The command that makes an absent one present. */
  install: string | null;
}

/** Nanoseconds per unit, or a ratio, of `<loop>/<peer>`. */
export interface VersusRow extends Statistics {
  name: string;
}

export interface VersusResult {
  peers: PeerOutcome[];
  results: VersusRow[];
  /** Ours divided by theirs, taken in each round. */
  ratios: VersusRow[];
}

/** What is compared. */
export const VERSUS_LOOPS: readonly (readonly [name: string, program: CountedProgram])[] = [
  ...[...ACCESS_PROGRAMS, ...STAYING_PROGRAMS].map((p) => [p.name, counted(p)] as const),
  ...LOOP_PROGRAMS.map((p) => [`loop/${p.name}`, counted(p)] as const),
];

/** Whether `<loop>/<peer>` is wanted. */
export type Wanted = (name: string) => boolean;

export interface VersusOptions {
  /** Our own part: a process of its own, as every peer is. */
  ours: Peer;
  peers: readonly Peer[];
  absent: readonly AbsentPeer[];
  wanted: Wanted;
  /** For each loop on each monitor. */
  timeMs: number;
  hooks: BenchHooks;
  /** Of the time, at the beginning; at least `LEAST_WARM_UP_MS` unless given. */
  warmUpMs?: number;
}

/** Rounds of taking turns, at least. */
const LEAST_TURNS = 40;
/** Long enough that asking for one costs nothing, short enough that what disturbs one disturbs all. */
const MOST_SLICE_MS = 20;
/** Clocks of other processes count microseconds. */
const LEAST_SLICE_MS = 1;
const WARM_UP = 0.25;
/** v86 and V8 translate in several passes: less would measure the first of them. */
const LEAST_WARM_UP_MS = 400;
/** EBP counts them. */
const MOST_ROUNDS = 1e9;

/** One loop on one monitor, checked. */
class Contender implements Disposable {
  readonly peer: Peer;
  readonly #program: CountedProgram;
  readonly #session: PeerSession;
  /** Of one slice. */
  rounds = 1;

  private constructor(peer: Peer, program: CountedProgram, session: PeerSession) {
    this.peer = peer;
    this.#program = program;
    this.#session = session;
  }

  static async start(peer: Peer, program: CountedProgram, loop: string): Promise<Contender> {
    return new Contender(peer, program, await peer.start(program, loop));
  }

  /** ns of one slice. */
  async #slice(): Promise<number> {
    const { ns, accesses } = await this.#session.run(this.rounds);
    const { roundAccesses } = this.#program;
    const expected = this.rounds * roundAccesses;
    // One round more or less: we ourselves may stop between two instructions of a round.
    if (accesses !== null && Math.abs(accesses - expected) > roundAccesses) {
      throw new PeerFailure(
        `${accesses} accesses were answered in ${this.rounds} rounds; expected ${expected}`,
      );
    }
    return ns;
  }

  /** Runs it for `warmUpMs`, then knows how many rounds take `sliceMs`. */
  async size(warmUpMs: number, sliceMs: number, signal: AbortSignal): Promise<void> {
    let spentNs = 0;
    while (!signal.aborted) {
      const ns = await this.#slice();
      spentNs += ns;
      const wanted = (this.rounds * sliceMs * 1e6) / Math.max(ns, 1);
      const enough = spentNs >= warmUpMs * 1e6 || this.rounds === MOST_ROUNDS;
      // A slice too short for its clock may not make the next one endless.
      this.rounds = Math.max(1, Math.min(MOST_ROUNDS, 4 * this.rounds, Math.round(wanted)));
      if (enough) return;
    }
  }

  /** ns per unit of one slice. */
  async time(): Promise<number> {
    return (await this.#slice()) / (this.rounds * this.#program.roundUnits);
  }

  [Symbol.dispose](): void {
    this.#session[Symbol.dispose]();
  }
}

/** One who takes part, and its ns per unit, turn by turn. */
interface Bout {
  contender: Contender;
  values: number[];
}

/** Compares; stopped by the signal, it returns what is complete. */
export async function versus(options: VersusOptions): Promise<VersusResult> {
  const { peers, absent, wanted, hooks, timeMs } = options;
  const failures = new Map<Peer, string>();
  const result: VersusResult = { peers: [], results: [], ratios: [] };
  const bouts = VERSUS_LOOPS.map(([loop, program]) => ({
    loop,
    program,
    asked: peers.filter(({ name }) => wanted(`${loop}/${name}`)),
  })).filter(({ asked }) => asked.length > 0);
  const total = timeMs * bouts.reduce((sum, { asked }) => sum + asked.length + 1, 0);
  let before = 0;
  for (const { loop, program, asked } of bouts) {
    if (hooks.signal.aborted) break;
    const partMs = timeMs * (asked.length + 1);
    const here = [options.ours, ...asked.filter((peer) => !failures.has(peer))];
    const done = (share: number) => hooks.tick(before + share * partMs, total);
    const failed = (peer: Peer, error: unknown): void => {
      if (!(error instanceof PeerFailure)) throw error;
      if (peer === options.ours) throw new BugError(`our own part, ${loop}: ${error.message}`);
      failures.set(peer, `${loop}: ${error.message}`);
    };
    if (here.length > 1) {
      report(result, loop, await box(here, [loop, program], options, failed, done));
    }
    before += partMs;
  }
  result.ratios.push(...overLoops(result.ratios));
  result.peers = [
    ...peers.map((peer) => outcome(peer, failures.get(peer) ?? null)),
    ...absent.map(({ name, why, install }) => ({
      name,
      state: 'absent' as const,
      version: null,
      answeredBy: null,
      reason: why,
      install,
    })),
  ];
  return result;
}

function outcome({ name, version, answeredBy }: Peer, reason: string | null): PeerOutcome {
  const state = reason === null ? 'measured' : 'failed';
  return { name, state, version, answeredBy, reason, install: null };
}

/** One loop: starts all, warms them up, lets them take turns. Who fails leaves. */
async function box(
  here: readonly Peer[],
  [loop, program]: readonly [string, CountedProgram],
  { timeMs, hooks, warmUpMs = Math.max(WARM_UP * timeMs, LEAST_WARM_UP_MS) }: VersusOptions,
  failed: (peer: Peer, error: unknown) => void,
  done: (share: number) => Promise<void> | undefined,
): Promise<Bout[]> {
  const { signal } = hooks;
  const turnsMs = (1 - WARM_UP) * timeMs;
  const sliceMs = Math.max(LEAST_SLICE_MS, Math.min(MOST_SLICE_MS, turnsMs / LEAST_TURNS));
  const turns = Math.max(LEAST_TURNS, Math.ceil(turnsMs / sliceMs));
  const started: Contender[] = [];
  let bouts: Bout[] = [];
  const attempt = async (peer: Peer, body: () => Promise<void>): Promise<void> => {
    try {
      await body();
    } catch (error) {
      failed(peer, error);
      bouts = bouts.filter(({ contender }) => contender.peer !== peer);
    }
  };
  try {
    for (const peer of here) {
      await attempt(peer, async () => {
        const contender = await Contender.start(peer, program, loop);
        started.push(contender);
        bouts.push({ contender, values: [] });
      });
    }
    for (const [i, { contender }] of [...bouts.entries()]) {
      if (signal.aborted) return [];
      await attempt(contender.peer, () => contender.size(warmUpMs, sliceMs, signal));
      await done((WARM_UP * (i + 1)) / bouts.length);
    }
    for (let turn = 1; turn <= turns; turn++) {
      for (const { contender, values } of bouts) {
        if (signal.aborted) return [];
        await attempt(contender.peer, async () => {
          values.push(await contender.time());
        });
      }
      await done(WARM_UP + ((1 - WARM_UP) * turn) / turns);
    }
    return bouts;
  } finally {
    for (const contender of started) contender[Symbol.dispose]();
  }
}

/** @param bouts - ours first */
function report({ results, ratios }: VersusResult, loop: string, bouts: readonly Bout[]): void {
  const [ours, ...others] = bouts;
  if (ours === undefined || others.length === 0) return;
  for (const { contender, values } of bouts) {
    results.push({ name: `${loop}/${contender.peer.name}`, ...statistics(values) });
  }
  for (const { contender, values } of others) {
    const quotients = values.map((value, turn) => (ours.values[turn] ?? Number.NaN) / value);
    ratios.push({ name: `${loop}/${contender.peer.name}`, ...statistics(quotients) });
  }
}

/** `loop/<peer>`: the geometric mean over all loops without I/O, for a peer that has them all. */
function overLoops(ratios: readonly VersusRow[]): VersusRow[] {
  const byPeer = new Map<string, VersusRow[]>();
  for (const row of ratios) {
    const peer = /^loop\/[^/]+\/(.+)$/.exec(row.name)?.[1];
    if (peer === undefined) continue;
    byPeer.set(peer, [...(byPeer.get(peer) ?? []), row]);
  }
  return [...byPeer].flatMap(([peer, rows]) => {
    if (rows.length < LOOP_PROGRAMS.length) return [];
    const mean = (of: (row: VersusRow) => number): number =>
      Math.exp(rows.reduce((sum, row) => sum + Math.log(of(row)), 0) / rows.length);
    return {
      name: `loop/${peer}`,
      median: mean((row) => row.median),
      low: mean((row) => row.low),
      high: mean((row) => row.high),
      samples: Math.min(...rows.map((row) => row.samples)),
    };
  });
}
