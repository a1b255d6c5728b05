// SPDX-License-Identifier: GPL-2.0-only
// What the page of a run in threads says beside that of any other.
import { expect, test } from 'vitest';
import { stressPage } from '../../../src/report/stress-page.ts';
import * as data from './data.ts';

const clean = Object.values(data).find(
  (value): value is Parameters<typeof stressPage>[0] =>
    typeof value === 'object' && value !== null && 'checkpointsAsked' in value,
);

test('a run in threads does not promise to be repeatable', () => {
  expect(clean).toBeDefined();
  if (clean === undefined) return;
  const repeatable = 'Everything else follows from guest, revision, seed';
  expect(stressPage({ ...clean, threads: false })).toContain(repeatable);
  const page = stressPage({ ...clean, threads: true });
  expect(page).not.toContain(repeatable);
  expect(page).toContain('no other run is the same');
});

test('device models that were given up are named, as text', () => {
  expect(clean).toBeDefined();
  if (clean === undefined) return;
  const page = stressPage({ ...clean, deviceModels: [{ server: 3, why: 'died <b>twice</b>' }] });
  expect(page).toContain('device model 3');
  expect(page).toContain('died &lt;b&gt;twice');
});
