// SPDX-License-Identifier: GPL-2.0-only
// Ledger files: round trips, atomic finish, exact errors, garbage of every kind and size.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkLedger, checkLedgerLines } from '../../../src/ledger/checker.ts';
import type { LedgerEvent } from '../../../src/ledger/codec.ts';
import { encodeAccess, encodeMark } from '../../../src/ledger/codec.ts';
import type { Access, Mark } from '../../../src/ledger/events.ts';
import { readLedger } from '../../../src/ledger/file-reader.ts';
import { LedgerWriter } from '../../../src/ledger/file-writer.ts';
import { Ledger } from '../../../src/ledger/ledger.ts';
import { HvmError } from '../../../src/util/errors.ts';
import {
  access,
  chain,
  decodeLine,
  linesOf,
  record,
  START,
  sampleHistory,
  witnessesOf,
} from './history.ts';

let folder = '';
let files = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ledger-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});
const fresh = (): string => join(folder, `${++files}.jsonl`);

const STEPS = sampleHistory();
const LINES = linesOf(STEPS);
const TEXT = `${LINES.join('\n')}\n`;

/** A file with this content. */
function fileOf(content: string | Uint8Array): string {
  const path = fresh();
  writeFileSync(path, content);
  return path;
}

/** The error `action` fails with. */
async function failure(action: Promise<unknown>): Promise<HvmError> {
  const error: unknown = await action.then(
    () => null,
    (cause: unknown) => cause,
  );
  if (!(error instanceof HvmError)) throw new Error(`expected an HvmError, got ${String(error)}`);
  return error;
}

async function readAll(path: string): Promise<LedgerEvent[]> {
  const events: LedgerEvent[] = [];
  for await (const event of readLedger(path)) events.push(event);
  return events;
}

describe('LedgerWriter', () => {
  test('writes what the checker and the reader take, under its name only when finished', async () => {
    const path = fresh();
    const writer = new LedgerWriter(path);
    const ledger = new Ledger({ sinks: [writer] });
    ledger.start(START);
    record(ledger, STEPS);
    ledger.end({
      stop: 'boundary',
      reason: 'done',
      witnesses: witnessesOf(STEPS),
      instructions: [100, 100],
    });
    expect(existsSync(path)).toBe(false);
    expect(existsSync(writer.partialPath)).toBe(true);
    writer.finish();
    writer.finish();
    writer.dispose();
    expect(existsSync(writer.partialPath)).toBe(false);
    expect(readFileSync(path, 'utf8')).toBe(TEXT);
    expect(await checkLedger(path)).toEqual(checkLedgerLines(LINES));
    expect((await checkLedger(path)).ok).toBe(true);
    const events = await readAll(path);
    expect(events).toHaveLength(STEPS.length + 2);
    expect(events[1]).toEqual({ seq: 1, ...STEPS[0] });
  });

  test('an interrupted run leaves a partial file that fails the check', async () => {
    const path = fresh();
    const writer = new LedgerWriter(path);
    const ledger = new Ledger({ sinks: [writer] });
    ledger.start(START);
    record(ledger, STEPS);
    ledger.drain();
    writer.dispose();
    writer.dispose();
    writer.finish();
    expect(existsSync(path)).toBe(false);
    const check = await checkLedger(writer.partialPath);
    expect(check.byKind).toEqual({ trailer: 1, 'end-order': 1 });
  });

  test('a folder that does not exist, a path that is a folder', async () => {
    for (const path of [join(folder, 'no', 'where.jsonl')]) {
      expect(() => new LedgerWriter(path)).toThrow(
        expect.objectContaining({ code: 'HVM_OUTPUT', message: expect.stringContaining(path) }),
      );
    }
    const writer = new LedgerWriter(folder);
    expect(() => {
      writer.finish();
    }).toThrow(expect.objectContaining({ code: 'HVM_OUTPUT' }));
    rmSync(writer.partialPath);
  });

  test('an older partial file is replaced', async () => {
    const path = fresh();
    writeFileSync(`${path}.partial`, 'old'.repeat(10_000));
    const writer = new LedgerWriter(path);
    const ledger = new Ledger({ sinks: [writer] });
    ledger.start({ ...START, devices: [] });
    ledger.end({ stop: 'boundary', reason: 'done', witnesses: {} });
    writer.finish();
    expect((await checkLedger(path)).ok).toBe(true);
  });
});

