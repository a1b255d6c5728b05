// SPDX-License-Identifier: GPL-2.0-only
// Assertions that stay in: a broken invariant stops the run instead of giving a wrong result.
import { BugError } from './errors.ts';

/** @throws BugError when `condition` is false. */
export function ASSERT(condition: boolean, what: string): asserts condition {
  if (!condition) throw new BugError(`assertion failed: ${what}`);
}

/** @throws BugError when `condition` is true; Xen's BUG_ON. */
export function BUG_ON(condition: boolean, what: string): void {
  if (condition) throw new BugError(`BUG: ${what}`);
}

/** Marks a switch as complete. @throws BugError if reached at run time. */
export function assertNever(value: never, what: string): never {
  throw new BugError(`impossible ${what}: ${String(value)}`);
}
