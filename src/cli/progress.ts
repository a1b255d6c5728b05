// SPDX-License-Identifier: GPL-2.0-only
// One line on stderr while a long run goes on: how far, how fast, how long still.
import { formatCount, formatDuration } from './format.ts';
import type { CliIo } from './io.ts';

/** At most this often is the line drawn. */
const REDRAW_MS = 100;
/** At least this often does a run let signals in. */
const BREATHE_MS = 50;

const ERASE_LINE = '\r\u001b[2K';

/** Whether there is anybody to look at a progress line. */
export function showsProgress(io: CliIo, quiet: boolean): boolean {
  return !quiet && io.stderr.isTTY === true && (io.env.CI ?? '') === '';
}

/** Counts what is done; draws on a terminal only. */
export class Progress {
  readonly #io: CliIo;
  readonly #show: boolean;
  #startMs: number;
  #drawnMs = Number.NEGATIVE_INFINITY;
  #breathedMs: number;
  #visible = false;

  constructor(io: CliIo, quiet: boolean) {
    this.#io = io;
    this.#show = showsProgress(io, quiet);
    this.#startMs = io.clock.nowMs();
    this.#breathedMs = this.#startMs;
  }

  /** A new phase: rate and time left count from here. */
  restart(): void {
    this.#startMs = this.#io.clock.nowMs();
  }

  /**
   * To be called often, say after every checkpoint; cheap when nothing is due.
   * @param label - what is going on
   * @param done - of `total`, same unit
   * @param total - null when the end is not known
   * @returns a promise to await when it is time to let signals in, else undefined
   */
  tick(label: string, done: number, total: number | null): Promise<void> | undefined {
    const now = this.#io.clock.nowMs();
    if (this.#show && now - this.#drawnMs >= REDRAW_MS) {
      this.#drawnMs = now;
      this.#visible = true;
      const line = progressLine(label, done, total, now - this.#startMs);
      const width = this.#io.stderr.columns ?? 80;
      this.#io.stderr.write(`${ERASE_LINE}${line.slice(0, Math.max(width - 1, 1))}`);
    }
    if (now - this.#breathedMs < BREATHE_MS) return undefined;
    this.#breathedMs = now;
    return this.#io.breathe();
  }

  /** Removes the line, before anything else is printed. Idempotent. */
  erase(): void {
    if (!this.#visible) return;
    this.#visible = false;
    this.#io.stderr.write(ERASE_LINE);
  }
}

/** `stress counter  34,120/100,000  34%  21,400/s  3 s left` */
export function progressLine(
  label: string,
  done: number,
  total: number | null,
  elapsedMs: number,
): string {
  const perSecond = elapsedMs > 0 ? (done * 1000) / elapsedMs : 0;
  const parts = [label];
  if (total === null) {
    parts.push(formatCount(done));
  } else {
    parts.push(`${formatCount(done)}/${formatCount(total)}`);
    parts.push(`${Math.floor((100 * done) / Math.max(total, 1))}%`);
  }
  if (perSecond > 0) {
    parts.push(`${formatCount(Math.round(perSecond))}/s`);
    if (total !== null && done < total) {
      parts.push(`${formatDuration(((total - done) * 1000) / perSecond)} left`);
    }
  }
  return parts.join('  ');
}
