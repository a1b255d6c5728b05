// SPDX-License-Identifier: GPL-2.0-only
// The floor: what it costs to pass a word to another thread and get one back.

/** Name of the buffer among what a thread inherits. */
export const ECHO = 'trapline-bench-echo';
/** Its words, each on a cache line of its own. */
export const PING = 0;
export const PONG = 16;
export const COUNT = 32;
export const SPINS = 33;
export const ECHO_WORDS = 48;
/** One that spins is not woken: it only gives way to others for so long when the other end seems to have no CPU. */
export const GIVE_WAY_MS = 1;

/** Passes the words `first` to `last`, each after the answer to the one before. @param spins - 0: sleep at once */
export function passWords(echo: Int32Array, first: number, last: number, spins: number): void {
  for (let n = first; n <= last; n++) {
    Atomics.store(echo, PING, n);
    if (spins === 0) Atomics.notify(echo, PING);
    let left = spins;
    while (Atomics.load(echo, PONG) !== n) {
      if (left-- <= 0) Atomics.wait(echo, PONG, n - 1, spins === 0 ? undefined : GIVE_WAY_MS);
    }
  }
}
