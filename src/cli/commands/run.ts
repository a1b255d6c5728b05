// SPDX-License-Identifier: GPL-2.0-only
// `trapline run <guest>`: one guest until its verdict, its end or a limit.
import type { DeviceContext } from '../../dm/device.ts';
import type { Operator } from '../../machine/operator.ts';
import type { Pc } from '../../machine/pc/platform.ts';
import type { RunImageOptions } from '../../toolstack/image/run-images.ts';
import type { MuseumBug } from '../../toolstack/museum/index.ts';
import type { ThreadsOptions } from '../../toolstack/threads/threads-options.ts';
import { ASSERT } from '../../util/assert.ts';
import type { RevisionName } from '../../xen/hvm/revision.ts';
import type { CliCommand, RunHooks } from '../command.ts';
import { runHooks } from '../command.ts';
import { Console } from '../console.ts';
import type { ExitCode } from '../exit-codes.ts';
import { OUTCOMES } from '../exit-codes.ts';
import { formatCount, formatDuration } from '../format.ts';
import type { ImageFlags } from '../image-options.ts';
import { addImageOptions, addLedgerOption, imageRequest } from '../image-options.ts';
import type { GuestOptions, GuestRequest, LimitOptions } from '../options.ts';
import { addGuest, addLimitOptions, bugOption, revisionOption } from '../options.ts';
import type { Styler } from '../output.ts';
import {
  addPcOptions,
  addPcRunOptions,
  openSerial,
  type PcFlags,
  type PcRunFlags,
  pcGuestRequest,
} from '../pc-options.ts';
import type { ReportOptions } from '../report.ts';
import { addReportOption, withReport } from '../report.ts';
import type { RestoreDocument, RunDocument } from '../run-schemas.ts';
import { runSchema } from '../run-schemas.ts';
import type { ScreenFlags } from '../screen-options.ts';
import { addScreenOptions, screenRequest } from '../screen-options.ts';
import { ScreenTerminal } from '../screen-terminal.ts';
import type { ThreadsFlags } from '../threads-options.ts';
import { addThreadsOptions, threadsRequest } from '../threads-options.ts';

/** What was asked for on the command line, with every default filled in. */
export interface RunRequest extends GuestRequest {
  revision: RevisionName;
  /** In place of `revision`, or null. */
  bug: MuseumBug | null;
  /** null: what the guest's manifest says, else no bound. */
  maxInstructions: number | null;
  timeoutMs: number | null;
  /** Checkpoints into a file; null: none. */
  image: RunImageOptions | null;
  /** null: no books are kept. */
  ledgerPath: string | null;
  /** null: everything on one thread. */
  threads: ThreadsOptions | null;
}

/** What a running guest says and hears. */
export interface RunTerminal {
  /** One byte the guest wrote. */
  output(byte: number): void;
  /** Resolves when all of it has left the process. */
  flushed?(): Promise<void>;
  started?(what: string): void;
  line?: Partial<DeviceContext>;
  realTime?: boolean;
  /** Standard input is the keyboard. */
  seated?: boolean;
  operator?: Operator | null;
  look?(number: number, pc: Pc): void;
  ended?(pc: Pc): void;
}

/** Everything of the document that the run knows. */
export type RunResult = Omit<RunDocument, 'schema' | 'durationMs' | 'console'>;

/** @throws HvmError before the guest runs when the request makes no sense */
export type RunRunner = (
  request: RunRequest,
  hooks: RunHooks & RunTerminal,
) => Promise<RunResult> | RunResult;

type RunOptions = GuestOptions &
  LimitOptions &
  ReportOptions &
  ImageFlags &
  ThreadsFlags &
  PcFlags &
  PcRunFlags &
  ScreenFlags & { revision: RevisionName; bug?: MuseumBug; ledger?: string };

function endLine(document: RunDocument | RestoreDocument): string {
  const { crash, guest, limit, outcome, script, verdict } = document;
  switch (outcome) {
    case 'crashed':
      return `${guest} crashed its domain: ${crash?.reason ?? 'no reason recorded'}`;
    case 'limit':
      return `${guest} reached a limit: ${limit ?? 'unknown'}`;
    case 'interrupted':
      return `${guest} was interrupted`;
    default:
      if (script !== null && script.problem !== null) return `${guest}: ${script.problem}`;
      if (script !== null) return `${guest} came to the end of its session`;
      if (typeof document.pc?.exitCode === 'number') {
        return `${guest} ended with exit code ${document.pc.exitCode}`;
      }
      return verdict === null ? `${guest} halted without a verdict` : `${guest} reports ${verdict}`;
  }
}

/** So many are named; all of them are in the document. */
const NAMED = 8;

