// SPDX-License-Identifier: GPL-2.0-only
// Scripts at random: a few offsets again and again, values that matter to devices, and what the device itself answered.
import type { Random } from '../util/random.ts';
import type { Subject } from './rules.ts';
import { Run, Wrong } from './run.ts';
import { type Access, cut, type Step, type Value } from './step.ts';

const MOST_STEPS = 32;
/** Offsets at the start of a range, where the registers of most devices are. */
const NEAR = 16;
const PAGE = 4096;

/** What a script may hold. */
export interface Wanted {
  /** Accesses of any width, anywhere. */
  readonly wild: boolean;
  readonly marks: boolean;
}

/** One script: the same for the same random numbers, device and rules. */
export function generate(random: Random, subject: Subject, wanted: Wanted): Step[] {
  const { registers } = subject;
  const { wild } = wanted;
  // A device can be given a longer range than its default one.
  const rangeBytes = wild ? Math.max(subject.rangeBytes, PAGE) : subject.rangeBytes;
  const sizes = wild ? ([1, 2, 4, 8] as const) : subject.sizes;
  const near = Math.min(rangeBytes, NEAR);
  const anywhere = (): number => {
    const dice = wild ? random.below(8) : 0;
    if (dice < 4) return random.below(near);
    return dice < 6 ? rangeBytes - 1 - random.below(near) : random.below(rangeBytes);
  };
  const hot = Array.from({ length: 1 + random.below(4) }, anywhere);
  const script: Step[] = [];
  const values = new Values(random, subject);
  const length = 1 + random.below(MOST_STEPS);
  // Half of the scripts begin where a register is visible.
  const first = registers.length > 0 && random.below(2) === 0 ? random.pick(registers).after : [];
  for (const step of first) script.push(values.saw(step));
  while (script.length < length) {
    const dice = random.below(100);
    if (wanted.marks && dice < 15) script.push({ do: 'mark' });
    else if (dice < 22) script.push(values.saw({ do: 'input', byte: random.below(256) }));
    else if (dice < 27) script.push({ do: 'time', ns: 10 ** random.below(10) });
    else {
      const size = random.pick(sizes);
      const place = random.below(4) > 0 ? random.pick(hot) : anywhere();
      const offset = Math.max(0, Math.min(place, rangeBytes - size));
      const step: Access =
        dice < 65
          ? { do: 'write', offset, size, value: cut(values.next(), size) }
          : { do: 'read', offset, size };
      script.push(values.saw(step));
    }
  }
  if (wanted.marks && !script.some((step) => step.do === 'mark')) {
    script.splice(random.below(script.length + 1), 0, { do: 'mark' });
  }
  return script;
}

/** Values to write: small ones, borders, noise, and neighbours of what was read and written before. */
class Values {
  readonly #random: Random;
  readonly #run: Run | null;
  #last: Value = { low: 0, high: 0 };

  constructor(random: Random, { factory }: Subject) {
    this.#random = random;
    this.#run = started(factory);
  }

  next(): Value {
    const random = this.#random;
    const { low, high } = this.#last;
    switch (random.below(8)) {
      case 0:
        return { low: random.below(4), high: 0 };
      case 1:
        return { low: 0xffffffff, high: 0xffffffff };
      case 2:
        return { low: (1 << random.below(32)) >>> 0, high: 0 };
      case 3:
        return { low, high };
      case 4:
      case 5:
        return { low: (low + 1) >>> 0, high: low === 0xffffffff ? (high + 1) >>> 0 : high };
      case 6:
        return { low: (low + random.below(7) - 3) >>> 0, high };
      default:
        return { low: random.next(), high: random.below(2) === 0 ? 0 : random.next() };
    }
  }

  /** Notes what a device makes of the step. */
  saw(step: Step): Step {
    if (step.do === 'write') this.#last = step.value;
    if (this.#run === null) return step;
    try {
      if (step.do === 'read') this.#last = this.#run.readValue(step);
      else this.#run.perform(step);
    } catch (error) {
      // The properties will meet it, too, and say so.
      if (!(error instanceof Wrong)) throw error;
    }
    return step;
  }
}

function started(factory: Subject['factory']): Run | null {
  try {
    return new Run(factory);
  } catch (error) {
    if (error instanceof Wrong) return null;
    throw error;
  }
}
