// SPDX-License-Identifier: GPL-2.0-only
// A second opinion on every form of the CPU contract: see judge.ts for who is asked, causes.ts for what may differ.
import { expect, it } from 'vitest';
import { agrees } from './agrees.ts';
import { formCases } from './forms.ts';
import { askKvm, askProcessor } from './judge.ts';

it('KVM makes the accesses of every form and leaves what the CPU host leaves', (context) => {
  const cases = formCases();
  expect(cases.length).toBeGreaterThan(300);
  agrees(context, 'forms through KVM', cases, askKvm, 80);
}, 300_000);

it('the processor leaves what the CPU host leaves', (context) => {
  agrees(context, 'forms on the processor', formCases(), askProcessor, 50);
}, 300_000);
