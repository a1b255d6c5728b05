// SPDX-License-Identifier: GPL-2.0-only
// Every device of the package under checkDevice(), with what is declared about it.
import { describe, expect, test } from 'vitest';
import { checkDevice, formatCheck } from '../../src/check/index.ts';
import { BUILTIN_DEVICES } from '../../src/dm/builtin.ts';
import { RULES } from './rules.ts';

describe.each(BUILTIN_DEVICES)('$name', (factory) => {
  test('is well', () => {
    const rules = RULES[factory.name] ?? {};
    expect(formatCheck(checkDevice(factory, { rules }))).toMatch(/: all well \(/);
  });
});
