// SPDX-License-Identifier: GPL-2.0-only
// Ctrl-C: the first asks for a clean stop, the second quits at once.
import type { ExitCode } from './exit-codes.ts';
import type { CliIo } from './io.ts';

const CODES = { SIGINT: 130, SIGTERM: 143 } as const satisfies Record<string, ExitCode>;

/** Listens from construction to `dispose()`. */
export class Interrupt implements Disposable {
  readonly #io: CliIo;
  readonly #controller = new AbortController();
  readonly #listeners: [keyof typeof CODES, () => void][] = [];
  #exitCode: ExitCode | null = null;

  /** @param onFirst - told once, when a stop is asked for */
  constructor(io: CliIo, onFirst: () => void) {
    this.#io = io;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const listener = (): void => {
        if (this.#exitCode !== null) {
          io.quit(CODES[signal]);
          return;
        }
        this.#exitCode = CODES[signal];
        onFirst();
        this.#controller.abort();
      };
      this.#listeners.push([signal, listener]);
      io.signals.on(signal, listener);
    }
  }

  /** Aborted at the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** 130 or 143 after a signal, else null. */
  get exitCode(): ExitCode | null {
    return this.#exitCode;
  }

  [Symbol.dispose](): void {
    for (const [signal, listener] of this.#listeners.splice(0)) {
      this.#io.signals.off(signal, listener);
    }
  }
}
