// SPDX-License-Identifier: GPL-2.0-only
// A running hash of numbers, two independent 32-bit halves: what states are recognised by.

/** Mixes numbers into 64 bits; `key()` gives 53 of them as a number. Not for secrets. */
export class StateHash {
  a = 0;
  b = 0;

  reset(a = 0x243f6a88, b = 0x85a308d3): void {
    this.a = a;
    this.b = b;
  }

  /** Adds 32 bits of `x`. */
  add(x: number): void {
    let k = Math.imul(x, 0xcc9e2d51);
    k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
    const a = this.a ^ k;
    this.a = (Math.imul((a << 13) | (a >>> 19), 5) + 0xe6546b64) | 0;
    let m = Math.imul(x ^ 0x5bd1e995, 0x85ebca6b);
    m = Math.imul((m << 16) | (m >>> 16), 0xc2b2ae35);
    const b = this.b ^ m;
    this.b = (Math.imul((b << 17) | (b >>> 15), 9) + 0x38495ab5) | 0;
  }

  /** Adds a whole number of up to 53 bits. */
  addWide(x: number): void {
    this.add(x | 0);
    this.add((x / 4294967296) | 0);
  }

  /** 53 bits of both halves, finished. */
  key(): number {
    let a = this.a ^ (this.a >>> 16);
    a = Math.imul(a, 0x85ebca6b);
    a ^= a >>> 13;
    let b = this.b ^ (this.b >>> 16);
    b = Math.imul(b, 0xc2b2ae35);
    b ^= b >>> 13;
    return (a >>> 0) * 2097152 + (b >>> 11);
  }
}

/** A hash that can write down everything it is given. */
export class HistoryHash extends StateHash {
  /** Null: not written down. */
  tape: number[] | null = null;

  override reset(): void {
    super.reset();
    if (this.tape !== null) this.tape.length = 0;
  }

  override add(x: number): void {
    this.tape?.push(x);
    super.add(x);
  }
}
