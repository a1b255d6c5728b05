// SPDX-License-Identifier: GPL-2.0-only
// The outside world of the command line as one object, so that tests run commands in process.
import type { Clock } from '../util/clock.ts';
import { hostClock } from '../util/clock.ts';

/** An output stream as far as the command line uses one. */
export interface TextStream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  /** Width in characters, where it is known. */
  readonly columns?: number | undefined;
}

/** Where interrupts come from: `process`, or a test. */
export interface SignalSource {
  on(signal: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
  off(signal: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
}

export interface CliIo {
  readonly stdout: TextStream;
  readonly stderr: TextStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signals: SignalSource;
  readonly clock: Clock;
  /** Ends the process at once: the second Ctrl-C. */
  quit(code: number): void;
  /** Lets waiting signals and timers in; resolves as soon as they had their turn. */
  breathe(): Promise<void>;
  /** Resolves when all of stdout has left the process. Absent: it has at once. */
  drained?(): Promise<void>;
}

/** The real one. */
export function hostIo(): CliIo {
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    signals: process,
    clock: hostClock,
    quit: (code) => process.exit(code),
    drained: () => new Promise((resolve) => process.stdout.write('', () => resolve())),
    breathe: () => new Promise((resolve) => setImmediate(resolve)),
  };
}
