// SPDX-License-Identifier: GPL-2.0-only
// Waiting for a shared word without keeping the thread's event loop from working, and time-outs made of it.

type Waited = { async: false; value: string } | { async: true; value: Promise<string> };

/** Part of every JavaScript engine we run on; the types of ES2023 leave it out. */
interface WithWaitAsync {
  waitAsync(words: Int32Array, index: number, value: number, ms?: number): Waited;
}

/** As `Atomics.wait()`, with a promise. */
export function waitAsync(words: Int32Array, index: number, value: number): Waited {
  return (Atomics as unknown as WithWaitAsync).waitAsync(words, index, value);
}

/** @returns whether `event` came within `ms` */
export async function within(event: Promise<unknown>, ms: number): Promise<boolean> {
  const word = new Int32Array(new SharedArrayBuffer(4));
  const { waitAsync: wait } = Atomics as unknown as WithWaitAsync;
  const waited = wait(word, 0, 0, ms);
  void event.then(() => {
    Atomics.store(word, 0, 1);
    Atomics.notify(word, 0);
  });
  return (await waited.value) !== 'timed-out';
}

const LOADING_MS = 5000;

/**
 * Before a thread is ended: one that is ended while it loads its modules leaves their files open.
 * @param up - it has loaded; @param gone - it has ended
 */
export async function loaded(up: Promise<void>, gone: Promise<void>): Promise<void> {
  await within(Promise.race([up, gone]), LOADING_MS);
}
