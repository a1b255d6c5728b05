// SPDX-License-Identifier: GPL-2.0-only
// The stops of a cell: where there are any, which of them are tried, and their names.
import { HvmError } from '../../util/errors.ts';

const WHERES = ['point', 'step', 'instruction'] as const;
export const DEEDS = ['resume', 'restore', 'kick'] as const;

/** What is done there: checkpoint and go on; checkpoint and go on in a fresh machine; a kick. */
export type Deed = (typeof DEEDS)[number];
/** A passage of a preemption point, a step of a device model, or an instruction count. */
export interface Stop {
  readonly where: (typeof WHERES)[number];
  readonly index: number;
  readonly deed: Deed;
}
/** How many places of each kind an undisturbed run has. */
export type Places = Readonly<Record<Stop['where'], number>>;

/** Kicks from another thread: at no place of its own. */
export const THREAD_STOP = 'thread kick';
/** Accesses that need not leave the guest stay in it. */
export const STAYING_STOP = 'in the guest';

/** What can be asked for by name. */
export type RequestedStop = Stop | typeof THREAD_STOP | typeof STAYING_STOP;

/** Up to how many places of one kind all are tried; of more, how many are. */
export interface Reach {
  readonly all: number;
  readonly some: number;
}
/** A default run: every place of three cells in four. */
export const DEFAULT_REACH: Reach = { all: 20, some: 10 };
/** Of runs whose accesses stay in the guest. */
export const STAYING_REACH: Reach = { all: 6, some: 4 };
export const STAYING_FULL_REACH: Reach = { all: 60, some: 12 };
/** `--full`: every place but those between the elements of counts in the tens of thousands. */
export const FULL_REACH: Reach = { all: 4000, some: 12 };

/** `instruction 3 restore`: as `--stop` takes it. */
export function stopName(stop: Stop): string {
  return `${stop.where} ${stop.index} ${stop.deed}`;
}

/**
 * What `--stop` asks for.
 * @throws HvmError HVM_USAGE when no stop has such a name
 */
export function parseStop(text: string): RequestedStop {
  if (text === THREAD_STOP || text === STAYING_STOP) return text;
  const [where, index = '', deed, ...rest] = text.split(' ');
  const found = {
    where: WHERES.find((w) => w === where),
    index: /^\d{1,9}$/.test(index) ? Number(index) : undefined,
    deed: DEEDS.find((d) => d === deed),
  };
  if (
    found.where === undefined ||
    found.index === undefined ||
    found.deed === undefined ||
    rest.length > 0
  ) {
    throw new HvmError(
      'HVM_USAGE',
      `--stop '${text}': expected one of ${WHERES.join(', ')}, a number, and one of ${DEEDS.join(', ')}, as in 'point 3 restore'; or '${THREAD_STOP}'; or '${STAYING_STOP}'`,
      { details: { stop: text, places: [...WHERES], deeds: [...DEEDS] } },
    );
  }
  return found as Stop;
}

/** How many stops there are. */
export function possibleStops(places: Places): number {
  return DEEDS.length * WHERES.reduce((sum, where) => sum + places[where], 0);
}

/** The stops to try. @param turn - number of the cell: cells take turns in what is sampled */
export function stopsOf(places: Places, reach: Reach, turn: number): Stop[] {
  return WHERES.flatMap((where) =>
    DEEDS.flatMap((deed, d) =>
      sample(places[where], reach, turn + d).map((index) => ({ where, index, deed })),
    ),
  );
}

/**
 * Places 0 to `count` - 1: all of them; or the first ones, the last ones, and as many from between,
 * evenly, of which `turn` decides the offset.
 */
export function sample(count: number, { all, some }: Reach, turn: number): number[] {
  if (count <= Math.max(all, some)) return Array.from({ length: count }, (_, i) => i);
  const edge = Math.max(1, Math.floor(some / 4));
  const between = Math.max(0, some - 2 * edge);
  const stride = (count - 2 * edge) / Math.max(1, between);
  const shift = (turn * 0.381966 * stride) % stride;
  return [
    ...Array.from({ length: edge }, (_, i) => i),
    ...Array.from({ length: between }, (_, i) => edge + Math.floor(i * stride + shift)),
    ...Array.from({ length: edge }, (_, i) => count - edge + i),
  ];
}
