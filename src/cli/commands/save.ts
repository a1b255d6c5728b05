// SPDX-License-Identifier: GPL-2.0-only
// `trapline save <guest>`: a guest up to an instruction, as an image of Xen's format.
import type { SaveReport } from '../../toolstack/image/save.ts';
import type { ThreadsOptions } from '../../toolstack/threads/threads-options.ts';
import { ASSERT } from '../../util/assert.ts';
import { HvmError } from '../../util/errors.ts';
import type { RevisionName } from '../../xen/hvm/revision.ts';
import type { CliCommand, RunHooks } from '../command.ts';
import { runHooks } from '../command.ts';
import { Console } from '../console.ts';
import type { ExitCode } from '../exit-codes.ts';
import { formatCount } from '../format.ts';
import { addFsyncOption, addLedgerOption } from '../image-options.ts';
import { type SaveDocument, saveSchema } from '../image-schemas.ts';
import type { GuestOptions, GuestRequest } from '../options.ts';
import { addGuest, numberValue, revisionOption } from '../options.ts';
import { addPcOptions, type PcFlags, pcGuestRequest } from '../pc-options.ts';
import { addScriptOptions, type ScriptFlags, scriptOf } from '../script-options.ts';
import type { ThreadsFlags } from '../threads-options.ts';
import { addThreadsOptions, threadsRequest } from '../threads-options.ts';
import type { RunTerminal } from './run.ts';

export interface SaveRequest extends GuestRequest {
  revision: RevisionName;
  after: number;
  timeoutMs: null;
  /** A file, or `-`. */
  path: string;
  fsync: boolean;
  /** null: no books are kept. */
  ledgerPath: string | null;
  /** null: everything on one thread. */
  threads: ThreadsOptions | null;
}

/** @throws HvmError when it cannot be saved */
export type SaveRunner = (
  request: SaveRequest,
  hooks: RunHooks & RunTerminal,
) => Promise<SaveReport>;

type SaveOptions = GuestOptions &
  PcFlags &
  ScriptFlags &
  ThreadsFlags & {
    revision: RevisionName;
    after: number;
    output: string;
    fsync: boolean;
    ledger?: string;
  };

export function renderSave(document: SaveDocument): string {
  const { bytes, file, guest, instructions } = document;
  return `${guest} after ${formatCount(instructions)} instructions: ${formatCount(bytes)} bytes in ${file}`;
}

/** @param runner - runs and saves */
export function saveCommand(runner: SaveRunner): CliCommand {
  return {
    name: 'save',
    summary: 'run a guest so far, and save it as an image',
    purpose:
      "Runs a guest for so many instructions and saves it in Xen's migration format (libxc, version 3): every page, the CPU by name, and devices. With - the image goes to stdout and what the guest writes to stderr. Ctrl-C saves what there is.",
    examples: [
      ['counter --after 100000 --output counter.img', 'a file'],
      ['counter --after 100000 --output - | trapline restore -', 'another process goes on'],
    ],
    exitCodes: [0, 130, 143],
    configure(command) {
      addGuest(command);
      command.addOption(revisionOption());
      addPcOptions(command);
      addScriptOptions(command);
      command
        .optionsGroup('Image:')
        .requiredOption('--after <n>', 'instructions before it is saved', numberValue('--after', 1))
        .requiredOption('--output <file>', 'where to; -: stdout');
      addFsyncOption(command);
      addThreadsOptions(command);
      addLedgerOption(command, 'write every access to this file; restore --ledger goes on with it');
    },
    async run(invocation, args, raw): Promise<ExitCode> {
      const options = raw as SaveOptions;
      const [guest] = args;
      ASSERT(guest !== undefined, 'a guest is given');
      const { io, output, progress } = invocation;
      const piped = options.output === '-';
      if (piped && output.json) {
        throw new HvmError('HVM_USAGE', '--output - with --json: stdout can hold only one of them');
      }
      const startMs = io.clock.nowMs();
      const terminal = new Console((text) => {
        progress.erase();
        if (piped) io.stderr.write(text);
        else output.text(text);
      });
      const { revision, after, fsync } = options;
      const request: SaveRequest = {
        ...pcGuestRequest(guest, options, scriptOf(options)),
        ...{ revision, after, fsync, path: options.output, timeoutMs: null },
        ledgerPath: options.ledger ?? null,
        threads: threadsRequest(options),
      };
      const result = await runner(request, {
        ...runHooks(invocation, `save ${guest}`),
        output: (byte) => terminal.put(byte),
      });
      terminal.flush();
      progress.erase();
      const durationMs = io.clock.nowMs() - startMs;
      const file = piped ? 'stdout' : options.output;
      const document = { schema: 'trapline.save/1' as const, ...result, file, durationMs };
      if (piped) output.note(renderSave(document));
      else {
        if (terminal.text !== '' && !terminal.text.endsWith('\n')) output.text('\n');
        output.result(saveSchema, document, () => renderSave(document));
      }
      return 0;
    },
  };
}
