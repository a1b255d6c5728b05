// SPDX-License-Identifier: GPL-2.0-only
// `trapline stress --image <folder> --restore fresh`: a process for each checkpoint, killed at a drawn moment.

import { formatIoRange } from '../../dm/range.ts';
import type { ChainOptions, ChainReport } from '../../toolstack/image/chain.ts';
import { HvmError } from '../../util/errors.ts';
import { type ChainDocument, chainSchema } from '../chain-schemas.ts';
import type { Invocation, RunHooks } from '../command.ts';
import { runHooks } from '../command.ts';
import type { ExitCode } from '../exit-codes.ts';
import { OUTCOMES } from '../exit-codes.ts';
import { formatCount, formatDuration, formatTable } from '../format.ts';
import type { Styler } from '../output.ts';
import type { StressRequest } from '../stress-request.ts';

export interface ChainFlags {
  image?: string;
  restore?: 'fresh';
  fsync: boolean;
  linger?: number;
  perProcess?: number;
}

export type ChainRunner = (
  options: Omit<ChainOptions, 'start'>,
  hooks: RunHooks,
) => Promise<ChainReport>;

/** Most instructions from a commit to the next checkpoint: some milliseconds, and the guest's log does not lap. */
export const LINGER = 40_000;
const CHECKPOINTS = 100;

/** @throws HvmError HVM_USAGE when one of the two is given alone */
export function wantsChain({ image, linger, perProcess, restore }: ChainFlags): boolean {
  if ((image === undefined) !== (restore === undefined)) {
    throw new HvmError('HVM_USAGE', '--image and --restore fresh: expected both or neither');
  }
  if (image === undefined && linger !== undefined) {
    throw new HvmError('HVM_USAGE', '--linger: expected with --restore fresh');
  }
  if (image === undefined && perProcess !== undefined) {
    throw new HvmError('HVM_USAGE', '--per-process: expected with --restore fresh');
  }
  return image !== undefined;
}

/** The result as text. */
export function renderChain(document: ChainDocument, style: Styler): string {
  const { ledger, outcome } = document;
  const { accesses } = ledger;
  const rows = [
    [
      'checkpoints',
      `${formatCount(document.checkpoints)} in ${formatDuration(document.durationMs)}, ${formatCount(document.restored)} of them restored in a new process`,
    ],
    [
      'processes',
      `${formatCount(document.processes)}, killed ${formatCount(document.killed)} (${formatCount(document.barren)} before they had saved anything)`,
    ],
    [
      'accesses',
      `issued ${formatCount(accesses.issued)}, answered ${formatCount(accesses.answered)}, retired ${formatCount(accesses.retired)}`,
    ],
    ['lost', formatCount(ledger.lost)],
    ['duplicated', formatCount(ledger.duplicated)],
    ['forgotten', formatCount(document.forgotten)],
    ...(document.end === null
      ? []
      : [
          [
            'end',
            `${document.end.identical ? 'that' : 'not that'} of an undisturbed run of ${formatCount(document.end.instructions)} instructions`,
          ],
        ]),
  ];
  const reached = document.perProcess > 1 ? document.checkpoints : document.restored;
  const early = reached < document.checkpointsAsked ? 'the guest ended by itself; ' : '';
  const verdict =
    outcome === 'success'
      ? style('good', `${early}every access happened exactly once over all processes`)
      : style('bad', document.problem ?? 'interrupted');
  return [
    style('bold', `stress ${document.guest} --restore fresh, seed ${document.seed}`),
    formatTable(rows, { indent: '  ' }),
    verdict,
  ].join('\n');
}

/** Runs the chain and reports it. */
export async function stressChain(
  runner: ChainRunner,
  request: StressRequest,
  flags: ChainFlags & { checkpoints?: number },
  invocation: Invocation,
): Promise<ExitCode> {
  const { io, output, progress } = invocation;
  if (request.ledgerPath !== null) {
    throw new HvmError(
      'HVM_USAGE',
      '--restore fresh with --ledger: the books are kept in the folder of --image',
    );
  }
  const startMs = io.clock.nowMs();
  const result = await runner(
    {
      guest: request.guest,
      load: request.load,
      devices: request.devices.map(
        ({ factory, range }) => `${factory.name}@${formatIoRange(range)}`,
      ),
      revision: request.revision,
      seed: request.seed,
      checkpoints: flags.checkpoints ?? CHECKPOINTS,
      folder: flags.image ?? '',
      perProcess: flags.perProcess ?? 1,
      linger: flags.linger ?? LINGER,
      fsync: flags.fsync,
      threads: request.threads,
    },
    runHooks(invocation, `stress ${request.guest}`),
  );
  progress.erase();
  const durationMs = io.clock.nowMs() - startMs;
  const document: ChainDocument = { schema: 'trapline.chain/1', ...result, durationMs };
  output.result(chainSchema, document, (style) => renderChain(document, style));
  return OUTCOMES[document.outcome];
}
