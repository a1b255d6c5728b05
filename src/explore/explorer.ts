// SPDX-License-Identifier: GPL-2.0-only
// A search from beginning to end: strategy, bounds, progress, counterexamples shrunk and told.
import type { Watch } from '../toolstack/limits.ts';
import type { RevisionName } from '../xen/hvm/revision.ts';
import type { Arena } from './arena.ts';
import type { Chooser, RunResult } from './decision.ts';
import { Twice } from './determinism.ts';
import { Dfs } from './dfs.ts';
import { makeArena } from './make-arena.ts';
import type { Finding } from './observer.ts';
import { Pct, RandomWalk, type Sampler } from './random.ts';
import { recordReference } from './reference.ts';
import { loadSearch, type SearchState, saveSearch } from './resume.ts';
import { ACTORS, type Bounds, extrasOf, type Scenario } from './scenario.ts';
import { type Choice, formatSchedule, Recording } from './schedule.ts';
import { shrink } from './shrink.ts';
import { type Told, tell } from './tell.ts';
import type { Reference } from './undisturbed.ts';

export const STRATEGIES = ['dfs', 'random', 'pct'] as const;
export type StrategyName = (typeof STRATEGIES)[number];

export interface ExploreOptions {
  scenario: Scenario;
  strategy: StrategyName;
  bounds: Bounds;
  /** For random and pct. */
  seed: number;
  /** For pct: how many ordering constraints a bug may need. */
  depth: number;
  /** false: every order is run, also from states met before. */
  prune: boolean;
  /** Do not stop at the first violation. */
  keepGoing: boolean;
  /** Run every schedule twice and compare every event. */
  determinism: boolean;
  /** Where an earlier search stopped; null: from the beginning. */
  from: SearchState | null;
}

/** One violation: the shortest schedule found that shows it, told, beside the same under the fix. */
export interface Counterexample {
  /** What the schedule that was found breaks. */
  findings: Finding[];
  /** As it was found. */
  found: string;
  /** Shrunk. */
  schedule: string;
  /** No schedule with fewer accesses, checkpoints or preemptions breaks it. */
  minimal: boolean;
  told: Told;
  /** The same choices under the revision that is right here; null: there is none to compare with. */
  fixed: Told | null;
}

export type ExploreStop = 'complete' | 'violation' | 'schedules' | 'time' | 'interrupted';

export interface ExploreReport {
  stop: ExploreStop;
  /** Every order within the bounds was run, or led to a state from which every order was run. */
  complete: boolean;
  /** Runs to the end, and runs cut short in a state met before. */
  schedules: number;
  pruned: number;
  /** Runs made now, of both kinds; an earlier part of the search is not in it. */
  runs: number;
  states: number;
  /** Decisions of the longest run. */
  decisions: number;
  violations: Counterexample[];
  /** Runs that broke something; the first of each kind are in `violations`. */
  violationsTotal: number;
  determinism: { compared: number; events: number } | null;
  /** What to go on from; null unless it stopped early, depth first. */
  state: SearchState | null;
}

/** Distinct sets of broken invariants told. */
const MOST_TOLD = 10;
/** Runs between two looks at the clock. */
const LOOK_EVERY = 16;
const TOTAL = 1000;

/** The revision that puts right what `revision` has wrong. */
export function fixOf(revision: RevisionName): RevisionName | null {
  if (revision === 'exact') return null;
  return revision === 'fixed' ? 'exact' : 'fixed';
}

class Search {
  readonly #options: ExploreOptions;
  readonly #arena: Arena;
  readonly #reference: Reference;
  readonly #recording = new Recording();
  readonly #twice: Twice | null;
  readonly #dfs: Dfs | null;
  readonly #sampler: Sampler | null;
  readonly #kinds = new Set<string>();
  readonly #broken: { findings: Finding[]; choices: Choice[]; preemptions: number }[] = [];
  #total = 0;
  #runs = 0;
  #sampled = 0;
  #decisions = 0;

