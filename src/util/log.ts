// SPDX-License-Identifier: GPL-2.0-only
// Messages beside the result: levels, sinks, and a limit on what a guest can make us say.
import type { Clock } from './clock.ts';

/** From the most to the least urgent. */
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

/** Takes one message without a line end. */
export type LogSink = (level: LogLevel, message: string) => void;

export interface Logger {
  error(message: string): void;
  warn(message: string): void;
  info(message: string): void;
  debug(message: string): void;
}

/** Passes messages of `threshold` and more urgent ones to `sink`. */
export function createLogger(sink: LogSink, threshold: LogLevel = 'warn'): Logger {
  const limit = LOG_LEVELS.indexOf(threshold);
  const at =
    (level: LogLevel) =>
    (message: string): void => {
      if (LOG_LEVELS.indexOf(level) <= limit) sink(level, message);
    };
  return { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') };
}

/** Says nothing. */
export const silentLogger: Logger = createLogger(() => {}, 'error');

/** How often one key may warn. */
export interface WarnLimit {
  /** Messages per key and interval. */
  burst: number;
  intervalMs: number;
  /** Keys remembered at most; warnings for keys beyond that are counted, not printed. */
  maxKeys: number;
}

/**
 * Warnings a guest can cause: at most `burst` per key and interval, and how many were left out when
 * the key is heard again. A guest that touches a million ports neither fills the log nor the heap.
 */
export class RateLimitedWarnings {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #limit: WarnLimit;
  readonly #keys = new Map<string, { since: number; said: number; dropped: number }>();
  #dropped = 0;

  constructor(logger: Logger, clock: Clock, limit: Partial<WarnLimit> = {}) {
    this.#logger = logger;
    this.#clock = clock;
    this.#limit = { burst: 1, intervalMs: 1000, maxKeys: 1024, ...limit };
  }

  /** Warnings left out so far, over all keys. */
  get dropped(): number {
    return this.#dropped;
  }

  warn(key: string, message: string): void {
    const now = this.#clock.nowMs();
    let entry = this.#keys.get(key);
    if (entry === undefined) {
      if (this.#keys.size >= this.#limit.maxKeys) {
        this.#dropped++;
        return;
      }
      entry = { since: now, said: 0, dropped: 0 };
      this.#keys.set(key, entry);
    }
    if (now - entry.since >= this.#limit.intervalMs) {
      entry.since = now;
      entry.said = 0;
    }
    if (entry.said >= this.#limit.burst) {
      entry.dropped++;
      this.#dropped++;
      return;
    }
    entry.said++;
    this.#logger.warn(entry.dropped > 0 ? `${message} (${entry.dropped} more like it)` : message);
    entry.dropped = 0;
  }
}
