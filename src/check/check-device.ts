// SPDX-License-Identifier: GPL-2.0-only
// The check of one device: every property with scripts at random, failures made short, and how to see them again.
import type { DeviceFactory } from '../dm/factory.ts';
import { HvmError } from '../util/errors.ts';
import { Random } from '../util/random.ts';
import { suggest } from '../util/suggest.ts';
import { ALWAYS, type Property } from './always.ts';
import { DECLARED, followExample, unseenEffects } from './declared.ts';
import { generate } from './generate.ts';
import { type DeviceRules, type Subject, subjectOf } from './rules.ts';
import { type Run, Wrong } from './run.ts';
import { shrink } from './shrink.ts';
import { move } from './states.ts';
import { STAYING } from './staying.ts';
import { formatScript, isAccess, parseScript, type Script, type Step } from './step.ts';

/** What `checkDevice()` takes besides the device. */
export interface CheckOptions {
  /** What its author says about it. Default: nothing, so that only what is true of all devices is checked. */
  readonly rules?: DeviceRules;
  /** Any whole number; the same one gives the same check. Default: 1. */
  readonly seed?: number;
  /** Scripts for each property, 1 to 100,000. Default: 100. */
  readonly runs?: number;
  /** Length of its range in bytes. Default: that of its longest default range. */
  readonly rangeBytes?: number;
  /** `replay` of a failure: only that property with that script, not made shorter. */
  readonly replay?: string;
}

/** One property that is not true of the device. */
export interface CheckFailure {
  /** Its name, as in `replay`. */
  readonly property: string;
  /** The sentence it stands for. */
  readonly rule: string;
  /** What was seen, and what was expected. */
  readonly message: string;
  /** The shortest script found; `|` marks where save, reset, sleep or the like happens. */
  readonly script: string;
  /** For `CheckOptions.replay`. */
  readonly replay: string;
}

/** What `checkDevice()` gives back. */
export interface CheckReport {
  readonly device: string;
  /** No property failed. */
  readonly ok: boolean;
  readonly seed: number;
  /** Names of the properties looked at, in order. */
  readonly properties: readonly string[];
  /** Scripts carried out, those of the search for short ones left out. */
  readonly scripts: number;
  /** Accesses in them. */
  readonly accesses: number;
  /** One for each property that is not true, in order. */
  readonly failures: readonly CheckFailure[];
}

const MOST_RUNS = 100_000;
const EFFECTS = 'read-effects';
const EFFECTS_RULE = 'effects of reads that are declared can be seen';
const EXAMPLES = 'examples';
const EXAMPLES_RULE =
  'its examples hold, also when it is saved and restored between any two accesses';

/**
 * Checks a device model against what is true of all devices, and against what `options.rules` say about this one.
 * Nothing but the device runs: no machine, no addon. Takes a second or less for most devices.
 * @param factory - as for `registerDevice()`; `create()` is called some thousand times
 * @throws HvmError HVM_USAGE for options that cannot be, HVM_RANGE for a malformed default range; what is wrong with
 *   the device is in the report
 */
export function checkDevice(factory: DeviceFactory, options: CheckOptions = {}): CheckReport {
  const { rules = {}, seed = 1, runs = 100, replay } = options;
  if (!Number.isSafeInteger(seed)) throw usage(`seed ${seed}: expected a whole number`);
  if (!Number.isInteger(runs) || runs < 1 || runs > MOST_RUNS) {
    throw usage(`${runs} runs: expected 1 to ${MOST_RUNS}`);
  }
  const subject = subjectOf(factory, rules, options.rangeBytes);
  const check = new Check(subject, seed, runs);
  return replay === undefined ? check.all() : check.again(replay);
}

class Check {
  readonly #subject: Subject;
  readonly #seed: number;
  readonly #runs: number;
  readonly #names: string[] = [];
  readonly #failures: CheckFailure[] = [];
  #scripts = 0;
  #accesses = 0;

  constructor(subject: Subject, seed: number, runs: number) {
    this.#subject = subject;
    this.#seed = seed;
    this.#runs = runs;
  }

  all(): CheckReport {
    for (const property of [...ALWAYS, ...STAYING, ...DECLARED]) this.#property(property);
    this.#effects();
    this.#examples();
    return this.#report();
  }

