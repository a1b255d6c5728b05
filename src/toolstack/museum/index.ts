// SPDX-License-Identifier: GPL-2.0-only
// The bug museum: every exhibit, and how to find one.
import { HvmError } from '../../util/errors.ts';
import { suggest } from '../../util/suggest.ts';
import type { MuseumBug } from './bug.ts';
import { OTHERS } from './others.ts';
import { REPAIRED } from './repaired.ts';

export { type MuseumBug, revisionLabel, revisionOf } from './bug.ts';

/** Those that Xen repaired come first, newest first. */
export const MUSEUM: readonly MuseumBug[] = [
  ...REPAIRED.toSorted((a, b) => ((a.date ?? '') < (b.date ?? '') ? 1 : -1)),
  ...OTHERS,
];

/**
 * @param id - as listed; of a commit any abbreviation of at least seven digits will do
 * @throws HvmError HVM_USAGE for one that is not there
 */
export function findBug(id: string): MuseumBug {
  const commit = /^[0-9a-f]{7,40}$/.test(id);
  const found = MUSEUM.find((bug) => bug.id === id || (commit && bug.commit?.startsWith(id)));
  if (found !== undefined) return found;
  const known = MUSEUM.map((bug) => bug.id);
  const near = suggest(id, known);
  const hint = near === null ? `expected one of ${known.join(', ')}` : `did you mean '${near}'?`;
  throw new HvmError('HVM_USAGE', `no bug '${id}' in the museum: ${hint}`, {
    details: { id, known },
  });
}

/** The command that shows `bug` by luck. */
export function stressCommandOf(bug: MuseumBug): string {
  return `trapline stress ${bug.guest} --bug ${bug.id} --checkpoints 1000`;
}
