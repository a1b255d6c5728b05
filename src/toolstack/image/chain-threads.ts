// SPDX-License-Identifier: GPL-2.0-only
// One process of a chain whose vCPUs and device models are threads, or processes of their own.
import { parseDeviceSpec } from '../../dm/registry.ts';
import { Random } from '../../util/random.ts';
import type { Watch } from '../limits.ts';
import { threadedEpoch } from '../threads/domain-epoch.ts';
import { ThreadedDomain } from '../threads/threaded-domain.ts';
import type { ThreadsOptions } from '../threads/threads-options.ts';
import { isShort, standStill } from './chain-pace.ts';
import type { ChainLink, ChainWord } from './chain-words.ts';
import { Checkpointer } from './checkpointer.ts';
import type { LoadedImage } from './load.ts';

/** The guest runs for up to so long between two checkpoints, in ms. */
const MOST_REST_MS = 20;

/** As `runLink()`, of a domain in threads. @throws HvmError as restore and stress do */
export async function runThreadedLink(
  link: ChainLink,
  threads: ThreadsOptions,
  from: LoadedImage | null,
  say: (word: ChainWord) => void,
  watch: Watch,
): Promise<void> {
  const random = new Random(link.seed);
  // Counted where the guest ends soon, else time decides.
  const steps = isShort(link.linger) ? 1 + random.below(link.linger) : null;
  const rest = (ms: number): Promise<void> => new Promise((then) => watch.idle(ms, then));
  using file = new Checkpointer(link.image, link.fsync);
  const domain = await ThreadedDomain.start(
    {
      ...link,
      ...threads,
      load: { iterations: 0, ...link.load },
      devices: link.devices.map(parseDeviceSpec),
      ledgerPath: link.ledger,
      measure: false,
      from,
      images: { fsync: link.fsync },
      pauses: steps === null ? null : { every: steps, last: Number.MAX_SAFE_INTEGER },
    },
    watch,
  );
  try {
    let n = from?.state.checkpoint ?? 0;
    let ended = false;
    while (n < link.until && !domain.failed && !ended) {
      if (steps === null) await rest(random.below(MOST_REST_MS));
      else while (!domain.stopped) await rest(1);
      ended = domain.ended || !(await domain.shutDown());
      if (ended) break;
      n++;
      await domain.capture(n);
      const { shape, state, written } = threadedEpoch(domain, n);
      file.commitPages(shape, domain.ram.bytes, written, state);
      say({ what: 'committed', checkpoint: n });
      await standStill(link.linger, random, watch);
      await domain.resume();
    }
    const { vcpus } = await domain.finish('the chain ends', !ended);
    const end = ended ? (vcpus.find((v) => v.ended !== null)?.ended ?? 'crashed') : null;
    const problems = vcpus.flatMap((v) => [
      ...v.report.violations.map((violation) => violation.message),
      ...(v.gap === null ? [] : [`the guest logged ${v.gap.got} where ${v.gap.expected} was due`]),
    ]);
    const verdict = vcpus.find((v) => v.verdict !== null)?.verdict ?? null;
    say({ what: 'ended', end, failed: problems[0] ?? null, verdict, checkpoint: n });
  } finally {
    await domain.stop();
  }
}
