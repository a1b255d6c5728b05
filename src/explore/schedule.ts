// SPDX-License-Identifier: GPL-2.0-only
// A schedule as a short string: the scenario, and every choice that is not the default.
// `t1:counter:fixed:3.2:1ct.21v` is format 1, guest, revision, accesses and checkpoints, then the choices: the number of
// the decision in base 36, and the actor that goes on there (v the vCPU, t the toolstack, digits the device models).
import { findBug, type MuseumBug } from '../toolstack/museum/index.ts';
import { HvmError } from '../util/errors.ts';
import { isRevisionName, REVISION_NAMES, type RevisionName } from '../xen/hvm/revision.ts';
import type { Chooser, Decision } from './decision.ts';
import { actorLetter, actorOf, type Extras } from './scenario.ts';

const FORMAT = 't1';
/** In front of an exhibit's name, in the place of a revision. */
const BUG = 'bug-';
/** Of a string, and of the numbers in it: more is no schedule of this program. */
const MOST_CHARACTERS = 20_000;
export const MOST_IOS = 1000;
export const MOST_CHECKPOINTS = 100;

/** At decision `n`, `actor` goes on and not the default. */
export interface Choice {
  n: number;
  actor: number;
}

export interface Schedule {
  guest: string;
  revision: RevisionName;
  bug: MuseumBug | null;
  ios: number;
  checkpoints: number;
  extras: Extras;
  /** By ascending `n`. */
  choices: readonly Choice[];
}

export function formatSchedule(s: Schedule): string {
  const choices = s.choices.map(({ n, actor }) => `${n.toString(36)}${actorLetter(actor)}`);
  return [
    FORMAT,
    encodeURIComponent(s.guest),
    s.bug === null ? s.revision : `${BUG}${s.bug.id}`,
    `${s.ios}.${s.checkpoints}${extraWords(s.extras)}`,
    choices.join('.'),
  ].join(':');
}

/** Who takes part besides one vCPU, the toolstack and living device models: `.c2` vCPUs, `.k1` that may die, `.i3` edges. */
function extraWords({ vcpus, kills, irqs }: Extras): string {
  return `${vcpus > 1 ? `.c${vcpus}` : ''}${kills > 0 ? `.k${kills}` : ''}${irqs > 0 ? `.i${irqs}` : ''}`;
}

/** @throws HvmError HVM_USAGE for a string that is no schedule; says which part */
export function parseSchedule(text: string): Schedule {
  const refuse = (what: string, expected: string): never => {
    const shown = text.length > 60 ? `${text.slice(0, 57)}...` : text;
    throw new HvmError('HVM_USAGE', `schedule '${shown}': ${what}; expected ${expected}`);
  };
  if (text.length > MOST_CHARACTERS)
    refuse(`${text.length} characters`, `at most ${MOST_CHARACTERS}`);
  const parts = text.split(':');
  const [format, guest = '', revision = '', size = '', choices = ''] = parts;
  if (format !== FORMAT) refuse(`format '${format}'`, `'${FORMAT}'`);
  if (parts.length !== 5) refuse(`${parts.length} parts`, '5 with a colon between them');
  let bug: MuseumBug | null = null;
  let name = '';
  try {
    name = decodeURIComponent(guest);
  } catch {
    refuse(`guest '${guest}'`, 'a name, with % only before two hex digits');
  }
  if (name === '') refuse('no guest', 'its name');
  if (revision.startsWith(BUG)) bug = findBug(revision.slice(BUG.length));
  else if (!isRevisionName(revision)) {
    return refuse(`revision '${revision}'`, `one of ${REVISION_NAMES.join(', ')}`);
  }
  const counts = /^(\d{1,4})\.(\d{1,3})(?:\.c([2-4]))?(?:\.k([1-9]))?(?:\.i([1-9]))?$/.exec(size);
  const ios = Number(counts?.[1] ?? 0);
  const checkpoints = Number(counts?.[2] ?? 0);
  if (counts === null || ios < 1 || ios > MOST_IOS || checkpoints > MOST_CHECKPOINTS) {
    refuse(
      `size '${size}'`,
      `accesses and checkpoints like 3.2, at most ${MOST_IOS}.${MOST_CHECKPOINTS}, then .c2 for 2 vCPUs, .k1 for a death, .i1 for an interrupt`,
    );
  }
  const list: Choice[] = [];
  for (const word of choices === '' ? [] : choices.split('.')) {
    const match = /^([0-9a-z]{1,6})([vt0-9wxyiA-J])$/.exec(word);
    const n = Number.parseInt(match?.[1] ?? '', 36);
    if (match === null || n <= (list.at(-1)?.n ?? -1)) {
      refuse(`choice '${word}'`, "a number in base 36 that is above the last one's, and an actor");
    }
    list.push({ n, actor: actorOf(match?.[2] ?? '') });
  }
  const base = bug?.base ?? (revision as RevisionName);
  const extras: Extras = {
    vcpus: Number(counts?.[3] ?? 1),
    kills: Number(counts?.[4] ?? 0),
    irqs: Number(counts?.[5] ?? 0),
  };
  return { guest: name, revision: base, bug, ios, checkpoints, extras, choices: list };
}

/** Writes down what was chosen. */
export class Recording {
  readonly choices: Choice[] = [];

  /** `chooser`, listened to. @param shared - choices at decisions before it are those of the run before */
  of(chooser: Chooser, shared = 0): Chooser {
    while ((this.choices.at(-1)?.n ?? -1) >= shared) this.choices.pop();
    return (decision, run) => {
      while ((this.choices.at(-1)?.n ?? -1) >= decision.n) this.choices.pop();
      const actor = chooser(decision, run);
      if (actor !== decision.options[0]) this.choices.push({ n: decision.n, actor });
      return actor;
    };
  }
}

/** Makes the same choices again; `misfits` counts those that were not possible, and were left out. */
export class Replay {
  misfits = 0;
  readonly #choices: readonly Choice[];
  #next = 0;

  constructor(choices: readonly Choice[]) {
    this.#choices = choices;
  }

  /** Choices whose decision never came. */
  get left(): number {
    return this.#choices.length - this.#next;
  }

  readonly choose: Chooser = (decision: Decision) => {
    const standard = decision.options[0] as number;
    const choice = this.#choices[this.#next];
    if (choice === undefined || choice.n !== decision.n) return standard;
    this.#next++;
    for (let i = 0; i < decision.count; i++) {
      if (decision.options[i] === choice.actor) return choice.actor;
    }
    this.misfits++;
    return standard;
  };
}
