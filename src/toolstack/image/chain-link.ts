// SPDX-License-Identifier: GPL-2.0-only
// One process of a chain: goes on from the image, takes checkpoints into it, until it is killed or the chain is long enough.

import { parseDeviceSpec } from '../../dm/registry.ts';
import { Random } from '../../util/random.ts';
import type { Watch } from '../limits.ts';
import { CheckpointSession } from '../session.ts';
import { isShort, standStill } from './chain-pace.ts';
import { runThreadedLink } from './chain-threads.ts';
import type { ChainLink, ChainWord } from './chain-words.ts';
import { Checkpointer } from './checkpointer.ts';
import { fileSource, loadImage } from './read.ts';

/** Runs until the chain's end, a violation, or SIGKILL. @throws HvmError as restore and stress do */
export async function runLink(
  link: ChainLink,
  say: (word: ChainWord) => void,
  watch: Watch,
): Promise<void> {
  const from = link.resume ? await loadImage(fileSource(link.image)) : null;
  if (link.threads !== null) return await runThreadedLink(link, link.threads, from, say, watch);
  const random = new Random(link.seed);
  using file = new Checkpointer(link.image, link.fsync);
  using session = new CheckpointSession({
    guest: link.guest,
    load: link.load,
    devices: link.devices.map(parseDeviceSpec),
    revision: link.revision,
    seed: link.seed,
    ledgerPath: link.ledger,
    from,
    between: isShort(link.linger) ? link.linger : null,
    onCaptured: (s) => {
      file.commit(s.machine, s.snapshot, {
        revision: from?.state.revision ?? link.revision,
        checkpoint: s.checkpoints,
        ledger: s.ledgerPosition(link.fsync),
        log: s.log.position,
        output: s.outputPosition,
      });
      say({ what: 'committed', checkpoint: s.checkpoints });
    },
  });
  let end: string | null = null;
  while (session.checkpoints < link.until && !session.failed && end === null) {
    if (!isShort(link.linger)) {
      // Behind a commit: accesses that the next process takes back, unless a checkpoint comes first.
      session.loop.deadline = session.machine.cpu.icount + 1 + random.below(link.linger);
      const stop = session.loop.run();
      if (stop !== 'deadline') end = stop;
    }
    end ??= session.next(Number.MAX_SAFE_INTEGER);
    await standStill(link.linger, random, watch);
  }
  const first = session.checker.first?.message ?? null;
  const failed = session.failed ? (first ?? 'the guest or its log noticed') : null;
  session.finish(end === null, end ?? 'the chain is long enough');
  const { verdict } = session.machine;
  say({ what: 'ended', end, failed, verdict, checkpoint: session.checkpoints });
}