  /** @throws HvmError HVM_USAGE */
  again(replay: string): CheckReport {
    const colon = replay.indexOf(':');
    const name = replay.slice(0, Math.max(colon, 0));
    const rest = replay.slice(colon + 1).trim();
    if (name === EFFECTS) this.#effects();
    else if (name === EXAMPLES) this.#examples(rest);
    else {
      const known = [...ALWAYS, ...STAYING, ...DECLARED];
      const property = known.find((p) => p.name === name);
      if (property === undefined) {
        const near = suggest(
          name,
          known.map((p) => p.name),
        );
        throw usage(
          `replay '${replay}': no property '${name}'${near === null ? '' : `, did you mean '${near}'?`}`,
        );
      }
      this.#names.push(name);
      this.#try(property, parseScript(rest), false);
    }
    return this.#report();
  }

  #script(n: number, property: Pick<Property, 'wild' | 'marks'>): Step[] {
    // Every script has a generator of its own: one more for one property moves no other.
    const random = new Random(this.#seed * 0x10001 + n);
    const { wild = false, marks = false } = property;
    return generate(random, this.#subject, { wild, marks });
  }

  #property(property: Property): void {
    this.#names.push(property.name);
    for (let n = 0; n < this.#runs; n++) {
      if (!this.#try(property, this.#script(n, property), true)) return;
    }
  }

  #try(property: Property, script: Script, shorten: boolean): boolean {
    this.#count(script);
    const subject = this.#subject;
    if (complaint(property, subject, script) === null) return true;
    const short = shorten
      ? shrink(script, (candidate) => complaint(property, subject, candidate) !== null)
      : script;
    const text = formatScript(short);
    this.#fail(property.name, property.rule, complaint(property, subject, short) ?? '', text, text);
    return false;
  }

  #effects(): void {
    this.#names.push(EFFECTS);
    const scripts = Array.from({ length: this.#runs }, (_, n) => this.#script(n, {}));
    for (const script of scripts) this.#count(script);
    // A device that throws has failed already.
    const unseen = wrong(() => unseenEffects(this.#subject, scripts));
    if (!Array.isArray(unseen) || unseen.length === 0) return;
    const message = `no read at offset ${unseen.join(', ')} changed anything in ${scripts.length} scripts`;
    this.#fail(EFFECTS, EFFECTS_RULE, message, '', '');
  }

  /** @param only - the name of one */
  #examples(only: string | null = null): void {
    this.#names.push(EXAMPLES);
    for (const { example, script } of this.#subject.examples) {
      const { name } = example;
      if (only !== null && name !== only) continue;
      this.#count(script);
      const follow = (between: (run: Run) => void): void =>
        followExample(this.#subject, example, script, between);
      const found =
        wrong(() => follow(() => {})) ??
        wrong(() => follow(move), ' (saved and restored before each step)');
      if (typeof found !== 'string') continue;
      this.#fail(EXAMPLES, EXAMPLES_RULE, `${name}: ${found}`, formatScript(script), name);
      return;
    }
  }

  #count(script: Script): void {
    this.#scripts++;
    this.#accesses += script.filter(isAccess).length;
  }

  #fail(property: string, rule: string, message: string, script: string, again: string): void {
    const replay = `${property}: ${again}`.trimEnd();
    this.#failures.push({ property, rule, message, script, replay });
  }

  #report(): CheckReport {
    return {
      device: this.#subject.factory.name,
      ok: this.#failures.length === 0,
      seed: this.#seed,
      properties: this.#names,
      scripts: this.#scripts,
      accesses: this.#accesses,
      failures: this.#failures,
    };
  }
}

/** What is wrong with a device for one script, or null. */
function complaint(property: Property, subject: Subject, script: Script): string | null {
  return wrong(() => {
    property.test(subject, script);
    return null;
  }) as string | null;
}

/** What `body` gives, or the message of the `Wrong` it throws. */
function wrong<T>(body: () => T, where = ''): T | string {
  try {
    return body();
  } catch (error) {
    if (error instanceof Wrong) return error.message + where;
    throw error;
  }
}

/** A report in words: one line when all is well, else each failure with what replays it. */
export function formatCheck(report: CheckReport): string {
  const { device, ok, seed, properties, scripts, accesses, failures } = report;
  const effort = `${scripts} scripts, ${accesses} accesses, seed ${seed}`;
  if (ok) return `${device}: all well (${properties.length} properties, ${effort})`;
  return [
    `${device}: ${failures.length} of ${properties.length} properties fail (${effort})`,
    ...failures.flatMap(({ property, rule, message, script, replay }) => [
      `  ${property}: ${rule}`,
      `    ${message}`,
      ...(script === '' ? [] : [`    script  ${script}`]),
      `    again   checkDevice(factory, { ...options, replay: '${replay}' })`,
    ]),
  ].join('\n');
}

function usage(message: string): HvmError {
  return new HvmError('HVM_USAGE', message);
}
