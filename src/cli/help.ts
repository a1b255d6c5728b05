// SPDX-License-Identifier: GPL-2.0-only
// Help texts: purpose, usage, options by group, examples, exit codes. 80 columns.
import type { CliCommand } from './command.ts';
import type { ExitCode } from './exit-codes.ts';
import { EXIT_CODES } from './exit-codes.ts';
import { formatTable, wrap } from './format.ts';

/** Columns of every help text, whatever the terminal has. */
export const HELP_WIDTH = 80;

function exitCodeLines(codes: readonly ExitCode[]): string {
  const all: ExitCode[] = [...new Set<ExitCode>([...codes, 2, 70])].sort((a, b) => a - b);
  const rows = all.map((code) => [String(code), EXIT_CODES[code]]);
  return formatTable(rows, { right: [0], indent: '  ' });
}

/** What follows the options in a command's help. */
export function helpTail(command: CliCommand): string {
  const examples = command.examples.map(([args, what]) => {
    const line = `  trapline ${command.name}${args === '' ? '' : ` ${args}`}`;
    return `${line}\n${wrap(what, HELP_WIDTH - 6)
      .map((part) => `      ${part}`)
      .join('\n')}`;
  });
  return `\nExamples:\n${examples.join('\n')}\n\nExit codes:\n${exitCodeLines(command.exitCodes)}`;
}

/** What follows the list of commands in the program's own help. */
export function programTail(): string {
  const codes = Object.keys(EXIT_CODES).map(Number) as ExitCode[];
  const text =
    "Colour follows --color, then NO_COLOR and FORCE_COLOR, then the terminal. 'trapline help <command>' says more about each command.";
  return `\n${wrap(text, HELP_WIDTH).join('\n')}\n\nExit codes:\n${exitCodeLines(codes)}`;
}
