// SPDX-License-Identifier: GPL-2.0-only
// `trapline list`: what there is.
import { Argument } from 'commander';
import { listDevices } from '../../dm/registry.ts';
import { listGuests } from '../../machine/loader.ts';
import { ERROR_CODES } from '../../util/errors.ts';
import type { SwitchName } from '../../xen/hvm/revision.ts';
import { REVISION_NAMES, REVISIONS, SWITCHES } from '../../xen/hvm/revision.ts';
import type { CliCommand } from '../command.ts';
import { formatTable, wrap } from '../format.ts';
import {
  listDevicesSchema,
  listErrorsSchema,
  listGuestsSchema,
  listRevisionsSchema,
} from '../list-schemas.ts';
import type { Output } from '../output.ts';

const SWITCH_NAMES = Object.keys(SWITCHES) as SwitchName[];

/** Text under a title, wrapped to 80 columns. */
function indented(text: string): string[] {
  return wrap(text, 76).map((line) => `    ${line}`);
}

const LISTS: Readonly<Record<string, (output: Output) => void>> = {
  guests(output) {
    const guests = listGuests().map(({ name, purpose, format, devices, verdict }) => ({
      name,
      purpose,
      format,
      devices,
      verdict,
    }));
    output.result(listGuestsSchema, { schema: 'trapline.list-guests/1', guests }, (style) =>
      guests
        .map(({ name, purpose, devices }) => {
          const title = `${style('bold', name)}  ${devices.join(' ')}`;
          return [title, ...indented(purpose)].join('\n');
        })
        .join('\n'),
    );
  },
  devices(output) {
    const devices = listDevices().map(({ name, summary, defaultRange, defaultMmioRange }) => ({
      name,
      summary,
      ranges: [defaultRange, ...(defaultMmioRange === undefined ? [] : [defaultMmioRange])],
    }));
    output.result(listDevicesSchema, { schema: 'trapline.list-devices/1', devices }, (style) =>
      devices
        .map(
          ({ name, summary, ranges }) =>
            `${style('bold', name)}  ${ranges.join(', ')}\n    ${summary}`,
        )
        .join('\n'),
    );
  },
  revisions(output) {
    const revisions = REVISION_NAMES.map((key) => {
      const revision = REVISIONS[key];
      const switches = Object.fromEntries(
        SWITCH_NAMES.map((name) => [name, revision[name]]),
      ) as Record<SwitchName, boolean>;
      return { name: key, reason: revision.reason, switches };
    });
    const document = {
      schema: 'trapline.list-revisions/1' as const,
      revisions,
      switches: { ...SWITCHES },
    };
    output.result(listRevisionsSchema, document, (style) => {
      const lines = revisions.flatMap(({ name, reason, switches }) => [
        style('bold', name),
        ...indented(reason),
        ...Object.keys(switches)
          .filter((key) => switches[key as SwitchName])
          .map((key) => `    + ${key}`),
      ]);
      const meanings = Object.entries(SWITCHES).flatMap(([name, { origin, reason }]) => [
        `${style('bold', name)} (${origin})`,
        ...indented(reason),
      ]);
      return [...lines, '', ...meanings].join('\n');
    });
  },
  errors(output) {
    const errors = Object.entries(ERROR_CODES).map(([code, { exit, meaning }]) => ({
      code,
      meaning,
      exitCode: exit,
    }));
    output.result(listErrorsSchema, { schema: 'trapline.list-errors/1', errors }, () =>
      formatTable(
        [
          ['exit', 'code', 'meaning'],
          ...errors.map(({ code, meaning, exitCode }) => [String(exitCode), code, meaning]),
        ],
        { right: [0] },
      ),
    );
  },
};

export const list: CliCommand = {
  name: 'list',
  summary: 'show what there is',
  examples: [
    ['guests', 'every guest that comes with the package'],
    ['errors --json', 'every error code with its exit code, for a program'],
  ],
  exitCodes: [0],
  configure(command) {
    command.addArgument(new Argument('<what>', 'what to list').choices(Object.keys(LISTS)));
  },
  run({ output }, args) {
    LISTS[args[0] ?? '']?.(output);
    return 0;
  },
};
