// SPDX-License-Identifier: GPL-2.0-only
// Histories for the ledger's tests: a hand-made one with every shape of access, random correct ones,
// and the tools of a forger (take a file apart, change it, chain it again).
import fc from 'fast-check';
import {
  CHAIN_START,
  chainHash,
  chainLine,
  headerBody,
  splitLine,
  trailerBody,
} from '../../../src/ledger/chain.ts';
import { decodeEvent } from '../../../src/ledger/codec.ts';
import type { Access, LedgerDevice, Stage, Witness } from '../../../src/ledger/events.ts';
import { createAccess, FOLD_START, foldElement } from '../../../src/ledger/events.ts';
import { LineWriter } from '../../../src/ledger/file-writer.ts';
import { Ledger } from '../../../src/ledger/ledger.ts';

export const DEVICES: readonly LedgerDevice[] = [
  { name: 'counter', space: 'pio', first: 0x200, last: 0x207 },
  { name: 'sequence', space: 'pio', first: 0x210, last: 0x217 },
  { name: 'counter', space: 'mmio', first: 0xd0000, last: 0xd0fff },
  { name: 'rmw', space: 'mmio', first: 0xd1000, last: 0xd1fff },
];

export const START = {
  guest: 'sample',
  revision: 'exact',
  seed: 1,
  vcpus: 2,
  devices: DEVICES,
  config: { ram: 1048576 },
};

/** A step of a history: an access at a stage, or a mark. */
export type Step =
  | { stage: Stage; access: Access }
  | { stage: 'checkpoint'; n: number; window: string }
  | { stage: 'resume'; n: number }
  | { stage: 'reset'; vcpu: number };

/** An access with the fields that matter; the rest as for a 1-byte read of port 0x200. */
export function access(fields: Partial<Access>): Access {
  const a = { ...createAccess(), addr: 0x200, ...fields };
  return { ...a, whole: a.whole === 0 ? a.size : a.whole };
}

/** Issued and answered; `value` is the one read or written. */
export function served(a: Access, value: number): Step[] {
  const known = { ...a, hasData: true, data: value };
  return [
    { stage: 'issued', access: a.dir === 'w' ? known : a },
    { stage: 'answered', access: a.dir === 'r' ? known : a },
  ];
}

/** The program consumed it. */
export function retired(a: Access, value: number): Step {
  return { stage: 'retired', access: { ...a, hasData: true, data: value } };
}

/** All three stages. */
export function whole(a: Access, value: number): Step[] {
  return [...served(a, value), retired(a, value)];
}

/** Accesses of one instruction: served one by one, retired together. */
export function together(parts: readonly [Access, number][]): Step[] {
  return [
    ...parts.flatMap(([a, value]) => served(a, value)),
    ...parts.map(([a, value]) => retired(a, value)),
  ];
}

/** A read-modify-write at 0xd1000. */
export function rmw(vcpu: number, insn: number, value: number): Step[] {
  const base = { vcpu, insn, space: 'mmio' as const, addr: 0xd1000, size: 4 };
  return together([
    [access({ ...base }), value],
    [access({ ...base, access: 1, dir: 'w' }), value + 1],
  ]);
}

/** A 4-byte read of 0xd0ffd crossing into the next page, in pieces of 1, 2 and 1 bytes. */
export function crossing(vcpu: number, insn: number): [Access, number][] {
  const base = { vcpu, insn, space: 'mmio' as const, whole: 4 };
  return [
    [access({ ...base, addr: 0xd0ffd, size: 1, lane: 0 }), 0x11],
    [access({ ...base, addr: 0xd0ffe, size: 2, lane: 1 }), 0x3322],
    [access({ ...base, addr: 0xd1000, size: 1, lane: 3 }), 0x44],
  ];
}

