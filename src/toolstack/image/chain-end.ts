// SPDX-License-Identifier: GPL-2.0-only
// The end of a PC that went through many processes: restored from its last image, beside a run that nobody disturbed.
import { readLedger } from '../../ledger/file-reader.ts';
import { Ledger } from '../../ledger/ledger.ts';
import { RunLoop } from '../../machine/run-loop.ts';
import type { Watch } from '../limits.ts';
import type { SessionOptions } from '../session.ts';
import { OutputDigest } from '../undisturbed/output-digest.ts';
import { AccessTape } from '../undisturbed/tape.ts';
import { type EndReport, instructionsOf, Undisturbed } from '../undisturbed/undisturbed.ts';
import { fileSource, loadImage } from './read.ts';
import { restoreMachine } from './restore.ts';

/**
 * @param image - the last one of the chain
 * @param ledger - the chain's books; what stands in them behind the image is left out
 * @returns null for a guest that is no PC, or when the signal has come
 */
export async function compareChainEnd(
  image: string,
  ledger: string,
  options: Pick<SessionOptions, 'guest' | 'load' | 'devices' | 'revision'>,
  watch: Watch,
): Promise<EndReport | null> {
  const loaded = await loadImage(fileSource(image));
  const { pc, vcpus } = loaded.state;
  if (pc === null || vcpus.length > 1) return null;
  const tape = new AccessTape();
  using plain = new Undisturbed(options, tape);
  const known = vcpus[0].ledger?.events ?? 0;
  for await (const event of readLedger(ledger)) {
    if (event.seq >= known) break;
    if (event.stage !== 'mark') tape.access(event.stage, event.seq, event.access);
  }
  const books = new Ledger({ sinks: [tape] });
  const from = loaded.state.output;
  const output = from === null ? null : new OutputDigest(() => {}, from);
  const { machine } = restoreMachine(loaded, {
    ledger: books,
    ...(output === null ? {} : { output: output.put }),
  });
  using _machine = machine;
  books.goOn({
    events: known,
    totals: { issued: 0, answered: 0, retired: 0 },
    checkpoints: 0,
    resumes: 0,
  });
  const loop = new RunLoop(machine);
  loop.deadline = instructionsOf(machine) + 1;
  const stop = loop.run();
  machine.regs.settle();
  books.drain();
  return await plain.compare({ machine, stop, output }, watch);
}
