// SPDX-License-Identifier: GPL-2.0-only
// `trapline stress --seeds`: a stress run for each of many seeds, with any runner.
import type { CampaignStore } from '../../toolstack/campaign/campaign.ts';
import { runCampaign } from '../../toolstack/campaign/campaign.ts';
import { buildIdentity, identityOf } from '../../toolstack/campaign/identity.ts';
import { seedRangeText } from '../../toolstack/campaign/seeds.ts';
import type { SeedResult } from '../../toolstack/campaign/shapes.ts';
import { campaignSchema } from '../../toolstack/campaign/shapes.ts';
import { StateFile } from '../../toolstack/campaign/state-file.ts';
import { stateHeader } from '../../toolstack/campaign/state-format.ts';
import { buildFiles } from '../build.ts';
import type { CampaignRequest } from '../campaign-options.ts';
import { renderCampaign } from '../campaign-text.ts';
import type { Invocation } from '../command.ts';
import type { ExitCode } from '../exit-codes.ts';
import { OUTCOMES } from '../exit-codes.ts';
import { formatCount } from '../format.ts';
import type { ReportOptions } from '../report.ts';
import { withReport } from '../report.ts';
import type { StressRequest, StressRunner } from '../stress-request.ts';

/** Without --resume nothing is kept. */
class Memory implements CampaignStore, Disposable {
  readonly results: readonly SeedResult[] = [];
  append(): void {}
  [Symbol.dispose](): void {}
}

/** A campaign as it was asked for. */
export interface CampaignRun {
  /** For every seed, but for the seed. */
  request: StressRequest;
  campaign: CampaignRequest;
  /** Whether the runner gives the same result for the same seed every time. */
  repeatable: boolean;
}

export async function stressCampaign(
  runner: StressRunner,
  { campaign: asked, repeatable, request }: CampaignRun,
  invocation: Invocation,
  options: ReportOptions,
): Promise<ExitCode> {
  const { io, progress, signal } = invocation;
  const { seeds, shard } = asked;
  const campaign = identityOf(buildIdentity(buildFiles()), request, repeatable);
  const document = await withReport(options, async () => {
    using store: CampaignStore & Disposable =
      asked.resume === null
        ? new Memory()
        : new StateFile(asked.resume, stateHeader({ campaign, seeds, shard }));
    const name = `stress ${campaign.guest.name}, seeds ${seedRangeText(seeds)}`;
    let now = { label: name, run: 0, total: null as number | null };
    const tick = (): Promise<void> | undefined => progress.tick(now.label, now.run, now.total);
    return await runCampaign(
      { campaign, ...asked },
      (seed) => runner({ ...request, seed }, { signal, tick }),
      store,
      {
        signal,
        clock: io.clock,
        progress: ({ bad, before, run, total }) => {
          const went = bad === 0 ? '' : `, ${formatCount(bad)} bad`;
          const there = before === 0 ? '' : `, ${formatCount(before)} before`;
          now = { label: `${name}${went}${there}`, run, total };
        },
      },
    );
  });
  progress.erase();
  invocation.output.result(campaignSchema, document, (style) => renderCampaign(document, style));
  return OUTCOMES[document.outcome];
}