/** Each shape of access, two vCPUs, three checkpoints. */
export function sampleHistory(): Step[] {
  const steps: Step[] = [];
  let insn = 3;
  for (let value = 1; value <= 3; value++, insn += 4) {
    steps.push(...whole(access({ insn }), value));
    steps.push(...whole(access({ vcpu: 1, insn, addr: 0x210, dir: 'w', size: 2 }), value));
  }
  steps.push({ stage: 'checkpoint', n: 1, window: 'between' }, { stage: 'resume', n: 1 });
  steps.push(...rmw(0, 20, 7), ...rmw(1, 30, 8));
  steps.push({ stage: 'checkpoint', n: 2, window: 'in-flight' }, { stage: 'resume', n: 2 });
  steps.push(...together(crossing(0, 24)));
  // REP INSB in batches of 4, REP OUTSB one by one.
  for (let rep = 0; rep < 12; rep += 4) {
    let digest = FOLD_START;
    for (let i = 0; i < 4; i++) digest = foldElement(digest, rep + i, 0);
    steps.push(...whole(access({ insn: 40, rep, count: 4 }), digest));
  }
  for (let rep = 0; rep < 4; rep++) {
    steps.push(...whole(access({ vcpu: 1, insn: 50, rep, addr: 0x210, dir: 'w' }), rep));
  }
  steps.push({ stage: 'checkpoint', n: 3, window: 'before-rax' }, { stage: 'resume', n: 3 });
  for (let value = 4; value <= 6; value++) {
    steps.push(...whole(access({ insn: 50 + 3 * value, size: 4 }), 0x89abcd00 + value));
  }
  return steps;
}

/** What the devices count on their own: the issues, by address. */
export function witnessesOf(steps: readonly Step[]): Record<string, Witness> {
  const witnesses: Record<string, Witness> = {};
  for (const { name } of DEVICES) witnesses[name] = { reads: 0, writes: 0 };
  for (const step of steps) {
    if (step.stage !== 'issued') continue;
    const { space, addr, dir, count } = step.access;
    const device = DEVICES.find((d) => d.space === space && d.first <= addr && addr <= d.last);
    const witness = device === undefined ? undefined : witnesses[device.name];
    if (witness === undefined) continue;
    if (dir === 'r') witness.reads += count;
    else witness.writes += count;
  }
  return witnesses;
}

/** Puts steps into a ledger that was started. */
export function record(ledger: Ledger, steps: readonly Step[]): void {
  for (const step of steps) {
    if (step.stage === 'checkpoint') ledger.checkpoint(step.n, step.window);
    else if (step.stage === 'resume') ledger.resume(step.n);
    else if (step.stage === 'reset') ledger.reset(step.vcpu);
    else ledger[step.stage](step.access);
  }
}

/** The lines of the ledger file of a history, without line ends. */
export function linesOf(steps: readonly Step[], witnesses = witnessesOf(steps)): string[] {
  let text = '';
  const writer = new LineWriter((chunk) => {
    text += chunk;
  });
  const ledger = new Ledger({ sinks: [writer] });
  ledger.start(START);
  record(ledger, steps);
  ledger.end({ stop: 'boundary', reason: 'done', witnesses, instructions: [100, 100] });
  writer.finish();
  return text.trimEnd().split('\n');
}

/** One event's fields. */
export type Fields = Record<string, unknown>;

/** The events of a file as plain objects. */
export function eventsOf(lines: readonly string[]): Fields[] {
  return lines.slice(1, -1).map((line) => {
    const split = splitLine(line);
    if (split === null) throw new Error(`no hash in ${line}`);
    return JSON.parse(split.body) as Fields;
  });
}

/** Hashes contents into lines, first to last. */
export function chain(bodies: readonly string[]): string[] {
  let head = CHAIN_START;
  return bodies.map((body) => {
    head = chainHash(head, body);
    return chainLine(body, head).trimEnd();
  });
}

/**
 * A careful forger: numbers the events again (unless told not to), corrects the totals of the end
 * event (unless told not to), and computes every hash and the last line anew.
 */
export function forge(
  events: readonly Fields[],
  { renumber = true, totals = true }: { renumber?: boolean; totals?: boolean } = {},
): string[] {
  const counts = { issued: 0, answered: 0, retired: 0 };
  let checkpoints = 0;
  let resumes = 0;
  for (const { ev, count } of events) {
    if (ev === 'issued' || ev === 'answered' || ev === 'retired') counts[ev] += Number(count);
    else if (ev === 'checkpoint') checkpoints++;
    else if (ev === 'resume') resumes++;
  }
  const bodies = events.map((event, i) => {
    const fields: Fields = renumber ? { ...event, seq: i } : { ...event };
    if (totals && fields.ev === 'end')
      Object.assign(fields, { totals: counts, checkpoints, resumes });
    return JSON.stringify(fields);
  });
  const head = chain([headerBody(), ...bodies]).map((line) => splitLine(line)?.h ?? '');
  const last = trailerBody({ events: events.length, totals: counts, head: head.at(-1) ?? '' });
  return chain([headerBody(), ...bodies, last]);
}

