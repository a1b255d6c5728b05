// SPDX-License-Identifier: GPL-2.0-only
// docs/ledger.md against the code: every kind is listed, and the example file is a clean ledger.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { checkLedgerLines } from '../../../src/ledger/checker.ts';
import type { ViolationKind } from '../../../src/ledger/violations.ts';
import { VIOLATION_KINDS } from '../../../src/ledger/violations.ts';
import { chain } from './history.ts';

const PAGE = readFileSync(new URL('../../../docs/ledger.md', import.meta.url), 'utf8');

test('the page lists every kind of violation under its class', () => {
  for (const kind of Object.keys(VIOLATION_KINDS) as ViolationKind[]) {
    const row = PAGE.split('\n').find((line) =>
      line.startsWith(`| ${VIOLATION_KINDS[kind].class} |`),
    );
    expect(row).toContain(`\`${kind}\``);
  }
});

test('the example, with its hashes filled in, passes the check', () => {
  const example = /```\n(\{"format"[^`]*)\n```/.exec(PAGE)?.[1]?.split('\n') ?? [];
  const bodies = example.map((line) => line.replace(',"h":"…"', ''));
  const head = /"h":"([0-9a-f]{64})"\}$/.exec(chain(bodies.slice(0, -1)).at(-1) ?? '')?.[1] ?? '';
  const last = (bodies.at(-1) ?? '').replace('"head":"…"', `"head":"${head}"`);
  const check = checkLedgerLines(chain([...bodies.slice(0, -1), last]));
  expect(check.violations).toEqual([]);
  expect(check).toMatchObject({ ok: true, events: 7, checkpoints: 1 });
});
