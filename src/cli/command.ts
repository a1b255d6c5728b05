// SPDX-License-Identifier: GPL-2.0-only
// What one command of the command line is, and what it gets to work with.
import type { Command } from 'commander';
import type { ExitCode } from './exit-codes.ts';
import type { CliIo } from './io.ts';
import type { Output } from './output.ts';
import type { Progress } from './progress.ts';

/** What a command works with while it runs. */
export interface Invocation {
  readonly io: CliIo;
  readonly output: Output;
  readonly progress: Progress;
  /** Aborted by the first Ctrl-C: stop at the next safe place and report what is known. */
  readonly signal: AbortSignal;
}

/** One entry of the table in program.ts. */
export interface CliCommand {
  /** One or two words: `stress`, `ledger check`. */
  readonly name: string;
  /** One line for the overview. */
  readonly summary: string;
  /** What it is for; wrapped to 80 columns. Absent: the summary. */
  readonly purpose?: string;
  /** Two of them: arguments after the command's name, and what they do. */
  readonly examples: readonly (readonly [args: string, what: string])[];
  /** Those of `EXIT_CODES` it can end with, beside 2 and 70. */
  readonly exitCodes: readonly ExitCode[];
  /** Adds arguments and options. The common ones are added by the program. */
  configure(command: Command): void;
  /**
   * @param args - the positional arguments
   * @param options - values of the options, by their camelCase names
   */
  run(
    invocation: Invocation,
    args: readonly string[],
    options: unknown,
  ): Promise<ExitCode> | ExitCode;
}

/** What a long run is given, so that it can be watched and stopped. */
export interface RunHooks {
  readonly signal: AbortSignal;
  /**
   * To be called often, say after every checkpoint.
   * @param done - of `total`; null when the end is not known
   * @returns a promise to await before going on, or undefined: nothing is due
   */
  tick(done: number, total: number | null): Promise<void> | undefined;
}

/** The hooks of a run called `label` in its progress line. */
export function runHooks(invocation: Invocation, label: string): RunHooks {
  const { progress, signal } = invocation;
  return { signal, tick: (done, total) => progress.tick(label, done, total) };
}
