// SPDX-License-Identifier: GPL-2.0-only
// trapline ledger check: from a file to text, document and exit code. The judging is tested in test/unit/ledger/.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ledgerCheckSchema } from '../../src/cli/check-schemas.ts';
import { createAccess } from '../../src/ledger/events.ts';
import { LedgerWriter } from '../../src/ledger/file-writer.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import { cli } from '../helpers/cli.ts';

let folder: string;
let file: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'trapline-ledger-'));
  file = join(folder, 'run.jsonl');
  using writer = new LedgerWriter(file);
  const ledger = new Ledger({ sinks: [writer] });
  ledger.start({ guest: 'counter', revision: 'exact', seed: 1, vcpus: 1, devices: [] });
  for (let insn = 0; insn < 3; insn++) {
    const access = { ...createAccess(), insn, addr: 0x200, hasData: false };
    ledger.issued(access);
    ledger.answered({ ...access, hasData: true, data: insn });
    ledger.retired({ ...access, hasData: true, data: insn });
  }
  ledger.end({ stop: 'boundary', reason: 'verdict', witnesses: {} });
  writer.finish();
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('trapline ledger check', () => {
  it('accepts a whole ledger', async () => {
    const text = await cli(['ledger', 'check', file]);
    expect(text).toMatchObject({ code: 0, err: '' });
    expect(text.out).toContain('issued 3, answered 3, retired 3');
    expect(text.out).toContain('every access happened exactly once, in order');
    const json = await cli(['ledger', 'check', file, '--json']);
    expect(json.code).toBe(0);
    expect(ledgerCheckSchema.parse(JSON.parse(json.out))).toMatchObject({
      ok: true,
      chain: 'intact',
      accesses: { issued: 3, answered: 3, retired: 3 },
      violations: [],
    });
  });

  it('ends with 1 when a line is missing', async () => {
    const damaged = join(folder, 'damaged.jsonl');
    const lines = readFileSync(file, 'utf8').split('\n');
    writeFileSync(damaged, lines.filter((_, i) => i !== 4).join('\n'));
    const text = await cli(['ledger', 'check', damaged]);
    expect(text.code).toBe(1);
    expect(text.out).toContain('violation: chain');
    const json = await cli(['ledger', 'check', damaged, '--json']);
    expect(json.code).toBe(1);
    const document = ledgerCheckSchema.parse(JSON.parse(json.out));
    expect(document.ok).toBe(false);
    expect(document.chain).toEqual({ brokenAt: 5 });
    expect(document.violationsTotal).toBeGreaterThanOrEqual(document.violations.length);
  });

  it.each([
    ['a missing file', 'missing.jsonl', null],
    ['an empty file', 'empty.jsonl', ''],
    ['another kind of file', 'other.jsonl', '{"hello": "world"}\n'],
  ])('refuses %s', async (_, name, content) => {
    const path = join(folder, name);
    if (content !== null) writeFileSync(path, content);
    const { code, out, err } = await cli(['ledger', 'check', path]);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(/^trapline: [^\n]+ \[HVM_LEDGER\]\n$/);
  });
});
