// SPDX-License-Identifier: GPL-2.0-only
// `trapline replay STRING`: one schedule again, step by step, with what stands where after each.
import type { Command } from 'commander';
import type { Scenario } from '../../explore/scenario.ts';
import type { Choice } from '../../explore/schedule.ts';
import { formatSchedule, parseSchedule } from '../../explore/schedule.ts';
import type { Told } from '../../explore/tell.ts';
import { revisionLabel } from '../../toolstack/museum/index.ts';
import { ASSERT } from '../../util/assert.ts';
import { HvmError } from '../../util/errors.ts';
import type { RevisionName } from '../../xen/hvm/revision.ts';
import { REVISION_NAMES } from '../../xen/hvm/revision.ts';
import type { CliCommand } from '../command.ts';
import type { ExitCode } from '../exit-codes.ts';
import { addCpuOption, toldDocument } from '../explore-document.ts';
import { type ReplayDocument, replaySchema } from '../explore-schemas.ts';
import { renderFindings, renderSteps, sizeWords } from '../explore-text.ts';
import { formatCount } from '../format.ts';
import type { GuestOptions } from '../options.ts';
import { addGuestOptions, guestRequest, numberValue } from '../options.ts';
import type { Styler } from '../output.ts';
import type { ReportOptions } from '../report.ts';
import { addReportOption, withReport } from '../report.ts';

export interface Replayed {
  told: Told;
  /** Runs that were the same in every event, the first included. */
  same: number;
}

/** @throws HvmError when the choices do not fit the scenario */
export type ReplayRunner = (
  scenario: Scenario,
  choices: readonly Choice[],
  times: number,
) => Replayed;

interface Flags extends GuestOptions, ReportOptions {
  cpu: 'real' | 'scripted';
  revision?: RevisionName;
  times: number;
}

/** The result as text. */
export function renderReplay(document: ReplayDocument, style: Styler): string {
  const { guest, revision, cpu, told, times, same, outcome } = document;
  const misfits =
    told.misfits > 0
      ? [
          `${formatCount(told.misfits)} choices of the schedule are not possible here and were left out`,
        ]
      : [];
  return [
    style('bold', `replay ${guest}, revision ${revision}, CPU ${cpu}: ${sizeWords(told)}`),
    ...renderSteps(told, style),
    ...misfits,
    ...(times > 1
      ? [`run ${formatCount(times)} times, ${formatCount(same)} of them the same in every event`]
      : []),
    ...renderFindings(told.findings, style),
    style(
      outcome === 'success' ? 'good' : 'bad',
      outcome === 'success' ? 'nothing is broken' : 'broken, as above',
    ),
  ].join('\n');
}

/** @param runner - runs one schedule */
export function replayCommandOf(runner: ReplayRunner): CliCommand {
  return {
    name: 'replay',
    summary: 'one schedule of explore again, step by step',
    purpose:
      'Runs the schedule that a string of trapline explore stands for, and prints every step with the state after it: the slot, the latched request, the deferral, the shutdown. The string holds guest, revision, accesses, checkpoints and choices.',
    examples: [
      ['t1:counter:before-b7e0d8978810:1.1:c0.it', 'the race, step by step'],
      [
        't1:counter:before-b7e0d8978810:1.1:c0.it --revision fixed',
        'the same choices with the fix',
      ],
    ],
    exitCodes: [0, 1, 5],
    configure(command: Command) {
      command.argument('<string>', 'a schedule, as trapline explore prints it');
      addGuestOptions(command);
      command
        .optionsGroup('Replay:')
        .option(
          '--revision <name>',
          "in place of the schedule's own; choices that do not fit are left out",
          (text) => {
            const name = REVISION_NAMES.find((it) => it === text);
            if (name === undefined) {
              throw new HvmError(
                'HVM_USAGE',
                `--revision '${text}': expected one of ${REVISION_NAMES.join(', ')}`,
              );
            }
            return name;
          },
        )
        .option(
          '--times <n>',
          'run it so often and compare every event',
          numberValue('--times', 1, 10_000_000),
          1,
        );
      addCpuOption(command);
      addReportOption(command);
    },
    async run(invocation, args, raw): Promise<ExitCode> {
      const flags = raw as Flags;
      const [text] = args;
      ASSERT(text !== undefined, 'a schedule is given');
      const schedule = parseSchedule(text);
      const { guest, ios, checkpoints, extras, choices } = schedule;
      const revision = flags.revision ?? schedule.revision;
      const bug = flags.revision === undefined ? schedule.bug : null;
      const scenario: Scenario = {
        ...guestRequest(guest, flags),
        revision,
        bug,
        cpu: flags.cpu,
        ios,
        checkpoints,
        ...extras,
      };
      const { clock } = invocation.io;
      const body = (): ReplayDocument => {
        const startMs = clock.nowMs();
        const { told, same } = runner(scenario, choices, flags.times);
        if (told.misfits > 0 && flags.revision === undefined) {
          throw new HvmError(
            'HVM_USAGE',
            `schedule '${text.slice(0, 60)}': ${told.misfits} of its choices are not possible; expected a string that explore has printed, with the same guest and devices`,
          );
        }
        const failed = told.findings.length > 0 || same < flags.times;
        return {
          schema: 'trapline.replay/1',
          outcome: failed ? 'failure' : 'success',
          guest,
          revision: revisionLabel(revision, bug),
          bug: bug?.id ?? null,
          cpu: flags.cpu,
          ios,
          checkpoints,
          vcpus: extras.vcpus,
          kills: extras.kills,
          interrupts: extras.irqs,
          schedule: formatSchedule({ ...schedule, revision, bug }),
          told: toldDocument(told),
          times: flags.times,
          same,
          durationMs: clock.nowMs() - startMs,
        };
      };
      const document = await withReport(flags, body);
      invocation.progress.erase();
      invocation.output.result(replaySchema, document, (style) => renderReplay(document, style));
      return document.outcome === 'success' ? 0 : 1;
    },
  };
}
