// SPDX-License-Identifier: GPL-2.0-only
// The report ring: what goes in comes out, in order, at any fill; and whatever a device model writes there instead, the
// reader's work is bounded and its records make sense.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  REPORT_BYTES,
  REPORT_CAPACITY,
  type ReportedAccess,
  ReportRing,
} from '../../../src/mem/report-ring.ts';

const HEAD = 0;
const TAIL = 16;

function newRing(start = 0): { words: Int32Array; writer: ReportRing; reader: ReportRing } {
  const buffer = new SharedArrayBuffer(REPORT_BYTES);
  const words = new Int32Array(buffer);
  const writer = new ReportRing(buffer, 0);
  const reader = new ReportRing(buffer, 0);
  // Both free-running counters begin elsewhere: the reader follows a head that ran away.
  if (start !== 0) {
    words[HEAD] = start;
    reader.drain(fail, fail);
    reader.refused = 0;
  }
  return { words, writer, reader };
}

function fail(): never {
  throw new Error('nothing was put in');
}

function access(n: number): ReportedAccess {
  return {
    space: n % 2 === 1 ? 'mmio' : 'pio',
    addr: n * 0x1_0000_0001,
    size: ([1, 2, 4, 8] as const)[n % 4] as number,
    dir: (n >> 1) & 1,
    data: (0xffffffff - n) >>> 0,
    dataHi: n,
    element: n,
    count: n + 1,
  };
}

function drain(reader: ReportRing): (ReportedAccess | [number, number])[] {
  const seen: (ReportedAccess | [number, number])[] = [];
  reader.drain(
    (a) => seen.push({ ...a }),
    (gpa, length) => seen.push([gpa, length]),
  );
  return seen;
}

describe('between two that keep the rules', () => {
  it('hands over every field of every record, in order', () => {
    const { writer, reader } = newRing();
    expect(writer.access(access(1))).toBe(true);
    expect(writer.wrote(0xfffff000, 0xffffffff)).toBe(true);
    expect(writer.access(access(6))).toBe(true);
    expect(drain(reader)).toEqual([access(1), [0xfffff000, 0xffffffff], access(6)]);
    expect(drain(reader)).toEqual([]);
    expect(reader.refused).toBe(0);
  });

  it.each([0x7ffffff0, -16, 0x12345])('holds 1024 records, and no more, from %d on', (start) => {
    const { writer, reader } = newRing(start);
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < REPORT_CAPACITY; n++) expect(writer.access(access(n))).toBe(true);
      expect(writer.access(access(0))).toBe(false);
      expect(writer.wrote(0, 1)).toBe(false);
      const seen = drain(reader);
      expect(seen).toHaveLength(REPORT_CAPACITY);
      expect(seen[7]).toEqual(access(7));
      expect(seen.at(-1)).toEqual(access(REPORT_CAPACITY - 1));
    }
    expect(reader.refused).toBe(0);
  });

  it('keeps the order at any mix of writing and reading', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -40, max: 400 }), { maxLength: 40 }), (moves) => {
        const { writer, reader } = newRing(-200);
        let put = 0;
        let got = 0;
        for (const move of moves) {
          for (let n = 0; n < move; n++) if (writer.wrote(put, 1)) put++;
          if (move < 0) for (const r of drain(reader)) expect(r).toEqual([got++, 1]);
        }
        for (const r of drain(reader)) expect(r).toEqual([got++, 1]);
        expect(got).toBe(put);
      }),
    );
  });
});

describe('a writer that keeps none', () => {
  it('any contents: at most 1024 records a time, each of a possible size and element', () => {
    fc.assert(
      fc.property(
        fc.infiniteStream(fc.integer()),
        fc.integer(),
        fc.integer(),
        (noise, head, tail) => {
          const { words, reader } = newRing();
          for (let i = 32; i < words.length; i++) words[i] = noise.next().value as number;
          words[HEAD] = head;
          words[TAIL] = tail;
          const seen = drain(reader);
          expect(seen.length).toBeLessThanOrEqual(REPORT_CAPACITY);
          for (const r of seen) {
            if (Array.isArray(r)) continue;
            expect([1, 2, 4, 8]).toContain(r.size);
            expect(r.element).toBeLessThan(r.count);
          }
          // The reader's place is where the head was, whatever the tail said.
          expect(words[TAIL]).toBe(head === 0 ? tail : head);
          expect(drain(reader)).toEqual([]);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('a head that ran away costs what was in the ring, and nothing after it', () => {
    const { words, writer, reader } = newRing();
    writer.access(access(1));
    words[HEAD] = REPORT_CAPACITY + 1;
    expect(drain(reader)).toEqual([]);
    expect(reader.refused).toBe(1);
    writer.access(access(2));
    expect(drain(reader)).toEqual([access(2)]);
  });

  it('a tail moved back shows nothing twice', () => {
    const { words, writer, reader } = newRing();
    writer.access(access(1));
    expect(drain(reader)).toHaveLength(1);
    words[TAIL] = 0;
    expect(drain(reader)).toEqual([]);
  });

  it.each([
    ['an element that the request does not have', { element: 3, count: 3 }],
    ['a request without elements', { element: 0, count: 0 }],
    ['a size that is none', { size: 3 }],
    ['no size', { size: 0 }],
  ])('%s is refused', (_, change) => {
    const { writer, reader } = newRing();
    writer.access({ ...access(2), ...change });
    expect(drain(reader)).toEqual([]);
    expect(reader.refused).toBe(1);
  });
});