/** What the guest wanted that is not there: a guest that needs it is told apart from one that fails. */
function missingLines(pc: RunDocument['pc']): string[] {
  if (pc === null) return [];
  const all = Object.entries(pc.missing);
  const named = all.slice(0, NAMED).map(([what, times]) => `${what} (${formatCount(times)})`);
  const rest = all.length > NAMED ? [`${formatCount(all.length - NAMED)} more`] : [];
  const lines = all.length === 0 ? [] : [`not there: ${[...named, ...rest].join(', ')}`];
  if (pc.sectorsWritten > 0) {
    lines.push(`${formatCount(pc.sectorsWritten)} sectors written to the images`);
  }
  if (pc.filesWritten > 0) lines.push(`${formatCount(pc.filesWritten)} files written to --dir`);
  return lines;
}

/** The end of a run as one line of text; what the guest wrote came before it. */
export function renderRun(document: RunDocument | RestoreDocument, style: Styler): string {
  const { checkpoints, durationMs, instructions, ledger, outcome } = document;
  const exits = Object.values(document.exits).reduce((sum, n) => sum + n, 0);
  const cost = `${formatCount(instructions)} instructions, ${formatCount(exits)} exits, ${formatDuration(durationMs)}`;
  const end = `${style(outcome === 'success' ? 'good' : 'bad', endLine(document))} (${cost})`;
  const lines = [end];
  if (checkpoints !== null) {
    const { bytes, last, taken, whole } = checkpoints;
    lines.push(
      `${formatCount(taken)} checkpoints, ${formatCount(whole)} of them whole; the image is at checkpoint ${formatCount(last)}, ${formatCount(bytes)} bytes`,
    );
  }
  if (ledger !== null) {
    const { accesses, problem } = ledger;
    const judged = problem ?? 'every access happened exactly once';
    lines.push(`${formatCount(accesses.retired)} accesses in the ledger: ${judged}`);
  }
  lines.push(...missingLines(document.pc));
  return lines.join('\n');
}

/** @param runner - builds the machine and runs it */
export function runCommand(runner: RunRunner): CliCommand {
  return {
    name: 'run',
    summary: 'run a guest until its verdict, its end or a limit',
    purpose:
      'Runs one guest, with --checkpoint-every under checkpoints that go into a file. What it writes to the debug console and the serial line appears on stdout.',
    examples: [
      ['hello', 'a guest that comes with the package'],
      ['dos.img --bios seabios --timeout 5s', 'a floppy of your own, on a PC'],
    ],
    exitCodes: [0, 1, 3, 4, 5, 6, 130, 143],
    configure(command) {
      addGuest(command);
      command.addOption(revisionOption()).addOption(bugOption(['image', 'threads']));
      addPcOptions(command);
      addPcRunOptions(command);
      addScreenOptions(command);
      addImageOptions(command);
      addThreadsOptions(command);
      addLimitOptions(command);
      addLedgerOption(command, 'write every access to this file, see ledger check');
      addReportOption(command);
    },
    async run(invocation, args, raw): Promise<ExitCode> {
      const options = raw as RunOptions;
      const [guest] = args;
      ASSERT(guest !== undefined, 'a guest is given');
      const { io, output, progress } = invocation;
      const terminal = new Console((text) => {
        progress.erase();
        // Beside the guest's screen there is no room for it: it is in the report.
        if (!options.screen) output.text(text);
      });
      const screen = screenRequest(options, (text) => {
        terminal.flush();
        output.text(text);
      });
      const request: RunRequest = {
        ...pcGuestRequest(guest, options, screen.script),
        revision: options.revision,
        bug: options.bug ?? null,
        maxInstructions: options.maxInstructions ?? null,
        timeoutMs: options.timeout ?? null,
        image: imageRequest(options),
        ledgerPath: options.ledger ?? null,
        threads: threadsRequest(options),
      };
      const document = await withReport(options, async (): Promise<RunDocument> => {
        using seat = options.screen ? new ScreenTerminal(process) : null;
        const startMs = io.clock.nowMs();
        using serial = openSerial(options.serial);
        const result = await runner(request, {
          ...runHooks(invocation, `run ${guest}`),
          output: (byte) => terminal.put(byte),
          flushed: async () => {
            terminal.flush();
            await io.drained?.();
          },
          started: (what) => {
            progress.erase();
            if (seat === null) output.note(`trapline: ${what}`);
          },
          ...(serial === null ? {} : { line: { output: serial.put } }),
          realTime: options.time === 'real' || seat !== null,
          ...(screen.wanted ? { look: screen.look, ended: screen.last } : {}),
          ...(seat === null ? {} : { operator: seat.desk, seated: true, tick: () => io.breathe() }),
        });
        terminal.flush();
        return {
          schema: 'trapline.run/1',
          ...result,
          console: terminal.text,
          durationMs: io.clock.nowMs() - startMs,
        };
      });
      progress.erase();
      if (terminal.text !== '' && !terminal.text.endsWith('\n')) output.text('\n');
      output.result(runSchema, document, (style) => renderRun(document, style));
      return OUTCOMES[document.outcome];
    },
  };
}
