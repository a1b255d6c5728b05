// SPDX-License-Identifier: GPL-2.0-only
// Ordered, disjoint, inclusive ranges of numbers with a limit on how many there may be.
// Behaviour of Xen 4.14.5 xen/common/rangeset.c.
// Differences: sorted arrays instead of linked lists; no lock; numbers above 2^53 are approximate.
import { ENOMEM, type errno_t } from '../public/errno.ts';

export class rangeset {
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  readonly #limit: number;

  /** @param limit - the most separate ranges it may hold */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many separate ranges there are. */
  get size(): number {
    return this.#starts.length;
  }

  /** Index of the last range that starts at or below `n`, or -1. */
  #find_range(n: number): number {
    const starts = this.#starts;
    let i = starts.length - 1;
    while (i >= 0 && (starts[i] ?? 0) > n) i--;
    return i;
  }

  #end(i: number): number {
    return this.#ends[i] ?? -1;
  }

  #insert(i: number, s: number, e: number): errno_t {
    if (this.#starts.length >= this.#limit) return -ENOMEM;
    this.#starts.splice(i, 0, s);
    this.#ends.splice(i, 0, e);
    return 0;
  }

  /** Adds [s, e]; neighbours merge. @returns 0 or -ENOMEM at the limit */
  add_range(s: number, e: number): errno_t {
    const x = this.#find_range(s);
    const joinsLower = x >= 0 && this.#end(x) + 1 >= s;
    let at = x;
    if (!joinsLower) {
      // A new range is made before the upper neighbour is looked at: at the limit that fails.
      at = x + 1;
      const next = this.#starts[at];
      if (next !== undefined && next <= e) this.#starts[at] = s;
      else {
        const rc = this.#insert(at, s, e);
        if (rc !== 0) return rc;
      }
    }
    if (this.#end(at) < e) this.#ends[at] = e;
    for (;;) {
      const next = this.#starts[at + 1];
      if (next === undefined || next > this.#end(at) + 1) return 0;
      this.#ends[at] = Math.max(this.#end(at), this.#end(at + 1));
      this.#starts.splice(at + 1, 1);
      this.#ends.splice(at + 1, 1);
    }
  }

  /** Takes [s, e] away; a range may be split. @returns 0 or -ENOMEM when splitting at the limit */
  remove_range(s: number, e: number): errno_t {
    const x = this.#find_range(s);
    if (x >= 0 && (this.#starts[x] ?? 0) < s && this.#end(x) > e) {
      const rc = this.#insert(x + 1, e + 1, this.#end(x));
      if (rc !== 0) return rc;
      this.#ends[x] = s - 1;
      return 0;
    }
    for (let i = Math.max(x, 0); i < this.#starts.length; ) {
      const start = this.#starts[i] ?? 0;
      const end = this.#end(i);
      if (start > e) break;
      if (end < s) i++;
      else if (start < s) this.#ends[i++] = s - 1;
      else if (end > e) this.#starts[i++] = e + 1;
      else {
        this.#starts.splice(i, 1);
        this.#ends.splice(i, 1);
      }
    }
    return 0;
  }

  /**
   * Whether one range holds all of [s, e]. Only the range below `s` is looked at, so a start that
   * wrapped around is judged as Xen judges it.
   */
  contains_range(s: number, e: number): boolean {
    const x = this.#find_range(s);
    return x >= 0 && this.#end(x) >= e;
  }

  contains_singleton(n: number): boolean {
    return this.contains_range(n, n);
  }

  /** Whether any number of [s, e] is in the set. */
  overlaps_range(s: number, e: number): boolean {
    const x = this.#find_range(e);
    return x >= 0 && s <= this.#end(x);
  }

  /** The ranges in order, as [first, last] pairs. */
  ranges(): [number, number][] {
    return this.#starts.map((s, i) => [s, this.#end(i)]);
  }
}
