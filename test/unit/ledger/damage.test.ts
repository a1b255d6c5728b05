// SPDX-License-Identifier: GPL-2.0-only
// The checker against seeded damage: clumsy (the file is edited) and careful (numbers, totals and
// hashes are made to fit again). Each kind must be caught, and under the right name.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chainHash, chainLine, splitLine } from '../../../src/ledger/chain.ts';
import type { LedgerCheck } from '../../../src/ledger/checker.ts';
import { checkLedgerLines } from '../../../src/ledger/checker.ts';
import { Ledger } from '../../../src/ledger/ledger.ts';
import { LiveChecker } from '../../../src/ledger/live-checker.ts';
import type { ViolationKind } from '../../../src/ledger/violations.ts';
import { VIOLATION_KINDS } from '../../../src/ledger/violations.ts';
import {
  correctHistory,
  eventsOf,
  type Fields,
  forge,
  linesOf,
  record,
  START,
  type Step,
  sampleHistory,
  witnessesOf,
} from './history.ts';

type AccessStep = Extract<Step, { access: unknown }>;

const STEPS = sampleHistory();
const LINES = linesOf(STEPS);
const EVENTS = eventsOf(LINES);

const kindsOf = (check: LedgerCheck): ViolationKind[] =>
  Object.keys(check.byKind) as ViolationKind[];

const isAccess = ({ ev }: Fields): boolean =>
  ev === 'issued' || ev === 'answered' || ev === 'retired';

const sameAccess = (a: Fields, b: Fields): boolean =>
  isAccess(a) &&
  isAccess(b) &&
  (['vcpu', 'insn', 'access', 'rep', 'lane'] as const).every((field) => a[field] === b[field]);

/** Index of the first event with these fields. */
function at(fields: Fields): number {
  const index = EVENTS.findIndex((event) =>
    Object.entries(fields).every(([name, value]) => event[name] === value),
  );
  if (index < 0) throw new Error(`the sample has no ${JSON.stringify(fields)}`);
  return index;
}

/** The event with these fields. */
const event = (fields: Fields): Fields => EVENTS[at(fields)] as Fields;

/** Without the event at `index`. */
const without = (index: number): Fields[] => EVENTS.toSpliced(index, 1);

/** Without all three events of the access with these fields. */
const withoutAccess = (fields: Fields): Fields[] => {
  const target = event({ ev: 'issued', ...fields });
  return EVENTS.filter((other) => !sameAccess(other, target));
};

/** With some fields of one event replaced. */
const edit = (fields: Fields, change: Fields): Fields[] =>
  EVENTS.with(at(fields), { ...event(fields), ...change });

/** With some fields of all events of one access replaced. */
const editAccess = (fields: Fields, change: Fields): Fields[] => {
  const target = event({ ev: 'issued', ...fields });
  return EVENTS.map((other) => (sameAccess(other, target) ? { ...other, ...change } : other));
};

/** With two events exchanged. */
const exchange = (i: number, j: number): Fields[] =>
  EVENTS.with(i, EVENTS[j] as Fields).with(j, EVENTS[i] as Fields);

const IN = { vcpu: 0, insn: 7 };
const OUT = { vcpu: 1, insn: 7 };
const RMW_READ = { vcpu: 0, insn: 20, access: 0 };
const RMW_WRITE = { vcpu: 0, insn: 20, access: 1 };
const BATCH = { vcpu: 0, insn: 40, rep: 4 };
const ELEMENT = { vcpu: 1, insn: 50, rep: 2 };
const LAST = { vcpu: 0, insn: 68 };

/** Removes the witnesses' view of one access: the most careful forger of all. */
function withWitness(events: Fields[], name: string, reads: number, writes: number): Fields[] {
  return events.map((e) => {
    if (e.ev !== 'end') return e;
    const witnesses = e.witnesses as Record<string, { reads: number; writes: number }>;
    const old = witnesses[name] as { reads: number; writes: number };
    const changed = { reads: old.reads + reads, writes: old.writes + writes };
    return { ...e, witnesses: { ...witnesses, [name]: changed } };
  });
}