/** Decodes what `encode...` wrote; for round trips. */
export function decodeLine(line: string): ReturnType<typeof decodeEvent> {
  const split = splitLine(line);
  if (split === null) throw new Error(`no hash in ${line}`);
  return decodeEvent(split.body);
}

/** Random accesses of one instruction, with the instruction number left at 0. */
const shape = fc.oneof(
  fc.record({
    kind: fc.constant('single' as const),
    dir: fc.constantFrom('r' as const, 'w' as const),
    size: fc.constantFrom(1, 2, 4),
    port: fc.constantFrom(0x200, 0x210),
  }),
  fc.record({ kind: fc.constant('rmw' as const) }),
  fc.record({ kind: fc.constant('crossing' as const) }),
  fc.record({
    kind: fc.constant('rep' as const),
    dir: fc.constantFrom('r' as const, 'w' as const),
    batches: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 }),
  }),
  fc.record({ kind: fc.constant('movs' as const), reps: fc.integer({ min: 1, max: 4 }) }),
);

/** One instruction: its number, the gap to the next, and random values. */
const instruction = fc.record({
  shape,
  gap: fc.integer({ min: 1, max: 1000 }),
  value: fc.integer({ min: 0, max: 0xffffffff }),
});

function stepsOf(vcpu: number, insn: number, i: { shape: unknown; value: number }): Step[] {
  const s = i.shape as
    | { kind: 'single'; dir: 'r' | 'w'; size: number; port: number }
    | { kind: 'rmw' }
    | { kind: 'crossing' }
    | { kind: 'rep'; dir: 'r' | 'w'; batches: number[] }
    | { kind: 'movs'; reps: number };
  if (s.kind === 'rmw') return rmw(vcpu, insn, i.value % 0xffffff);
  if (s.kind === 'crossing') return together(crossing(vcpu, insn));
  if (s.kind === 'single') {
    return whole(access({ vcpu, insn, dir: s.dir, size: s.size, addr: s.port }), i.value);
  }
  if (s.kind === 'rep') {
    let rep = 0;
    return s.batches.flatMap((count) => {
      const a = access({ vcpu, insn, rep, count, dir: s.dir, addr: 0x200 });
      rep += count;
      return whole(a, i.value);
    });
  }
  return Array.from({ length: s.reps }, (_, rep) => {
    const base = { vcpu, insn, rep, space: 'mmio' as const, size: 2 };
    return together([
      [access({ ...base, addr: 0xd0000 + 2 * rep }), rep],
      [access({ ...base, addr: 0xd1000 + 2 * rep, access: 1, dir: 'w' }), rep],
    ]);
  }).flat();
}

/** Random correct histories: two vCPUs interleaved, checkpoints wherever nothing is in flight, resets. */
export const correctHistory: fc.Arbitrary<Step[]> = fc
  .record({
    programs: fc.tuple(
      fc.array(instruction, { maxLength: 12 }),
      fc.array(instruction, { maxLength: 12 }),
    ),
    resetAt: fc.option(fc.integer({ min: 0, max: 11 })),
    choices: fc.infiniteStream(fc.integer({ min: 0, max: 9 })),
  })
  .map(({ programs, resetAt, choices }) => {
    const queues = programs.map((program, vcpu) => {
      let insn = 0;
      return program.flatMap((i, index) => {
        const steps: Step[] = [];
        if (vcpu === 1 && index === resetAt) {
          insn = 0;
          steps.push({ stage: 'reset', vcpu });
        }
        steps.push(...stepsOf(vcpu, insn, i));
        insn += i.gap;
        return steps;
      });
    });
    const steps: Step[] = [];
    let inFlight = 0;
    let n = 0;
    while (queues.some((queue) => queue.length > 0)) {
      const choice = Number(choices.next().value);
      if (choice === 9 && inFlight === 0) {
        n++;
        steps.push({ stage: 'checkpoint', n, window: `w${n % 3}` }, { stage: 'resume', n });
      }
      const step = (
        queues[choice % 2]?.length ? queues[choice % 2] : queues[1 - (choice % 2)]
      )?.shift();
      if (step === undefined) continue;
      if (step.stage === 'issued') inFlight++;
      if (step.stage === 'answered') inFlight--;
      steps.push(step);
    }
    return steps;
  });
