// SPDX-License-Identifier: GPL-2.0-only
// `trapline restore <file>`: the guest of an image goes on.
import type { RestoreOptions, RestoreReport } from '../../toolstack/image/restore-run.ts';
import type { CliCommand, RunHooks } from '../command.ts';
import { runHooks } from '../command.ts';
import { Console } from '../console.ts';
import type { ExitCode } from '../exit-codes.ts';
import { OUTCOMES } from '../exit-codes.ts';
import { formatCount } from '../format.ts';
import type { ImageFlags } from '../image-options.ts';
import { addImageOptions, addLedgerOption, imageRequest } from '../image-options.ts';
import type { LimitOptions } from '../options.ts';
import { addLimitOptions } from '../options.ts';
import { type RestoreDocument, restoreSchema } from '../run-schemas.ts';
import type { ThreadsFlags } from '../threads-options.ts';
import { addThreadsOptions, threadsRequest } from '../threads-options.ts';
import { type RunTerminal, renderRun } from './run.ts';

export interface RestoreRequest extends Omit<RestoreOptions, 'source'> {
  /** A file, or `-`. */
  file: string;
}

/** @throws HvmError HVM_IMAGE before anything runs, for an image that cannot be restored */
export type RestoreRunner = (
  request: RestoreRequest,
  hooks: RunHooks & RunTerminal,
) => Promise<RestoreReport>;

type RestoreFlags = LimitOptions &
  ImageFlags &
  ThreadsFlags & { lastGood?: boolean; writable?: boolean; ledger?: string };

/** @param runner - restores and runs */
export function restoreCommand(runner: RestoreRunner): CliCommand {
  return {
    name: 'restore',
    summary: 'go on with the guest of an image',
    purpose:
      'Restores the last whole checkpoint of an image and runs the guest on, as run does. What a crash has cut off behind that checkpoint is dropped, and a line says so; damage is refused.',
    examples: [
      ['counter.img --max-instructions 200000', 'up to an instruction of its whole history'],
      ['- --image copy.img --checkpoint-every 50000', 'from stdin, under checkpoints again'],
    ],
    exitCodes: [0, 1, 3, 4, 5, 6, 130, 143],
    configure(command) {
      command
        .argument('<file>', 'the image; -: stdin')
        .option('--last-good', 'damage behind a whole checkpoint is dropped, too')
        .option('--writable', 'what the guest wrote goes into --dir, if its run said so');
      addImageOptions(command);
      addThreadsOptions(command, false);
      addLimitOptions(command);
      addLedgerOption(command, 'go on with the file of a run with --ledger, as the image knows it');
    },
    async run(invocation, args, raw): Promise<ExitCode> {
      const options = raw as RestoreFlags;
      const [file = '-'] = args;
      const { io, output, progress } = invocation;
      const startMs = io.clock.nowMs();
      const terminal = new Console((text) => {
        progress.erase();
        output.text(text);
      });
      const request: RestoreRequest = {
        file,
        lastGood: options.lastGood === true,
        writable: options.writable === true,
        maxInstructions: options.maxInstructions ?? null,
        timeoutMs: options.timeout ?? null,
        image: imageRequest(options),
        ledgerPath: options.ledger ?? null,
        threads: threadsRequest(options),
      };
      const result = await runner(request, {
        ...runHooks(invocation, `restore ${file}`),
        output: (byte) => terminal.put(byte),
        flushed: async () => {
          terminal.flush();
          await io.drained?.();
        },
      });
      terminal.flush();
      progress.erase();
      const document: RestoreDocument = {
        schema: 'trapline.restore/1',
        ...result,
        console: terminal.text,
        durationMs: io.clock.nowMs() - startMs,
      };
      const { checkpoint, dropped, instructions } = document.from;
      if (dropped !== null) output.note(`trapline: behind checkpoint ${checkpoint}: ${dropped}`);
      if (terminal.text !== '' && !terminal.text.endsWith('\n')) output.text('\n');
      output.result(restoreSchema, document, (style) =>
        [
          `restored at checkpoint ${formatCount(checkpoint)}, ${formatCount(instructions)} instructions`,
          renderRun(document, style),
        ].join('\n'),
      );
      return OUTCOMES[document.outcome];
    },
  };
}