test('the sample is clean, also taken apart and put together again', () => {
  const check = checkLedgerLines(LINES);
  expect(check.violations).toEqual([]);
  expect(check).toMatchObject({ ok: true, chain: 'intact', lost: 0, duplicated: 0, reordered: 0 });
  expect(check.events).toBe(STEPS.length + 2);
  expect(forge(EVENTS)).toEqual(LINES);
});

describe('clumsy damage: the file is edited', () => {
  const n = 1 + at({ ev: 'answered', ...IN });
  const line = LINES[n] as string;
  const damages: [string, string[], ViolationKind][] = [
    ['a line removed', LINES.toSpliced(n, 1), 'chain'],
    ['a line duplicated', LINES.toSpliced(n, 0, line), 'sequence'],
    ['two lines swapped', LINES.with(n, LINES[n + 1] as string).with(n + 1, line), 'sequence'],
    ['a sequence number edited', LINES.with(n, line.replace(/"seq":\d+/, '"seq":999')), 'sequence'],
    ['a hash edited', LINES.with(n, line.replace(/.("\})$/, 'x$1')), 'malformed'],
    [
      'a hash replaced by another',
      LINES.with(n, `${splitHead(line)}"h":"${'5'.repeat(64)}"}`),
      'chain',
    ],
    ['a hash removed', LINES.with(n, `${splitHead(line).slice(0, -1)}}`), 'malformed'],
    ['a value edited', LINES.with(n, line.replace('"data":"0x2"', '"data":"0x3"')), 'chain'],
    ['a line cut off', LINES.with(n, line.slice(0, 50)), 'malformed'],
    ['a line that is not JSON', LINES.with(n, 'not JSON'), 'malformed'],
    ['an empty line', LINES.toSpliced(n, 0, ''), 'malformed'],
    ['blanks inside a line', LINES.with(n, line.replace(',"ev"', ', "ev"')), 'malformed'],
    ['a field given twice', LINES.with(n, line.replace('"rep":0', '"rep":1,"rep":0')), 'malformed'],
    ['a field too many', LINES.with(n, line.replace('"rep":0', '"rep":0,"x":0')), 'malformed'],
    ['a field removed', LINES.with(n, line.replace('"rep":0,', '')), 'malformed'],
    ['a carriage return', LINES.with(n, `${line}\r`), 'malformed'],
    ['the last line removed', LINES.slice(0, -1), 'trailer'],
    ['the file cut off in the middle', LINES.slice(0, n), 'trailer'],
    ['the end event removed', LINES.toSpliced(-2, 1), 'end-order'],
    ['the start event removed', LINES.toSpliced(1, 1), 'start-order'],
    ['a line after the last one', [...LINES, line], 'trailing-data'],
    ['an empty line after the last one', [...LINES, ''], 'trailing-data'],
    ['another ledger after the last line', [...LINES, ...LINES], 'trailing-data'],
  ];
  test.each(damages)('%s', (_, lines, kind) => {
    const check = checkLedgerLines(lines);
    expect(check.ok).toBe(false);
    expect(kindsOf(check)).toContain(kind);
  });

  test('the first broken line is named', () => {
    const edited = LINES.with(n, line.replace('"data":"0x2"', '"data":"0x3"'));
    const check = checkLedgerLines(edited);
    expect(check.chain).toEqual({ brokenAt: n + 1 });
    // One edit is one break: the lines after it follow from its own hash.
    expect(check.byKind).toEqual({ chain: 1, 'data-mismatch': 1 });
  });

  test('every single line removed is caught', () => {
    for (let i = 1; i < LINES.length; i++) {
      const check = checkLedgerLines(LINES.toSpliced(i, 1));
      expect(check.ok, `line ${i + 1}`).toBe(false);
    }
  });
});

function splitHead(line: string): string {
  return line.slice(0, line.lastIndexOf('"h":'));
}

describe('careful damage: numbers, totals and hashes fit again', () => {
  const triple = EVENTS.filter((e) => sameAccess(e, event({ ev: 'issued', ...IN })));
  const damages: [string, string[], ViolationKind][] = [
    ['an issue removed', forge(without(at({ ev: 'issued', ...IN }))), 'retire-unissued'],
    [
      'an issue removed: its answer',
      forge(without(at({ ev: 'issued', ...IN }))),
      'answer-unissued',
    ],
    ['an answer removed', forge(without(at({ ev: 'answered', ...IN }))), 'retire-unanswered'],
    ['a retirement removed', forge(without(at({ ev: 'retired', ...IN }))), 'unretired'],
    ['the last retirement removed', forge(without(at({ ev: 'retired', ...LAST }))), 'unretired'],
    [
      'answer and retirement removed',
      forge(
        EVENTS.filter((e) => e.ev === 'issued' || !sameAccess(e, event({ ev: 'issued', ...IN }))),
      ),
      'unanswered',
    ],
    ['a whole access removed', forge(withoutAccess(IN)), 'witness'],
    ['a whole access removed, totals kept', forge(withoutAccess(IN), { totals: false }), 'totals'],
    ['a whole access moved to another device', forge(editAccess(IN, { addr: '0x210' })), 'witness'],
    ['a read turned into a write', forge(editAccess(IN, { dir: 'w', data: '0x1' })), 'witness'],
    [
      'a whole access repeated later',
      forge([...EVENTS.slice(0, -1), ...triple, ...EVENTS.slice(-1)]),
      'duplicate-issue',
    ],
    [
      'an issue repeated at once',
      forge(EVENTS.toSpliced(at({ ev: 'issued', ...IN }), 0, event({ ev: 'issued', ...IN }))),
      'duplicate-issue',
    ],
    [
      'an answer repeated at once',
      forge(EVENTS.toSpliced(at({ ev: 'answered', ...IN }), 0, event({ ev: 'answered', ...IN }))),
      'duplicate-answer',
    ],
    [
      'a retirement repeated at once',
      forge(EVENTS.toSpliced(at({ ev: 'retired', ...IN }), 0, event({ ev: 'retired', ...IN }))),
      'duplicate-retire',
    ],
    [
      'issue and answer swapped',
      forge(exchange(at({ ev: 'issued', ...IN }), at({ ev: 'answered', ...IN }))),
      'answer-unissued',
    ],
    [
      'answer and retirement swapped',
      forge(exchange(at({ ev: 'answered', ...IN }), at({ ev: 'retired', ...IN }))),
      'answer-late',
    ],
    [
      'retirements of one instruction swapped',
      forge(exchange(at({ ev: 'retired', ...RMW_READ }), at({ ev: 'retired', ...RMW_WRITE }))),
      'retire-order',
    ],
    [
      'two accesses in the wrong order',
      forge(movedAfter(IN, { vcpu: 0, insn: 11 })),
      'issue-order',
    ],
    ['an access of a later instruction first', forge(editAccess(IN, { insn: 1 })), 'issue-order'],
    [
      'a value changed at the answer',
      forge(edit({ ev: 'answered', ...IN }, { data: '0x9' })),
      'data-mismatch',
    ],
    [
      'a value changed at the retirement',
      forge(edit({ ev: 'retired', ...IN }, { data: '0x9' })),
      'data-mismatch',
    ],
    [
      'a value changed at the write',
      forge(edit({ ev: 'issued', ...OUT }, { data: '0x9' })),
      'data-mismatch',
    ],
    [
      'a value removed at the answer',
      forge(edit({ ev: 'answered', ...IN }, { data: null })),
      'data-mismatch',
    ],
    [
      'a value removed at the retirement',
      forge(edit({ ev: 'retired', ...OUT }, { data: null })),
      'data-mismatch',
    ],
    ['a value removed everywhere', forge(editAccess(OUT, { data: null })), 'data-mismatch'],
    [
      'a digest changed',
      forge(edit({ ev: 'retired', ...BATCH }, { data: '0x1' })),
      'data-mismatch',
    ],
    [
      'an address changed',
      forge(edit({ ev: 'retired', ...IN }, { addr: '0x201' })),
      'field-mismatch',
    ],
    ['a batch removed', forge(withWitness(withoutAccess(BATCH), 'counter', -4, 0)), 'rep-gap'],
    ['the first batch removed', forge(withoutAccess({ ...BATCH, rep: 0 })), 'rep-gap'],
    [
      'an element removed',
      forge(withWitness(withoutAccess(ELEMENT), 'sequence', 0, -1)),
      'rep-gap',
    ],
    ['a batch that overlaps the next', forge(editAccess(BATCH, { count: 6 })), 'rep-overlap'],
    ['a batch too short', forge(editAccess(BATCH, { count: 3 })), 'rep-gap'],
    [
      'a batch retired in part',
      forge(edit({ ev: 'retired', ...BATCH }, { count: 3 })),
      'range-mismatch',
    ],
    [
      'a batch answered elsewhere',
      forge(edit({ ev: 'answered', ...BATCH }, { rep: 5 })),
      'range-mismatch',
    ],
    [
      'the port changed within a REP',
      forge(editAccess(ELEMENT, { addr: '0x212' })),
      'field-mismatch',
    ],
    ['the first piece removed', forge(withoutAccess({ insn: 24, lane: 0 })), 'lane-gap'],
    [
      'a middle piece removed',
      forge(withWitness(withoutAccess({ insn: 24, lane: 1 }), 'counter', -1, 0)),
      'lane-gap',
    ],
    [
      'the last piece removed',
      forge(withWitness(withoutAccess({ insn: 24, lane: 3 }), 'rmw', -1, 0)),
      'lane-gap',
    ],
    [
      'a piece of another width',
      forge(editAccess({ insn: 24, lane: 1 }, { whole: 8 })),
      'field-mismatch',
    ],
    [
      'the read of a read-modify-write removed',
      forge(withWitness(withoutAccess(RMW_READ), 'rmw', -1, 0)),
      'access-gap',
    ],
    ['the write of a read-modify-write removed', forge(withoutAccess(RMW_WRITE)), 'witness'],
    [
      'the next access issued before the answer',
      forge(exchange(at({ ev: 'answered', ...RMW_READ }), at({ ev: 'issued', ...RMW_WRITE }))),
      'two-in-flight',
    ],
    ['an unknown vCPU', forge(edit({ ev: 'retired', ...IN }, { vcpu: 2 })), 'unknown-vcpu'],
    ['bytes beyond the access', forge(edit({ ev: 'retired', ...IN }, { size: 2 })), 'bad-field'],
    ['an instruction after the last', forge(editAccess(LAST, { insn: 100 })), 'totals'],
    ['a checkpoint removed', forge(without(at({ ev: 'checkpoint', n: 2 }))), 'checkpoint-order'],
    ['a resume removed', forge(without(at({ ev: 'resume', n: 2 }))), 'paused-activity'],
    [
      'a checkpoint renumbered',
      forge(edit({ ev: 'checkpoint', n: 2 }, { n: 5 })),
      'checkpoint-order',
    ],
    [
      'a checkpoint and its resume removed, totals kept',
      forge(
        EVENTS.filter((e) => e.n !== 3),
        { totals: false },
      ),
      'totals',
    ],
    [
      'a checkpoint moved into an access',
      forge(exchange(at({ ev: 'checkpoint', n: 1 }), at({ ev: 'resume', n: 1 }) + 2)),
      'checkpoint-order',
    ],
    [
      'a checkpoint while an access is in flight',
      forge(
        EVENTS.filter((e) => e.n !== 1).toSpliced(
          at({ ev: 'answered', ...IN }),
          0,
          event({ ev: 'checkpoint', n: 1 }),
          event({ ev: 'resume', n: 1 }),
        ),
      ),
      'in-flight-at-checkpoint',
    ],
    ['totals changed', forge(edit({ ev: 'end' }, { checkpoints: 4 }), { totals: false }), 'totals'],
    [
      'issued total changed',
      forge(edit({ ev: 'end' }, { totals: { issued: 1, answered: 1, retired: 1 } }), {
        totals: false,
      }),
      'totals',
    ],
    ['a witness changed', forge(withWitness(EVENTS, 'rmw', 1, 0)), 'witness'],
    ['a witness removed', forge(edit({ ev: 'end' }, { witnesses: {} })), 'witness'],
    ['the start removed', forge(EVENTS.slice(1)), 'start-order'],
    ['a second start', forge(EVENTS.toSpliced(5, 0, EVENTS[0] as Fields)), 'start-order'],
    ['the end removed', forge(EVENTS.slice(0, -1)), 'end-order'],
    ['an end too early', forge(EVENTS.toSpliced(5, 0, EVENTS.at(-1) as Fields)), 'end-order'],
    ['numbers with a hole', forge(withoutAccess(IN), { renumber: false }), 'sequence'],
    [
      'a number twice',
      forge(edit({ ev: 'answered', ...IN }, { seq: 1 }), { renumber: false }),
      'sequence',
    ],
    [
      'a reset put in between',
      forge(EVENTS.toSpliced(at({ ev: 'answered', ...IN }), 0, { seq: 0, ev: 'reset', vcpu: 0 })),
      'unanswered',
    ],
    [
      'a reset of an unknown vCPU',
      forge(EVENTS.toSpliced(1, 0, { seq: 0, ev: 'reset', vcpu: 9 })),
      'unknown-vcpu',
    ],
    [
      'a value wider than its access',
      forge(edit({ ev: 'answered', ...IN }, { data: '0x100' })),
      'malformed',
    ],
    [
      'a value with a leading zero',
      forge(edit({ ev: 'answered', ...IN }, { data: '0x02' })),
      'malformed',
    ],
    [
      'a value before the answer of a read',
      forge(edit({ ev: 'issued', ...IN }, { data: '0x2' })),
      'malformed',
    ],
    [
      'a port beyond 0xffff',
      forge(edit({ ev: 'issued', ...IN }, { addr: '0x10000' })),
      'malformed',
    ],
    ['a fraction', forge(edit({ ev: 'issued', ...IN }, { insn: 1.5 })), 'malformed'],
    ['a negative number', forge(edit({ ev: 'issued', ...IN }, { insn: -1 })), 'malformed'],
    ['an unknown event', forge(edit({ ev: 'issued', ...IN }, { ev: 'maybe' })), 'malformed'],
  ];

  test.each(damages)('%s', (_, lines, kind) => {
    const check = checkLedgerLines(lines);
    expect(check.chain).toBe('intact');
    expect(check.ok).toBe(false);
    expect(kindsOf(check)).toContain(kind);
  });

  test('every kind of violation is provoked by some damage', () => {
    const provoked = new Set(damages.map(([, , kind]) => kind));
    const elsewhere: ViolationKind[] = ['chain', 'trailer', 'trailing-data'];
    for (const kind of elsewhere) provoked.add(kind);
    expect([...provoked].sort()).toEqual(Object.keys(VIOLATION_KINDS).sort());
  });

  test('every field of every stage, edited alone, is caught by the rules', () => {
    const changes: Fields = {
      vcpu: 1,
      insn: 1000,
      access: 1,
      rep: 1,
      count: 2,
      lane: 1,
      whole: 2,
      space: 'mmio',
      addr: '0x201',
      size: 2,
      dir: 'w',
      data: '0x55',
    };
    for (const ev of ['issued', 'answered', 'retired']) {
      for (const [field, value] of Object.entries(changes)) {
        const target = { ev, ...OUT };
        const flipped = field === 'dir' ? 'r' : field === 'size' || field === 'whole' ? 4 : value;
        const lines = forge(edit(target, { [field]: field === 'vcpu' ? 0 : flipped }));
        const check = checkLedgerLines(lines);
        expect(check.ok, `${ev}.${field}`).toBe(false);
        expect(check.chain).toBe('intact');
        const byEyes = checkLedgerLines(
          LINES.with(1 + at(target), chainedAlone({ ...event(target), [field]: flipped })),
        );
        expect(byEyes.chain, `${ev}.${field}, not chained again`).not.toBe('intact');
      }
    }
  });

  test('every mark field edited alone is caught or is only a description', () => {
    const descriptions = new Set(['window', 'guest', 'revision', 'seed', 'config', 'reason', 'ev']);
    for (const ev of ['checkpoint', 'resume', 'end'] as const) {
      for (const [field, value] of Object.entries(event({ ev }))) {
        if (descriptions.has(field) || field === 'seq' || field === 'stop') continue;
        const other =
          typeof value === 'number' ? value + 1 : Array.isArray(value) ? [1, 1] : { issued: 0 };
        const check = checkLedgerLines(forge(edit({ ev }, { [field]: other }), { totals: false }));
        expect(check.ok, `${ev}.${field}`).toBe(false);
      }
    }
  });

  test('a lie in the last line is caught', () => {
    const last = splitLine(LINES.at(-1) as string);
    const before = splitLine(LINES.at(-2) as string);
    if (last === null || before === null) throw new Error('no hash');
    for (const [from, to] of [
      [/"events":\d+/, '"events":7'],
      [/"issued":\d+/, '"issued":7'],
      [/"head":"./, '"head":"z'],
      [/"trailer":true/, '"trailer":false'],
    ] as const) {
      const body = last.body.replace(from, to);
      const line = chainLine(body, chainHash(before.h, body)).trimEnd();
      const check = checkLedgerLines(LINES.with(-1, line));
      expect(check.chain).toBe('intact');
      expect(kindsOf(check).some((kind) => kind === 'trailer' || kind === 'malformed')).toBe(true);
    }
  });

  /** All events of access `first` moved behind those of access `second`. */
  function movedAfter(first: Fields, second: Fields): Fields[] {
    const moved = EVENTS.filter((e) => sameAccess(e, event({ ev: 'issued', ...first })));
    const rest = EVENTS.filter((e) => !moved.includes(e));
    return rest.toSpliced(rest.indexOf(event({ ev: 'retired', ...second })) + 1, 0, ...moved);
  }

  function chainedAlone(fields: Fields): string {
    return chainLine(JSON.stringify(fields), '7'.repeat(64)).trimEnd();
  }
});

describe('random damage to random histories', () => {
  /** Whether two neighbours may only come in this order. */
  function ordered(one: AccessStep, two: AccessStep): boolean {
    if (one.access.vcpu !== two.access.vcpu) return false;
    if (one.stage === two.stage || one.stage === 'issued' || two.stage === 'issued') return true;
    // The answer to one access and the retirement of another one may come either way round.
    const [a, b] = [one.access, two.access];
    return a.insn === b.insn && a.rep === b.rep && a.access === b.access && a.lane === b.lane;
  }

  const damaged = fc.record({
    steps: correctHistory,
    pick: fc.nat(),
    how: fc.constantFrom('drop', 'double', 'swap'),
  });

  test('any one access event dropped, doubled, or swapped with the next of its vCPU is caught', () => {
    let tried = 0;
    fc.assert(
      fc.property(damaged, ({ steps, pick, how }) => {
        const places = steps.flatMap((step, i) => {
          const next = steps[i + 1];
          if (!('access' in step)) return [];
          if (how !== 'swap') return [i];
          return next !== undefined && 'access' in next && ordered(step, next) ? [i] : [];
        });
        const i = places[pick % Math.max(places.length, 1)];
        if (i === undefined) return;
        tried++;
        const [one, two] = [steps[i], steps[i + 1]];
        if (one === undefined) return;
        const bad =
          how === 'drop'
            ? steps.toSpliced(i, 1)
            : how === 'double'
              ? steps.toSpliced(i, 0, one)
              : two === undefined
                ? steps
                : steps.with(i, two).with(i + 1, one);
        const checker = new LiveChecker();
        const ledger = new Ledger({ sinks: [checker] });
        ledger.start(START);
        record(ledger, bad);
        // Even the witnesses are made to fit what is recorded.
        ledger.end({ stop: 'boundary', reason: 'done', witnesses: witnessesOf(bad) });
        expect(checker.finish().ok).toBe(false);
      }),
      { numRuns: 500 },
    );
    expect(tried).toBeGreaterThan(300);
  });
});
