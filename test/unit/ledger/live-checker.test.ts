// SPDX-License-Identifier: GPL-2.0-only
// The rules on live histories: correct ones pass, and each way the race shows is named.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { EndInfo } from '../../../src/ledger/events.ts';
import { Ledger } from '../../../src/ledger/ledger.ts';
import type { LedgerReport } from '../../../src/ledger/live-checker.ts';
import { LiveChecker } from '../../../src/ledger/live-checker.ts';
import {
  access,
  correctHistory,
  crossing,
  record,
  retired,
  rmw,
  START,
  type Step,
  sampleHistory,
  served,
  together,
  whole,
  witnessesOf,
} from './history.ts';

/** Judges a history; the witnesses agree with what was issued unless given. */
function judge(steps: readonly Step[], end: Partial<EndInfo> = {}): LedgerReport {
  const checker = new LiveChecker();
  const ledger = new Ledger({ sinks: [checker] });
  ledger.start(START);
  record(ledger, steps);
  ledger.end({ stop: 'boundary', reason: 'done', witnesses: witnessesOf(steps), ...end });
  return checker.finish();
}

const CUT: Step[] = [
  { stage: 'checkpoint', n: 1, window: 'sent-before-check' },
  { stage: 'resume', n: 1 },
];

describe('correct histories', () => {
  test('every shape of access passes, with the right counts', () => {
    const steps = sampleHistory();
    const report = judge(steps);
    expect(report.violations).toEqual([]);
    expect(report.ok).toBe(true);
    const retiredCount = steps.reduce(
      (n, s) => n + (s.stage === 'retired' ? s.access.count : 0),
      0,
    );
    expect(report.accesses).toEqual({
      issued: retiredCount,
      answered: retiredCount,
      retired: retiredCount,
    });
    expect(report.checkpoints).toBe(3);
    expect(report.windows).toEqual({ between: 1, 'in-flight': 1, 'before-rax': 1 });
    expect(report.open).toBe(0);
  });

  test('random interleavings of correct programs pass', () => {
    fc.assert(
      fc.property(correctHistory, (steps) => {
        const report = judge(steps);
        expect(report.violations).toEqual([]);
        expect(report.lost + report.duplicated + report.reordered + report.discarded).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  test('a REP that enters and leaves a device range passes', () => {
    // STOSB downwards: repetitions 0-2 in RAM above, 3-4 in the device, then RAM, then the device.
    const base = { insn: 9, space: 'mmio' as const, dir: 'w' as const };
    const below = [
      ...whole(access({ ...base, rep: 3, addr: 0xd1fff }), 1),
      ...whole(access({ ...base, rep: 4, addr: 0xd1ffe }), 1),
    ];
    expect(judge(below).violations).toEqual([]);
    const inside = [...whole(access({ ...base, rep: 3, addr: 0xd1800 }), 1)];
    expect(judge(inside).byKind).toEqual({ 'rep-gap': 1 });
  });

  test('a run stopped midway may leave the last instruction open, one stopped at a boundary not', () => {
    const steps = [...whole(access({ insn: 1 }), 1), ...served(access({ insn: 2 }), 2)];
    const midway = judge(steps, { stop: 'midway', instructions: [2, 0] });
    expect(midway.ok).toBe(true);
    expect(midway.open).toBe(1);
    const boundary = judge(steps, { instructions: [3, 0] });
    expect(boundary.byKind).toEqual({ unretired: 1 });
    expect(boundary.lost).toBe(1);
  });

  test('after a reset instruction numbers start again', () => {
    const once = whole(access({ insn: 5 }), 1);
    expect(judge([...once, { stage: 'reset', vcpu: 0 }, ...once]).ok).toBe(true);
    expect(judge([...once, ...once]).byKind).toEqual({ 'duplicate-issue': 1 });
  });
});

describe('the race as the ledger sees it', () => {
  test('IN sent twice: a duplicate whose first answer was thrown away', () => {
    const a = access({ insn: 12 });
    const report = judge([
      ...whole(access({ insn: 5 }), 6),
      ...served(a, 7),
      ...CUT,
      ...whole(a, 8),
    ]);
    expect(report.violationsTotal).toBe(1);
    expect(report.duplicated).toBe(1);
    expect(report.discarded).toBe(1);
    expect(report.lost).toBe(0);
    expect(report.violations[0]).toEqual({
      kind: 'duplicate-issue',
      class: 'duplicated',
      identity: { vcpu: 0, insn: 12, access: 0, rep: 0, count: 1, lane: 0 },
      firstSeq: 4,
      seq: 8,
      checkpoint: { n: 1, window: 'sent-before-check' },
      message:
        'vCPU 0, instruction 12 (port 0x200, read of 1 byte): issued again; first issued at event 4, its answer 0x7 (event 5) was thrown away',
    });
  });

  test('OUT sent twice', () => {
    const a = access({ insn: 12, addr: 0x210, dir: 'w', size: 4 });
    const report = judge([...served(a, 7), ...CUT, ...whole(a, 7)]);
    expect(report.byKind).toEqual({ 'duplicate-issue': 1 });
    expect(report.violations[0]?.message).toContain('it had been done and was forgotten');
  });

  test('a batch of a REP sent twice counts every element', () => {
    const a = access({ insn: 12, rep: 4, count: 8 });
    const before = whole(access({ insn: 12, count: 4 }), 1);
    const report = judge([...before, ...served(a, 7), ...CUT, ...whole(a, 8)]);
    expect(report.byKind).toEqual({ 'duplicate-issue': 1 });
    expect(report.duplicated).toBe(8);
    expect(report.discarded).toBe(8);
  });

  test('a batch sent again in smaller batches', () => {
    const [a, b, c] = [
      access({ insn: 12, count: 8 }),
      access({ insn: 12, count: 5 }),
      access({ insn: 12, rep: 5, count: 4 }),
    ];
    const report = judge([...served(a, 7), ...CUT, ...whole(b, 8), ...whole(c, 9)]);
    expect(report.byKind).toEqual({ 'duplicate-issue': 1, 'rep-overlap': 1 });
    expect(report.duplicated).toBe(8);
  });

  test('a read-modify-write starts over after its read (Xen, also with the fix)', () => {
    const a = access({ insn: 12, space: 'mmio', addr: 0xd1000, size: 4 });
    const report = judge([...served(a, 7), ...CUT, ...rmw(0, 12, 7)]);
    expect(report.byKind).toEqual({ 'duplicate-issue': 1 });
    expect(report.discarded).toBe(1);
  });

  test('a page-crossing access starts over after two of three pieces', () => {
    const parts = crossing(0, 12);
    const first = parts.slice(0, 2).flatMap(([a, value]) => served(a, value));
    const report = judge([...first, ...CUT, ...together(parts)]);
    expect(report.byKind).toEqual({ 'duplicate-issue': 2 });
    expect(report.violations.map((v) => v.identity?.lane)).toEqual([0, 1]);
  });

  test('a write that was never sent is lost', () => {
    const a = access({ insn: 12, addr: 0x210, dir: 'w' });
    const report = judge([retired(a, 7)]);
    expect(report.byKind).toEqual({ 'retire-unissued': 1 });
    expect(report.lost).toBe(1);
  });

  test('a read that retires with another value', () => {
    const a = access({ insn: 12 });
    const report = judge([...served(a, 7), retired(a, 0)]);
    expect(report.byKind).toEqual({ 'data-mismatch': 1 });
    expect(report.violations[0]?.message).toContain(
      'retired with 0x0, but answered at event 2 with 0x7',
    );
  });

  test('an instruction that moved on without its answer', () => {
    const a = access({ insn: 12 });
    const [issue] = served(a, 7) as [Step, Step];
    expect(judge([issue, ...whole(access({ insn: 13 }), 1)]).byKind).toEqual({ unanswered: 1 });
    expect(judge([...served(a, 7), ...whole(access({ insn: 13 }), 1)]).byKind).toEqual({
      unretired: 1,
    });
  });

  test('a repetition that began before the last one was finished', () => {
    const [a, b] = [access({ insn: 12 }), access({ insn: 12, rep: 1 })];
    expect(judge([...served(a, 7), ...whole(b, 8)]).byKind).toEqual({ unretired: 1 });
  });

  test('two in flight on one vCPU, allowed on two', () => {
    const a = access({ insn: 12 });
    const b = access({ insn: 12, access: 1 });
    const [issueA, answerA] = served(a, 7) as [Step, Step];
    const [issueB, answerB] = served(b, 8) as [Step, Step];
    const ends = [retired(a, 7), retired(b, 8)];
    expect(judge([issueA, issueB, answerA, answerB, ...ends]).byKind).toEqual({
      'two-in-flight': 1,
    });
    const other = access({ vcpu: 1, insn: 12 });
    const [issueC, answerC] = served(other, 9) as [Step, Step];
    const across = [issueA, issueC, answerA, answerC, retired(other, 9), retired(a, 7)];
    expect(judge(across).ok).toBe(true);
  });

  test('a checkpoint with an access in flight, and life while paused', () => {
    const a = access({ insn: 12 });
    const [issue, answer] = served(a, 7) as [Step, Step];
    expect(judge([issue, ...CUT, answer, retired(a, 7)]).byKind).toEqual({
      'in-flight-at-checkpoint': 1,
    });
    const [cut, resume] = CUT as [Step, Step];
    expect(judge([issue, answer, cut, retired(a, 7), resume]).byKind).toEqual({
      'paused-activity': 1,
    });
  });

  test('an access that makes no sense is refused, not followed', () => {
    for (const fields of [{ count: 0 }, { size: 0 }, { lane: 4, size: 1, whole: 4 }]) {
      const report = judge([{ stage: 'issued', access: { ...access({ insn: 1 }), ...fields } }]);
      expect(report.byKind['bad-field']).toBe(1);
    }
    expect(judge(whole(access({ vcpu: 5 }), 1)).byKind['unknown-vcpu']).toBe(3);
  });

  test('a device that counted otherwise, a CPU that completed less', () => {
    const steps = whole(access({ insn: 12 }), 1);
    const witnesses = witnessesOf(steps);
    const wrong = { ...witnesses, counter: { reads: 2, writes: 0 } };
    expect(judge(steps, { witnesses: wrong }).byKind).toEqual({ witness: 1 });
    const { rmw: _, ...missing } = witnesses;
    expect(judge(steps, { witnesses: missing }).byKind).toEqual({ witness: 1 });
    expect(judge(steps, { instructions: [12, 0] }).byKind).toEqual({ totals: 1 });
    expect(judge(steps, { instructions: [13, 0] }).ok).toBe(true);
  });
});

describe('edges inside an instruction', () => {
  const mmio = { insn: 9, space: 'mmio' as const };

  test('neighbouring ranges do not overlap', () => {
    const first = access({ insn: 9, count: 4 });
    const second = access({ insn: 9, rep: 4, count: 4 });
    const again = served(first, 1)[1] as Step;
    const late = [...whole(first, 1), ...served(second, 2), again, retired(second, 2)];
    expect(judge(late).byKind).toEqual({ 'answer-late': 1 });
    const unseen = [...whole(second, 2), retired(first, 1)];
    expect(judge(unseen).byKind).toEqual({ 'rep-gap': 1, 'retire-unissued': 1 });
  });

  test('a part of a batch retired, which is then gone', () => {
    const batch = access({ insn: 9, count: 4 });
    const part = access({ insn: 9, rep: 1, count: 2 });
    const report = judge([...served(batch, 1), retired(part, 1), retired(batch, 1)]);
    expect(report.byKind).toEqual({ 'range-mismatch': 1, 'duplicate-retire': 1 });
  });

  test('a finished access issued again names the event of its last issue', () => {
    const once = whole(access({ insn: 9 }), 1);
    const later = whole(access({ insn: 12 }), 2);
    const [violation] = judge([...once, ...later, ...once]).violations;
    expect(violation).toMatchObject({ kind: 'duplicate-issue', firstSeq: 1, seq: 7 });
    expect(violation?.message).toContain('it had been finished before');
  });

  test('a piece of an earlier repetition is a duplicate, not the next piece', () => {
    const piece = (rep: number, lane: number): Step[] =>
      whole(access({ ...mmio, rep, lane, addr: 0xd0000, whole: 2 }), 1);
    const steps = [...piece(0, 0), ...piece(0, 1), ...piece(1, 0), ...piece(0, 1), ...piece(1, 1)];
    expect(judge(steps).byKind).toEqual({ 'duplicate-issue': 1 });
  });

  test('the second access of an instruction before the last piece of the first', () => {
    const piece = access({ ...mmio, addr: 0xd1000, whole: 2 });
    const write = access({ ...mmio, addr: 0xd1000, access: 1, dir: 'w' });
    expect(
      judge(
        together([
          [piece, 1],
          [write, 2],
        ]),
      ).byKind,
    ).toEqual({ 'lane-gap': 1 });
  });

  test('the second access of a repetition after the first of the next one', () => {
    const at = (rep: number, index: number): Step[] =>
      whole(access({ ...mmio, rep, access: index, addr: 0xd0000 + rep }), 1);
    const steps = [...at(0, 0), ...at(1, 0), ...at(0, 1), ...at(1, 1)];
    expect(judge(steps).byKind).toEqual({ 'issue-order': 1 });
  });

  test('missing repetitions in the middle of a device, in both directions and on one spot', () => {
    for (const step of [1, -1, 0]) {
      const at = (rep: number): Step[] =>
        whole(access({ ...mmio, rep, addr: 0xd0800 + step * rep }), 1);
      expect(judge([...at(0), ...at(1), ...at(4)]).byKind).toEqual({ 'rep-gap': 1 });
      expect(judge([...at(0), ...at(1), ...at(4)]).lost).toBe(2);
    }
  });

  test('missing repetitions between two ranges may have gone to RAM', () => {
    const top = whole(access({ ...mmio, rep: 0, addr: 0xd1fff }), 1);
    const beyond = whole(access({ ...mmio, rep: 9, addr: 0xd1800 }), 1);
    // Downwards from the top of the range there was more of the device.
    expect(judge([...top, ...beyond]).byKind).toEqual({ 'rep-gap': 1 });
    const elsewhere = whole(access({ ...mmio, rep: 9, addr: 0xd2008 }), 1);
    expect(judge([...top, ...elsewhere]).ok).toBe(true);
  });

  test('marks at their limits', () => {
    const cut = (n: number): Step => ({ stage: 'checkpoint', n, window: 'w' });
    const on = (n: number): Step => ({ stage: 'resume', n });
    expect(judge([cut(1), cut(2), on(2)]).byKind).toEqual({ 'checkpoint-order': 1 });
    expect(judge([cut(1), on(2)]).byKind).toEqual({ 'checkpoint-order': 1 });
    expect(judge([cut(1)]).ok).toBe(true);
    expect(judge([{ stage: 'reset', vcpu: 2 }]).byKind).toEqual({ 'unknown-vcpu': 1 });
    expect(judge([{ stage: 'reset', vcpu: 1 }]).ok).toBe(true);
  });

  test('the state can be read while the run goes on', () => {
    const checker = new LiveChecker();
    const ledger = new Ledger({ sinks: [checker] });
    ledger.start(START);
    record(ledger, served(access({ insn: 3 }), 1));
    ledger.drain();
    expect([checker.failed, checker.first]).toEqual([false, undefined]);
    record(ledger, served(access({ insn: 3 }), 2));
    ledger.drain();
    expect(checker.failed).toBe(true);
    expect(checker.first?.kind).toBe('duplicate-issue');
  });
});

describe('bounds', () => {
  test('a history without any answer keeps memory bounded and counts everything', () => {
    const checker = new LiveChecker({ maxViolations: 5 });
    const ledger = new Ledger({ sinks: [checker] });
    ledger.start(START);
    const a = access({ insn: 7, whole: 20_000 });
    for (let lane = 0; lane < 20_000; lane++) {
      a.lane = lane;
      ledger.issued(a);
    }
    ledger.drain();
    const report = checker.report();
    expect(report.open).toBeLessThanOrEqual(1024);
    expect(report.violations).toHaveLength(5);
    expect(report.lost + report.open).toBe(20_000);
    expect(report.byKind['two-in-flight']).toBe(19_999);
  });

  test('windows are counted by name up to a limit', () => {
    const steps = Array.from({ length: 300 }, (_, i): Step[] => [
      { stage: 'checkpoint', n: i + 1, window: i === 0 ? '__proto__' : `w${i}` },
      { stage: 'resume', n: i + 1 },
    ]).flat();
    const { windows, ok } = judge(steps);
    expect(ok).toBe(true);
    expect(Object.hasOwn(windows, '__proto__')).toBe(true);
    expect(windows['(other)']).toBe(44);
    expect(Object.values(windows).reduce((sum, n) => sum + n, 0)).toBe(300);
  });

  test('finish() says what is missing, once', () => {
    const checker = new LiveChecker();
    expect(checker.finish().byKind).toEqual({ 'start-order': 1, 'end-order': 1 });
    expect(checker.finish().violationsTotal).toBe(2);
  });
});
