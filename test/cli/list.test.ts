// SPDX-License-Identifier: GPL-2.0-only
// trapline list: complete, in both forms.
import { describe, expect, it } from 'vitest';
import {
  listDevicesSchema,
  listErrorsSchema,
  listGuestsSchema,
  listRevisionsSchema,
} from '../../src/cli/list-schemas.ts';
import { listDevices } from '../../src/dm/registry.ts';
import { listGuestNames } from '../../src/machine/loader.ts';
import { ERROR_CODES } from '../../src/util/errors.ts';
import { REVISION_NAMES } from '../../src/xen/hvm/revision.ts';
import { cli } from '../helpers/cli.ts';

async function json(what: string): Promise<unknown> {
  const { code, out, err } = await cli(['list', what, '--json']);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return JSON.parse(out);
}

describe('trapline list', () => {
  it('guests: every folder of guests/', async () => {
    const { guests } = listGuestsSchema.parse(await json('guests'));
    expect(guests.map((guest) => guest.name)).toEqual(listGuestNames());
    expect(guests.map((guest) => guest.name)).toContain('counter');
    const { out } = await cli(['list', 'guests']);
    for (const { name } of guests) expect(out).toContain(`${name}  `);
  });

  it('devices: every registered device with its ranges', async () => {
    const { devices } = listDevicesSchema.parse(await json('devices'));
    expect(devices.map((device) => device.name)).toEqual(listDevices().map(({ name }) => name));
    const { out } = await cli(['list', 'devices']);
    for (const { ranges } of devices) expect(out).toContain(ranges.join(', '));
  });

  it('revisions: every revision, and what each switch means', async () => {
    const { revisions, switches } = listRevisionsSchema.parse(await json('revisions'));
    expect(revisions.map((revision) => revision.name)).toEqual(REVISION_NAMES);
    for (const revision of revisions) {
      expect(Object.keys(revision.switches)).toEqual(Object.keys(switches));
    }
    const { out } = await cli(['list', 'revisions']);
    for (const name of [...REVISION_NAMES, ...Object.keys(switches)]) expect(out).toContain(name);
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it('errors: every code with its exit code', async () => {
    const { errors } = listErrorsSchema.parse(await json('errors'));
    const table = Object.entries(ERROR_CODES).map(([code, { exit, meaning }]) => ({
      code,
      meaning,
      exitCode: exit,
    }));
    expect(errors).toEqual(table);
    const { out } = await cli(['list', 'errors']);
    for (const { code } of table) expect(out).toContain(code);
    for (const { meaning } of table) expect(out).toContain(meaning);
  });

  it('refuses anything else', async () => {
    const { code, err } = await cli(['list', 'everything']);
    expect(code).toBe(2);
    expect(err).toContain('Allowed choices are guests, devices');
  });
});
