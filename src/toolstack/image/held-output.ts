// SPDX-License-Identifier: GPL-2.0-only
// When a guest's output leaves: at once, or only when the checkpoint that covers it is committed.

/** When output leaves. */
export type Release = 'committed' | 'immediate';

/** Whether these options hold output back. */
export function holds(image: { release: Release } | null): boolean {
  return image !== null && image.release === 'committed';
}

/**
 * Holds bytes until `release()`. Held bytes of a process that dies are lost, and written again by the guest that is
 * restored; released ones are behind the checkpoint, and never written again.
 */
export class HeldOutput implements Disposable {
  readonly #to: (byte: number) => void;
  readonly #hold: boolean;
  #held: number[] = [];
  /** Bytes that left. */
  released = 0;

  constructor(to: (byte: number) => void, hold: boolean) {
    this.#to = to;
    this.#hold = hold;
  }

  /** One byte of a device. */
  readonly put = (byte: number): void => {
    if (this.#hold) this.#held.push(byte);
    else this.#pass(byte);
  };

  /** What is held leaves: it is part of a committed past. */
  release(): void {
    const held = this.#held;
    this.#held = [];
    for (const byte of held) this.#pass(byte);
  }

  #pass(byte: number): void {
    this.released++;
    this.#to(byte);
  }

  /** What nobody committed stays unsaid. */
  [Symbol.dispose](): void {
    this.#held = [];
  }
}