describe('one spelling for each event', () => {
  const word = fc.string({ unit: 'binary' });
  const arbitraryAccess: fc.Arbitrary<Access> = fc
    .record({
      vcpu: fc.nat(127),
      insn: fc.maxSafeNat(),
      access: fc.nat(0xffff),
      rep: fc.nat(0xffffffff),
      count: fc.integer({ min: 1, max: 0xffffffff }),
      lane: fc.nat(0xffff),
      whole: fc.integer({ min: 1, max: 0xffff }),
      addr: fc.nat(0xffff),
      space: fc.constantFrom('pio' as const, 'mmio' as const),
      dir: fc.constantFrom('r' as const, 'w' as const),
      hasData: fc.boolean(),
      low: fc.nat(0xffffffff),
      high: fc.nat(0xffffffff),
    })
    .map(({ low, high, ...rest }) => ({
      ...rest,
      size: 8,
      data: rest.hasData ? low : 0,
      data_hi: rest.hasData ? high : 0,
    }));

  test('accesses survive a round trip', () => {
    fc.assert(
      fc.property(arbitraryAccess, fc.maxSafeNat(), (a, seq) => {
        const [line] = chain([encodeAccess('answered', seq, a)]);
        expect(decodeLine(line ?? '')).toEqual({ seq, stage: 'answered', access: a });
      }),
    );
  });

  test('marks survive a round trip, with any names', () => {
    const count = fc.maxSafeNat();
    const marks: fc.Arbitrary<Mark> = fc.oneof(
      fc.record({
        ev: fc.constant('checkpoint' as const),
        n: fc.integer({ min: 1 }),
        window: word,
      }),
      fc.record({ ev: fc.constant('reset' as const), vcpu: fc.nat(127) }),
      fc.record({
        ev: fc.constant('start' as const),
        guest: word,
        revision: word,
        seed: fc.oneof(word, count),
        vcpus: fc.integer({ min: 1, max: 128 }),
        devices: fc.array(
          fc.record({
            name: word,
            space: fc.constantFrom('pio' as const, 'mmio' as const),
            first: fc.nat(0xffff),
            last: fc.nat(0xffff),
          }),
        ),
        config: fc.dictionary(word, fc.oneof(word, count, fc.boolean())),
      }),
      fc.record({
        ev: fc.constant('end' as const),
        stop: fc.constantFrom('boundary' as const, 'midway' as const),
        reason: word,
        witnesses: fc.dictionary(word, fc.record({ reads: count, writes: count })),
        instructions: fc.array(count, { maxLength: 4 }),
        totals: fc.record({ issued: count, answered: count, retired: count }),
        checkpoints: count,
        resumes: count,
      }),
    );
    fc.assert(
      fc.property(marks, fc.maxSafeNat(), (mark, seq) => {
        const body = encodeMark(seq, mark);
        expect(body).not.toContain('\n');
        const event = decodeLine(chain([body])[0] ?? '');
        // Dictionaries from the generator may lack a prototype; the text is what counts.
        expect(event.stage === 'mark' && encodeMark(event.seq, event.mark)).toBe(body);
      }),
    );
  });
});

