// SPDX-License-Identifier: GPL-2.0-only
// `trapline merge <files...>`: the shards of a campaign as one verdict.
import { mergeCampaigns } from '../../toolstack/campaign/merge.ts';
import { campaignSchema } from '../../toolstack/campaign/shapes.ts';
import { readSource } from '../../toolstack/campaign/sources.ts';
import { renderCampaign } from '../campaign-text.ts';
import type { CliCommand } from '../command.ts';
import { OUTCOMES } from '../exit-codes.ts';
import type { ReportOptions } from '../report.ts';
import { addReportOption, withReport } from '../report.ts';

export const merge: CliCommand = {
  name: 'merge',
  summary: 'one verdict for the shards of a campaign',
  purpose:
    'Reads reports and --resume files of stress --seeds, in any order, and gives one report: every seed counts once, and what is missing is named. It is the same, byte for byte, however the seeds were divided, killed and resumed. A seed with two different results is a failure.',
  examples: [
    ['shard-*.jsonl', 'from the files given to --resume, also of shards that were killed'],
    ['one.json two.json --report all.json', 'from reports, into a report'],
  ],
  exitCodes: [0, 1, 3, 4, 5, 6],
  configure(command) {
    command.argument('<files...>', 'campaign reports, or files written by --resume');
    addReportOption(command);
  },
  async run({ output }, args, raw) {
    const document = await withReport(raw as ReportOptions, () =>
      mergeCampaigns(args.map(readSource)),
    );
    output.result(campaignSchema, document, (style) => renderCampaign(document, style));
    return OUTCOMES[document.outcome];
  },
};
