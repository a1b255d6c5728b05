// SPDX-License-Identifier: GPL-2.0-only
// Lists that are used again, tens of thousands of times a second: to this engine setting a length is a call, and most
// are empty already.

/** Empties `list`. */
export function clearList(list: unknown[]): void {
  if (list.length > 0) list.length = 0;
}

/** `to` becomes what `from` is. */
export function copyList<T>(to: T[], from: readonly T[]): void {
  if (to.length > from.length) to.length = from.length;
  for (let i = 0; i < from.length; i++) to[i] = from[i] as T;
}
