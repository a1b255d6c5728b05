// SPDX-License-Identifier: GPL-2.0-only
// State files that are damaged, of another campaign, or in use; and what tells two campaigns apart.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildIdentity, identityOf } from '../../src/toolstack/campaign/identity.ts';
import type { SeedResult } from '../../src/toolstack/campaign/shapes.ts';
import { readSource } from '../../src/toolstack/campaign/sources.ts';
import { StateFile } from '../../src/toolstack/campaign/state-file.ts';
import { stateLine } from '../../src/toolstack/campaign/state-format.ts';
import {
  BUILD,
  header,
  identity,
  linesOf,
  type Part,
  refusal,
  resume,
  SMALL,
  UNFIXED,
} from '../helpers/campaign.ts';

const folder = mkdtempSync(join(tmpdir(), 'trapline-campaign-files-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string): string => join(folder, name);

const PART: Part = { seeds: { first: 1, last: 8 }, shard: { index: 2, count: 2 } };
const state = file('state');
beforeAll(async () => {
  await resume(state, PART);
});

/** Opens a state file made of `text`, and reads it for a merge; both have to refuse it alike. */
function refused(text: string | Buffer): string {
  const path = file('damaged');
  writeFileSync(path, text);
  const opened = refusal(() => new StateFile(path, header(PART)));
  expect(opened.code).toBe('HVM_CAMPAIGN');
  expect(refusal(() => readSource(path))).toEqual(opened);
  // Refused means: not touched.
  expect(readFileSync(path).equals(Buffer.from(text))).toBe(true);
  return opened.message.slice(path.length);
}

/** The lines of a file with proper hashes. */
function chained(contents: readonly unknown[]): string {
  let head: string | undefined;
  return contents
    .map((content) => {
      const next = stateLine(content as SeedResult, head);
      head = next.head;
      return next.line;
    })
    .join('');
}

describe('a damaged state file is refused by its line', () => {
  it('with a changed byte in any line', () => {
    const bytes = readFileSync(state);
    let line = 1;
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (bytes[at] ?? 0) ^ 1;
      // The first bytes say what it is; a changed line end makes one line of two.
      if (at > 30 && bytes[at] !== 10 && at % 29 === 0) {
        expect(refused(changed), `byte ${at}`).toMatch(new RegExp(`^:${line}: `));
      }
      if (bytes[at] === 10) line++;
    }
    expect(line).toBe(6);
  }, 60_000);

  it('with a line missing, twice, in another order, or empty', () => {
    const [first, a, b, ...rest] = linesOf(state);
    const text = (lines: (string | undefined)[]): string => `${lines.join('\n')}\n`;
    expect(refused(text([first, b, ...rest]))).toMatch(/^:2: expected hash/);
    expect(refused(text([first, a, a, b, ...rest]))).toMatch(/^:3: expected hash/);
    expect(refused(text([first, b, a, ...rest]))).toMatch(/^:2: expected hash/);
    expect(refused(text([first, '', a, b, ...rest]))).toMatch(/^:2: expected a line that ends/);
  });

  it('with proper hashes over something else', () => {
    const [first, a] = linesOf(state).map((line) => {
      const { h: _, ...content } = JSON.parse(line) as Record<string, unknown>;
      return content;
    });
    const one = a as SeedResult;
    expect(refused(chained([first, { ...one, seed: 3 }]))).toBe(
      ":2: seed 3 does not belong to this file's seeds",
    );
    expect(refused(chained([first, one, one]))).toBe(':3: seed 2 is there for the second time');
    expect(refused(chained([first, { ...one, lost: -1 }]))).toMatch(/^:2: field 'lost': /);
    expect(refused(chained([first, { ...one, more: 1 }]))).toMatch(/^:2: field '': Unrecognized/);
    expect(refused(chained([{ ...first, version: 2 }]))).toMatch(/^:1: field 'version': /);
  });

  it('or when it is something else altogether', () => {
    for (const text of ['hello\n', '{}\n', Buffer.from([0xff, 0xfe, 10])]) {
      const path = file('other');
      writeFileSync(path, text);
      const { code, message } = refusal(() => new StateFile(path, header(PART)));
      expect(code).toBe('HVM_CAMPAIGN');
      expect(message).toContain(':1: expected the first line of a trapline-campaign file');
    }
    // Without a line end it could be taken for a torn line.
    const notes = file('notes');
    writeFileSync(notes, 'my notes');
    expect(refusal(() => new StateFile(notes, header(PART))).code).toBe('HVM_CAMPAIGN');
    expect(readFileSync(notes, 'utf8')).toBe('my notes');
  });
});

describe('a state file of another campaign is refused', () => {
  it.each([
    [
      'build',
      { ...identity(), build: { ...BUILD, digest: 'c'.repeat(64) } },
      /build 0\.0\.0 \(bbb/,
    ],
    ['revision', identity(UNFIXED), /--revision exact/],
    ['number of checkpoints', identity({ ...SMALL, checkpoints: 21 }), /--checkpoints 20'/],
    ['memory', identity({ ...SMALL, load: { memoryBytes: 2 ** 21 } }), /counter --revision/],
    ['runner', { ...identity(), repeatable: false }, /of another campaign/],
  ])('of another %s', (_what, other, message) => {
    const refused = refusal(() => new StateFile(state, { ...header(PART), campaign: other }));
    expect(refused.code).toBe('HVM_CAMPAIGN_OTHER');
    expect(refused.message).toMatch(message);
  });

  it('of another guest under the same name', () => {
    const guest = file('guest.bin');
    const path = file('guest-state');
    const options = { ...SMALL, guest };
    writeFileSync(guest, Uint8Array.from([0xeb, 0xfe]));
    using _first = new StateFile(path, header(PART, options));
    writeFileSync(guest, Uint8Array.from([0xeb, 0xfd]));
    _first[Symbol.dispose]();
    const { code, message } = refusal(() => new StateFile(path, header(PART, options)));
    expect(code).toBe('HVM_CAMPAIGN_OTHER');
    expect(message).toContain('guest guest (');
  });

  it('of another range or shard', () => {
    for (const other of [
      { ...PART, shard: { index: 1, count: 2 } },
      { ...PART, shard: null },
      { ...PART, seeds: { first: 1, last: 9 } },
    ]) {
      const { code, message } = refusal(() => new StateFile(state, header(other)));
      expect(code).toBe('HVM_CAMPAIGN_OTHER');
      expect(message).toContain('it is of seeds 1-8, shard 2/2, expected seeds 1-');
    }
  });
});

describe('a state file', () => {
  it('has one writer, and is free again when that is done', () => {
    const path = file('locked');
    const first = new StateFile(path, header(PART));
    expect(refusal(() => new StateFile(path, header(PART))).code).toBe('HVM_CAMPAIGN_BUSY');
    first[Symbol.dispose]();
    new StateFile(path, header(PART))[Symbol.dispose]();
  });

  it('is a regular file', () => {
    mkdirSync(file('a-folder'));
    symlinkSync('/dev/null', file('nowhere'));
    for (const path of [file('a-folder'), file('nowhere'), file('none/x')]) {
      expect(refusal(() => new StateFile(path, header(PART))).code).toBe('HVM_OUTPUT');
    }
  });
});

it('a build is told apart by any file of the program and by its addon', () => {
  const program = file('program');
  mkdirSync(join(program, 'cli'), { recursive: true });
  const addon = file('addon.node');
  const put = (path: string, text: string): string => {
    writeFileSync(path, text);
    return buildIdentity({ version: '1', program, addon }).digest;
  };
  writeFileSync(addon, 'a');
  const digests = [
    put(join(program, 'a.js'), '1'),
    put(join(program, 'a.js'), '2'),
    put(join(program, 'cli', 'b.js'), '3'),
    put(join(program, 'c.js'), '3'),
    put(addon, 'b'),
  ];
  expect(new Set(digests).size).toBe(5);
  // What does not run does not count.
  expect(put(join(program, 'a.d.ts'), 'x')).toBe(digests[4]);
  expect(put(join(program, 'a.js.map'), 'x')).toBe(digests[4]);
});

it('the identity of a guest covers what is loaded with it', () => {
  const digest = (load: object): string => identityOf(BUILD, { ...SMALL, load }, true).guest.digest;
  const loads = [{}, { memoryBytes: 2 ** 21 }, { iterations: 5 }, { parameter: 3 }];
  expect(new Set(loads.map(digest)).size).toBe(4);
});