describe('errors name file, line and what was expected', () => {
  const refused: [string, string | Uint8Array, RegExp][] = [
    ['an empty file', '', /:1: expected the first line of a trapline-ledger .*got an empty file/],
    ['something else', 'hello\n', /:1: .*got something else/],
    [
      'binary',
      new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 0xff, 0xfe, 10]),
      /:1: .*got not UTF-8 text/,
    ],
    ['only a part of the first line', LINES[0]?.slice(0, 30) ?? '', /:1: .*got cut off/],
    ['another version', edited('"version":1', '"version":2'), /:1: .*version 1, got version 2/],
    ['another format', edited('trapline-ledger', 'trapline-other'), /:1: .*got another format/],
    ['a first line with more fields', edited('"version":1', '"version":1,"x":1'), /other fields/],
    ['a byte order mark', `\ufeff${TEXT}`, /:1: .*got not JSON/],
    ['an endless first line', 'x'.repeat(3_000_000), /:1: .*got longer than 1048576 bytes/],
  ];
  test.each(refused)('%s is no ledger', async (_, content, message) => {
    const path = fileOf(content);
    for (const error of [await failure(checkLedger(path)), await failure(readAll(path))]) {
      expect(error.code).toBe('HVM_LEDGER');
      expect(error.message).toMatch(message);
      expect(error.message).toContain(path);
    }
  });

  test('a missing file and a folder', async () => {
    for (const path of [join(folder, 'missing'), folder]) {
      expect(await failure(checkLedger(path))).toMatchObject({ code: 'HVM_LEDGER' });
    }
  });

  const damaged: [string, string, RegExp][] = [
    [
      'a value edited',
      TEXT.replace('"data":"0x2"', '"data":"0x3"'),
      /:10: expected hash [0-9a-f]{64}, got/,
    ],
    [
      'a line that is no event',
      `${LINES.slice(0, 4).join('\n')}\nx\n`,
      /:5: expected a line ending in its hash/,
    ],
    ['no last line', `${LINES.slice(0, -1).join('\n')}\n`, /expected the last line/],
    ['more after the last line', `${TEXT}{}\n`, /expected nothing after the last line/],
    ['the line end missing', TEXT.slice(0, -1), /expected an event, got a line cut off/],
    [
      'a field out of range, hashed',
      `${chain(['{"format":"trapline-ledger","version":1}', '{"seq":0,"ev":"reset","vcpu":999}']).join('\n')}\n`,
      /:2: "vcpu": expected an integer from 0 to 127, got 999/,
    ],
  ];
  test.each(damaged)('reading stops at %s; checking reports it', async (_, content, message) => {
    const path = fileOf(content);
    const error = await failure(readAll(path));
    expect(error.code).toBe('HVM_LEDGER');
    expect(error.message).toMatch(message);
    expect((await checkLedger(path)).ok).toBe(false);
  });

  function edited(from: string, to: string): string {
    return TEXT.replace(from, to);
  }
});

describe('garbage', () => {
  test('any bytes changed, cut or inserted: a verdict or an HVM_LEDGER error, never ok', async () => {
    const bytes = Buffer.from(TEXT);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(bytes.length - 1),
        fc.nat(40),
        fc.uint8Array({ maxLength: 40 }),
        async (at, cut, insert) => {
          const changed = Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + cut)]);
          fc.pre(!changed.equals(bytes));
          const path = join(folder, 'garbage.jsonl');
          writeFileSync(path, changed);
          try {
            expect((await checkLedger(path)).ok).toBe(false);
          } catch (error) {
            if (!(error instanceof HvmError)) throw error;
            expect(error.code).toBe('HVM_LEDGER');
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test('each single bit of a line flipped is caught', () => {
    const line = LINES[8] ?? '';
    for (let i = 0; i < line.length; i++) {
      const flipped = String.fromCharCode(line.charCodeAt(i) ^ 1);
      const changed = `${line.slice(0, i)}${flipped}${line.slice(i + 1)}`;
      expect(checkLedgerLines(LINES.with(8, changed)).chain, `column ${i}`).not.toBe('intact');
    }
  });

  test('well-hashed JSON of any kind is malformed, not a crash', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const body = JSON.stringify({ seq: 0, ev: value, vcpu: value, data: value });
        const check = checkLedgerLines(chain(['{"format":"trapline-ledger","version":1}', body]));
        expect(check.byKind.malformed).toBe(1);
      }),
    );
  });

  test('a line of 40 MB is skipped, not gathered', async () => {
    const path = fresh();
    writeFileSync(path, `${LINES.slice(0, 5).join('\n')}\n`);
    writeFileSync(path, 'x'.repeat(40_000_000), { flag: 'a' });
    writeFileSync(path, `\n${LINES.slice(5).join('\n')}\n`, { flag: 'a' });
    const before = process.memoryUsage().arrayBuffers;
    const check = await checkLedger(path);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20_000_000);
    expect(check.byKind).toEqual({ malformed: 1 });
    expect(check.chain).toEqual({ brokenAt: 6 });
  });

  test('lines longer than a read are put together', async () => {
    const config = { text: 'é'.repeat(400_000) };
    const path = fresh();
    const writer = new LedgerWriter(path);
    const ledger = new Ledger({ sinks: [writer] });
    ledger.start({ ...START, devices: [], config });
    record(ledger, [{ stage: 'issued', access: access({}) }]);
    ledger.end({ stop: 'midway', reason: 'done', witnesses: {} });
    writer.finish();
    expect((await checkLedger(path)).violations).toEqual([]);
    expect((await readAll(path))[0]).toMatchObject({ mark: { config } });
  });
});
