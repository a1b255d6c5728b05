// SPDX-License-Identifier: GPL-2.0-only
// Messages of a device model's thread: those that make sense come through, of its own devices only.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readDeviceMessage } from '../../../src/machine/threads/device-report.ts';

const NAMES = ['counter@0x200-0x207', 'serial@0x3f8-0x3ff'];
const read = (message: unknown) => readDeviceMessage(message, NAMES, 2);

it('takes what device-worker says', () => {
  const bytes = Uint8Array.of(1, 2);
  expect(read({ what: 'output', bytes })).toEqual({ what: 'output', bytes });
  const report = {
    what: 'report',
    witnesses: [{ 'counter@0x200-0x207': { reads: 3, writes: 0 } }, {}],
    testimonies: { 'serial@0x3f8-0x3ff': { sent: 1, name: 'x', open: true } },
    state: { devices: {} },
  };
  expect(read(report)).toEqual(report);
});

it('leaves out what is not sound, and what is about devices of others', () => {
  expect(
    read({
      what: 'report',
      witnesses: [
        {
          'counter@0x200-0x207': { reads: -1, writes: 0 },
          'serial@0x3f8-0x3ff': { reads: 1, writes: 2 ** 60 },
          'verdict@0xf4': { reads: 1, writes: 1 },
          __proto__: { reads: 1, writes: 1 },
        },
        null,
        { 'counter@0x200-0x207': { reads: 1, writes: 1 } },
      ],
      testimonies: { 'counter@0x200-0x207': { more: {} }, 'verdict@0xf4': { lost: 7 } },
      state: {},
    }),
  ).toEqual({ what: 'report', witnesses: [{}, {}], testimonies: {}, state: {} });
});

it('never throws, and gives no third kind of message', () => {
  const anything = fc.oneof(
    fc.anything(),
    fc.record(
      {
        what: fc.oneof(fc.constantFrom('output', 'report'), fc.anything()),
        bytes: fc.anything(),
        witnesses: fc.oneof(fc.array(fc.anything()), fc.anything()),
        testimonies: fc.anything(),
        state: fc.anything(),
      },
      { requiredKeys: [] },
    ),
  );
  fc.assert(
    fc.property(anything, (message) => {
      expect([null, 'output', 'report']).toContain(read(message)?.what ?? null);
    }),
    { numRuns: 500 },
  );
});