  constructor(options: ExploreOptions, arena: Arena, reference: Reference) {
    this.#reference = reference;
    const { strategy, bounds, seed, depth, prune } = options;
    this.#options = options;
    this.#arena = arena;
    this.#twice = options.determinism ? new Twice() : null;
    this.#dfs = strategy === 'dfs' ? new Dfs(bounds.preemptions, prune) : null;
    if (this.#dfs !== null && options.from !== null) loadSearch(this.#dfs, options.from);
    arena.hashing = strategy === 'dfs' && prune;
    this.#sampler =
      strategy === 'random'
        ? new RandomWalk(seed, bounds.preemptions)
        : strategy === 'pct'
          ? new Pct(seed, depth, ACTORS)
          : null;
  }

  get schedules(): number {
    return this.#dfs?.schedules ?? this.#sampled;
  }

  /** One run. @returns false when there is none left */
  #next(): boolean {
    const dfs = this.#dfs;
    const chooser = dfs?.choose ?? (this.#sampler as Sampler).next();
    const result = this.#run(chooser);
    this.#runs++;
    if (result.end !== 'cut' && this.#arena.findings.length > 0) this.#note(result);
    this.#decisions = Math.max(this.#decisions, result.decisions);
    if (dfs === null) {
      this.#sampled++;
      this.#sampler?.ran(result.decisions);
      return true;
    }
    if (result.end === 'cut') dfs.pruned++;
    else dfs.schedules++;
    return dfs.next();
  }

  #run(chooser: Chooser): RunResult {
    const shared = this.#dfs?.shared ?? null;
    const listened = this.#recording.of(chooser, this.#twice === null ? (shared ?? 0) : 0);
    return this.#twice?.run(this.#arena, listened) ?? this.#arena.run(listened, shared);
  }

  #note({ preemptions }: RunResult): void {
    this.#total++;
    const findings = this.#arena.findings.map((f) => ({ ...f }));
    const kind = findings
      .map((f) => f.invariant)
      .sort()
      .join();
    if (this.#kinds.has(kind) || this.#kinds.size >= MOST_TOLD) return;
    this.#kinds.add(kind);
    this.#broken.push({ findings, choices: this.#recording.choices.slice(), preemptions });
  }

  async run(watch: Watch): Promise<ExploreReport> {
    const { bounds, keepGoing } = this.#options;
    const end =
      bounds.timeMs === null ? Number.POSITIVE_INFINITY : watch.clock.nowMs() + bounds.timeMs;
    let stop: ExploreStop | null = null;
    for (let runs = 1; stop === null; runs++) {
      const more = this.#next();
      if (!more) stop = 'complete';
      else if (this.#total > 0 && !keepGoing) stop = 'violation';
      else if (bounds.schedules !== null && this.schedules >= bounds.schedules) stop = 'schedules';
      else if (runs % LOOK_EVERY === 0) {
        if (watch.clock.nowMs() >= end) stop = 'time';
        const pause = watch.tick(...this.#progress());
        if (pause !== undefined) await pause;
        if (watch.signal.aborted) stop = 'interrupted';
      }
    }
    return this.#report(stop);
  }

  #progress(): [done: number, total: number | null] {
    const dfs = this.#dfs;
    if (dfs === null) return [this.#sampled, this.#options.bounds.schedules];
    // An estimate: what part of the decisions' choices is behind us.
    return [Math.floor(dfs.progress * TOTAL), TOTAL];
  }

  #report(stop: ExploreStop): ExploreReport {
    const { scenario } = this.#options;
    const dfs = this.#dfs;
    const twice = this.#twice;
    return {
      stop,
      complete: stop === 'complete',
      schedules: this.schedules,
      pruned: dfs?.pruned ?? 0,
      runs: this.#runs,
      states: dfs?.states ?? 0,
      decisions: this.#decisions,
      violations: this.#broken.map(({ findings, choices, preemptions }) =>
        counterexample(scenario, findings, choices, preemptions, this.#reference),
      ),
      violationsTotal: this.#total,
      determinism: twice === null ? null : { compared: twice.compared, events: twice.events },
      state: dfs !== null && stop !== 'complete' ? saveSearch(dfs) : null,
    };
  }
}

/** A schedule's string. */
export function scheduleOf(scenario: Scenario, choices: readonly Choice[]): string {
  const { guest, revision, bug = null, ios, checkpoints } = scenario;
  return formatSchedule({
    guest,
    revision,
    bug,
    ios,
    checkpoints,
    extras: extrasOf(scenario),
    choices,
  });
}

function counterexample(
  scenario: Scenario,
  findings: Finding[],
  choices: Choice[],
  preemptions: number,
  reference: Reference,
): Counterexample {
  const small = shrink(scenario, choices, preemptions, findings, reference);
  const right = scenario.bug?.cure ?? fixOf(scenario.revision);
  return {
    findings,
    found: scheduleOf(scenario, choices),
    schedule: scheduleOf(small.scenario, small.choices),
    minimal: small.minimal,
    told: tell(small.scenario, small.choices, reference),
    fixed:
      right === null
        ? null
        : tell({ ...small.scenario, revision: right, bug: null }, small.choices, reference),
  };
}

/** @throws HvmError for a guest or devices that cannot be, or a state of another search */
export async function explore(options: ExploreOptions, watch: Watch): Promise<ExploreReport> {
  const reference = recordReference(options.scenario);
  using arena = makeArena(options.scenario, reference);
  return await new Search(options, arena, reference).run(watch);
}
