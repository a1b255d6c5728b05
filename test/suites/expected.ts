// SPDX-License-Identifier: GPL-2.0-only
// What the single-instruction tests give on this CPU host. A change in either direction is looked into, then written here.
import type { FileResult } from './sst286-suite.ts';

type Expected = Pick<FileResult, 'tests' | 'passed' | 'exceptions' | 'portAccesses' | 'causes'>;

const row = (
  tests: number,
  passed: number,
  causes: Record<string, number> = {},
  { exceptions = 0, portAccesses = 0 } = {},
): Expected => ({ tests, passed, exceptions, portAccesses, causes });

export const EXPECTED: Readonly<Record<string, Expected>> = {
  '00': row(5000, 4960, { lock: 40 }),
  '27': row(5000, 5000),
  '40': row(1000, 1000),
  '54': row(5000, 4858, { lock: 142 }),
  '6C': row(2000, 1954, { lock: 46 }, { portAccesses: 15946 }),
  '6E': row(2000, 1953, { lock: 47 }, { portAccesses: 15860 }),
  '98': row(1000, 1000),
  '9D': row(5000, 4850, { lock: 150 }),
  A4: row(5000, 4885, { lock: 115 }),
  C2: row(
    5000,
    4824,
    { lock: 150, 'segment-limit': 24, 'lock + segment-limit': 2 },
    { exceptions: 26 },
  ),
  CD: row(5000, 4846, { lock: 153, 'bad-record': 1 }, { exceptions: 5000 }),
  E4: row(5000, 4847, { lock: 153 }, { portAccesses: 4847 }),
  E6: row(5000, 4847, { lock: 153 }, { portAccesses: 4847 }),
  EC: row(5000, 4846, { lock: 154 }, { portAccesses: 4846 }),
  EE: row(5000, 4847, { lock: 153 }, { portAccesses: 4847 }),
  'F6.6': row(5000, 4843, { lock: 157 }, { exceptions: 2581 }),
};
