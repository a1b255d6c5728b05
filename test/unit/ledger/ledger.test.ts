// SPDX-License-Identifier: GPL-2.0-only
// The recorder: counters, what sinks see and when, and the bounded and the keeping mode.
import { describe, expect, test } from 'vitest';
import type { Access, EventSink, Mark, Stage } from '../../../src/ledger/events.ts';
import { FOLD_START, foldElement } from '../../../src/ledger/events.ts';
import { Ledger } from '../../../src/ledger/ledger.ts';
import { BugError } from '../../../src/util/errors.ts';
import { access, record, START, sampleHistory } from './history.ts';

const END = { stop: 'boundary' as const, reason: 'done', witnesses: {} };

/** Remembers everything it is shown. */
class Memory implements EventSink {
  readonly seen: [number, Stage | Mark['ev'], Access | Mark][] = [];

  access(stage: Stage, seq: number, a: Access): void {
    this.seen.push([seq, stage, { ...a }]);
  }

  mark(seq: number, mark: Mark): void {
    this.seen.push([seq, mark.ev, mark]);
  }
}

/** A read of port 0x200 and `n` more events behind it. */
function fill(ledger: Ledger, n: number): void {
  for (let insn = 0; insn < n; insn++) ledger.issued(access({ insn }));
}

describe('Ledger', () => {
  test('shows each sink every event once, in order, with all fields', () => {
    const [one, two] = [new Memory(), new Memory()];
    const ledger = new Ledger({ sinks: [one, two] });
    ledger.start(START);
    const steps = sampleHistory();
    for (const [i, step] of steps.entries()) {
      record(ledger, [step]);
      if (i % 7 === 0) ledger.drain();
    }
    ledger.end(END);
    expect(one.seen).toEqual(two.seen);
    expect(one.seen.map(([seq]) => seq)).toEqual(one.seen.map((_, i) => i));
    expect(one.seen.slice(1, -1)).toEqual(
      steps.map((step, i) => {
        if ('access' in step) return [i + 1, step.stage, step.access];
        const { stage, ...rest } = step;
        return [i + 1, stage, { ev: stage, ...rest }];
      }),
    );
    expect(ledger.events).toBe(steps.length + 2);
  });

  test('sinks see events at a full block, at drain() and at end()', () => {
    const sink = new Memory();
    const ledger = new Ledger({ sinks: [sink] });
    ledger.start(START);
    fill(ledger, 10);
    expect(sink.seen).toHaveLength(0);
    ledger.drain();
    expect(sink.seen).toHaveLength(11);
    fill(ledger, 5000);
    expect(sink.seen.length).toBeGreaterThan(4000);
    ledger.end(END);
    expect(sink.seen).toHaveLength(5012);
    expect(ledger.events).toBe(5012);
  });

  test('keep replays everything from the first event; without it there is nothing to replay', () => {
    const live = new Memory();
    const ledger = new Ledger({ sinks: [live], keep: true });
    ledger.start(START);
    for (let i = 0; i < 5; i++) {
      fill(ledger, 2000);
      ledger.checkpoint(i + 1, 'w');
      ledger.resume(i + 1);
      ledger.drain();
    }
    ledger.end(END);
    const again = new Memory();
    ledger.replay(again);
    expect(again.seen).toHaveLength(10_012);
    expect(again.seen).toEqual(live.seen);
    expect(() => new Ledger().replay(again)).toThrow(BugError);
  });

  test('counts repetitions per stage, checkpoints and resumes', () => {
    const ledger = new Ledger();
    ledger.start(START);
    const a = access({ count: 5 });
    ledger.issued(a);
    ledger.issued(a);
    ledger.answered(a);
    ledger.checkpoint(1, 'w');
    expect(ledger.totals).toEqual({ issued: 10, answered: 5, retired: 0 });
    expect([ledger.checkpoints, ledger.resumes]).toEqual([1, 0]);
  });

  test('cuts values to the width of the access, and gives a read no value before its answer', () => {
    const sink = new Memory();
    const ledger = new Ledger({ sinks: [sink] });
    ledger.start(START);
    const value = { hasData: true, data: 0xaabbccdd, data_hi: 0x11223344 };
    const seen = (fields: Partial<Access>): [number, number] => {
      ledger.retired(access({ ...value, ...fields }));
      ledger.drain();
      const a = sink.seen.at(-1)?.[2] as Access;
      return [a.data, a.data_hi];
    };
    expect(seen({ size: 1 })).toEqual([0xdd, 0]);
    expect(seen({ size: 2 })).toEqual([0xccdd, 0]);
    expect(seen({ size: 3 })).toEqual([0xbbccdd, 0]);
    expect(seen({ size: 4 })).toEqual([0xaabbccdd, 0]);
    expect(seen({ size: 5 })).toEqual([0xaabbccdd, 0x44]);
    expect(seen({ size: 7 })).toEqual([0xaabbccdd, 0x223344]);
    expect(seen({ size: 8 })).toEqual([0xaabbccdd, 0x11223344]);
    // Digests of batches have no width.
    expect(seen({ size: 1, count: 2 })).toEqual([0xaabbccdd, 0x11223344]);
    expect(seen({ size: 1, hasData: false })).toEqual([0, 0]);
    ledger.issued(access(value));
    ledger.drain();
    expect(sink.seen.at(-1)?.[2]).toMatchObject({ hasData: false, data: 0 });
  });

  test('holds the largest identity exactly', () => {
    const sink = new Memory();
    const ledger = new Ledger({ sinks: [sink] });
    ledger.start(START);
    const a = access({
      vcpu: 127,
      insn: Number.MAX_SAFE_INTEGER,
      access: 0xffff,
      rep: 0xffffffff,
      count: 0xffffffff,
      lane: 0xfffe,
      whole: 0xffff,
      space: 'mmio',
      addr: 2 ** 52,
      size: 1,
    });
    ledger.answered(a);
    ledger.drain();
    expect(sink.seen.at(-1)?.[2]).toEqual(a);
  });

  test('takes events only between start() and end()', () => {
    const ledger = new Ledger();
    expect(() => ledger.issued(access({}))).toThrow(BugError);
    expect(() => ledger.end(END)).toThrow(BugError);
    ledger.start(START);
    expect(() => ledger.start(START)).toThrow(BugError);
    ledger.end(END);
    expect(() => ledger.retired(access({}))).toThrow(BugError);
    expect(() => ledger.end(END)).toThrow(BugError);
  });
});

test('foldElement() tells order and high halves apart', () => {
  const fold = (...values: [number, number][]): number =>
    values.reduce((digest, [low, high]) => foldElement(digest, low, high), FOLD_START);
  expect(fold([1, 0], [2, 0])).not.toBe(fold([2, 0], [1, 0]));
  expect(fold([0, 1])).not.toBe(fold([1, 0]));
  expect(fold([1, 0])).toBeGreaterThanOrEqual(0);
  // FNV-1a of eight zero bytes, from its definition.
  let expected = 0x811c9dc5n;
  for (let i = 0; i < 8; i++) expected = (expected * 0x01000193n) & 0xffffffffn;
  expect(fold([0, 0])).toBe(Number(expected));
});
