// SPDX-License-Identifier: GPL-2.0-only
// The program: its table of commands, and the way from arguments to an exit code.
import { Command, CommanderError } from 'commander';
import { HvmError } from '../util/errors.ts';
import { benchRunner } from './bench-runner.ts';
import { version } from './build.ts';
import { chainRunner } from './chain-runner.ts';
import type { CliCommand } from './command.ts';
import { benchCommand } from './commands/bench.ts';
import { bugs } from './commands/bugs.ts';
import { diffCommand } from './commands/diff.ts';
import { doctor } from './commands/doctor.ts';
import { exactnessCommand } from './commands/exactness.ts';
import { exploreCommand } from './commands/explore.ts';
import { inspectCommand } from './commands/inspect.ts';
import { ledgerCheck } from './commands/ledger-check.ts';
import { list } from './commands/list.ts';
import { merge } from './commands/merge.ts';
import { raceCommand } from './commands/race.ts';
import { replayCommandOf } from './commands/replay.ts';
import { restoreCommand } from './commands/restore.ts';
import { runCommand } from './commands/run.ts';
import { saveCommand } from './commands/save.ts';
import { serveCommand } from './commands/serve.ts';
import { stressCommand } from './commands/stress.ts';
import { verifyCommand } from './commands/verify.ts';
import type { ExitCode } from './exit-codes.ts';
import { HELP_WIDTH, helpTail, programTail } from './help.ts';
import { imageSource, restoreRunner, saveRunner } from './image-runners.ts';
import type { CliIo } from './io.ts';
import type { CommonOptions } from './options.ts';
import { addCommonOptions } from './options.ts';
import { Output, toFailure, wantsColor } from './output.ts';
import { Progress } from './progress.ts';
import {
  exactnessRunner,
  exploreRunner,
  raceRunner,
  replayRunner,
  runRunner,
  serveRunner,
  stressRunner,
} from './runners.ts';
import { Interrupt } from './signals.ts';

/** Every command, in the order of the overview. */
export const COMMANDS: readonly CliCommand[] = [
  runCommand(runRunner),
  serveCommand(serveRunner),
  stressCommand(stressRunner, chainRunner),
  merge,
  raceCommand(raceRunner),
  exploreCommand(exploreRunner),
  replayCommandOf(replayRunner),
  exactnessCommand(exactnessRunner),
  saveCommand(saveRunner),
  restoreCommand(restoreRunner),
  inspectCommand(imageSource),
  verifyCommand(imageSource),
  diffCommand(imageSource),
  benchCommand(benchRunner),
  ledgerCheck,
  bugs,
  list,
  doctor,
];

const NO_COMMAND = "no command given: expected one of those in 'trapline --help'";

/** Runs one command with everything it needs around it. */
async function invoke(
  io: CliIo,
  command: CliCommand,
  args: readonly string[],
  options: CommonOptions,
): Promise<ExitCode> {
  const output = new Output(io, options);
  const progress = new Progress(io, options.quiet === true);
  using interrupt = new Interrupt(io, () => {
    progress.erase();
    output.note('trapline: stopping; once more to quit at once');
  });
  try {
    const exitCode = await command.run(
      { io, output, progress, signal: interrupt.signal },
      args,
      options,
    );
    progress.erase();
    return interrupt.exitCode ?? exitCode;
  } catch (error) {
    progress.erase();
    const failure = toFailure(error);
    output.failure(failure);
    return failure.exitCode;
  }
}

/** The commander program for `commands`. `done` receives the exit code of the one that runs. */
function build(
  io: CliIo,
  commands: readonly CliCommand[],
  done: (code: ExitCode) => void,
): Command {
  const program = new Command('trapline');
  program
    .description('Runs x86 guests under checkpoints and proves that no I/O is lost or repeated.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'this text')
    .helpCommand('help [command]', 'the same as --help')
    .addHelpText('after', programTail());
  const parents = new Map<string, Command>();
  const settings = (command: Command): Command =>
    command
      .exitOverride()
      .configureHelp({ helpWidth: HELP_WIDTH })
      .configureOutput({
        writeOut: (text) => io.stdout.write(text),
        // Errors are reported once, by runCli.
        writeErr: () => {},
        getOutHasColors: () => wantsColor('auto', io.env, io.stdout),
        getErrHasColors: () => false,
      });
  settings(program);
  for (const entry of commands) {
    const words = entry.name.split(' ');
    let parent = program;
    if (words.length === 2) {
      const group = words[0] ?? '';
      parent = parents.get(group) ?? settings(program.command(group));
      parents.set(group, parent);
      parent.description(entry.summary).helpCommand(false);
    }
    const command = settings(parent.command(words.at(-1) ?? ''));
    command.summary(entry.summary).description(entry.purpose ?? entry.summary);
    entry.configure(command);
    addCommonOptions(command);
    command.addHelpText('after', helpTail(entry));
    command.action(async () => {
      done(await invoke(io, entry, command.args, command.opts<CommonOptions>()));
    });
  }
  return program;
}

/** commander's message as one of ours: one line, without its prefix. */
function usageError(error: CommanderError): HvmError {
  // A group such as `ledger` without its second word.
  if (error.code === 'commander.help') return new HvmError('HVM_USAGE', NO_COMMAND);
  const text = error.message.replace(/^error: /, '').replaceAll(/\s*\n\s*/g, ' ');
  return new HvmError('HVM_USAGE', text, { details: { reason: error.code } });
}

/**
 * Runs the program once.
 * @param argv - the arguments after the program's name
 * @returns the exit code; nothing is thrown
 */
export async function runCli(
  argv: readonly string[],
  io: CliIo,
  commands: readonly CliCommand[] = COMMANDS,
): Promise<ExitCode> {
  let exitCode: ExitCode = 0;
  // Before parsing is over, only the raw arguments tell how to report an error.
  const json = argv.some((arg) => arg === '--json' || /^-[jq]*j[jq]*$/.test(arg));
  try {
    if (argv.length === 0) {
      throw new HvmError('HVM_USAGE', NO_COMMAND);
    }
    const program = build(io, commands, (code) => {
      exitCode = code;
    });
    await program.parseAsync([...argv], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    const failure = toFailure(error instanceof CommanderError ? usageError(error) : error);
    new Output(io, { json, color: 'never' }).failure(failure);
    return failure.exitCode;
  }
}
