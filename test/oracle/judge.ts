// SPDX-License-Identifier: GPL-2.0-only
// Asks a second CPU about cases and says of each: equal, different for a cause, or different without one.
import { accessText, type Case, firstByte, pagesOf, type Run, theirRun } from './case.ts';
import type { Cause } from './cause.ts';
import { ask, type Oracle, type OracleResult } from './helper.ts';
import { KVM_CAUSES } from './kvm-causes.ts';
import { PROCESSOR_CAUSES, UNDEFINED_FLAGS } from './processor-causes.ts';

/** What became of one case. */
export type Verdict =
  | { readonly kind: 'equal' }
  | { readonly kind: 'differs' | 'gave up' | 'not run'; readonly cause: string }
  | { readonly kind: 'unexplained'; readonly text: string };

/** All cases before one second CPU. */
export interface Report {
  readonly cases: readonly Case[];
  /** In the order of the cases. */
  readonly verdicts: readonly Verdict[];
}

const REGISTERS = 'EAX ECX EDX EBX ESP EBP ESI EDI EIP EFLAGS'.split(' ');
const ESP = 4;
const EIP = 8;
const EFLAGS = 9;
const CLI = 0xfa;
/** Interrupts stay on in a process, and a fault sets RF. */
const IF = 0x200;
const RF = 0x10000;

/** KVM: the same accesses in the same order, registers, RAM. @throws NoOracle */
export function askKvm(cases: readonly Case[]): Report {
  const results = ask(
    'kvm',
    cases.map((c) => c.request),
  );
  const verdicts = cases.map((c, i) =>
    judge('kvm', c, theirRun(c.request, results[i] as OracleResult)),
  );
  return { cases, verdicts };
}

/**
 * The processor itself, with RAM where devices are: registers, RAM, the bytes in the place of
 * devices, and which of their pages is touched first. */
export function askProcessor(cases: readonly Case[]): Report {
  const asked = cases.flatMap((c) => (typeof c.inRam === 'string' ? [] : [c.inRam.request]));
  const results = ask('processor', asked)[Symbol.iterator]();
  const verdicts = cases.map((c): Verdict => {
    if (typeof c.inRam === 'string') return { kind: 'not run', cause: c.inRam };
    const { request, left } = c.inRam;
    const result = results.next().value as OracleResult;
    const theirs = asMachine(c, theirRun(request, result), result.touched);
    // All memory is RAM and compared.
    const asked = { ...c, request: { ...request, ranges: [] }, ours: { ...c.ours, ram: left } };
    return judge('processor', asked, theirs);
  });
  return { cases, verdicts };
}

// A process cannot execute CLI or HLT, with which cases end, nor switch interrupts off.
function asMachine({ ours, request }: Case, run: Run, touched: readonly number[]): Run {
  const inOrder = pagesOf(ours.accesses.map(({ at }) => at)).join() === pagesOf(touched).join();
  const seen = touched.map((at) => ({ read: true, size: 1, space: 'mmio' as const, at, data: 0n }));
  const theirs = { ...run, accesses: inOrder ? ours.accesses : seen };
  if (theirs.stopped !== null) return theirs;
  const ram = theirs.ram.slice();
  const registers = [...theirs.registers];
  const at = registers[EIP] ?? 0;
  registers[EIP] = at + (ram[(request.segments[1]?.base ?? 0) + at] === CLI ? 2 : 1);
  registers[EFLAGS] = (registers[EFLAGS] ?? 0) & ~(IF | RF);
  const pushed = ((registers[ESP] ?? 0) + 1) & 0xffff;
  ram[pushed] = (ram[pushed] ?? 0) & ~(IF >> 8);
  return { ...theirs, registers, ram };
}

/** One case. `theirs` as `theirRun()` makes it. */
export function judge(oracle: Oracle, c: Case, theirs: Run): Verdict {
  const text = firstDifference(c, theirs);
  if (text === null) return { kind: 'equal' };
  const causes = [...(oracle === 'kvm' ? KVM_CAUSES : PROCESSOR_CAUSES), UNDEFINED_FLAGS];
  const cause = causes.find((one) => one.explains(c, theirs));
  if (cause === undefined) return { kind: 'unexplained', text: `${c.family}: ${c.name}: ${text}` };
  return { kind: cause.kind, cause: causeText(cause) };
}

/** `KVM: …` */
export function causeText({ whose, text }: Cause): string {
  return whose === 'nobody' ? text : `${whose}: ${text}`;
}

function firstDifference({ ours, request }: Case, theirs: Run): string | null {
  if (ours.stopped !== null) return `does not end here: ${ours.stopped}`;
  const length = Math.max(ours.accesses.length, theirs.accesses.length);
  for (let i = 0; i < length; i++) {
    const [a, b] = [ours.accesses[i], theirs.accesses[i]].map((one) =>
      one === undefined ? 'none' : accessText(one),
    );
    if (a !== b) return `access ${i}: here ${a}, there ${b}${stopText(theirs)}`;
  }
  if (theirs.stopped !== null) return `no end there${stopText(theirs)}`;
  const register = REGISTERS.findIndex((_, i) => ours.registers[i] !== theirs.registers[i]);
  const hex = (value: number | undefined): string => `0x${(value ?? 0).toString(16)}`;
  if (register >= 0) {
    const [a, b] = [ours.registers[register], theirs.registers[register]];
    return `${REGISTERS[register]}: here ${hex(a)}, there ${hex(b)}`;
  }
  const at = firstByte(ours.ram, theirs.ram, request.ranges);
  return at === -1
    ? null
    : `RAM at ${hex(at)}: here ${hex(ours.ram[at])}, there ${hex(theirs.ram[at])}`;
}

function stopText({ stopped }: Run): string {
  return stopped === null ? '' : `; it stopped: ${stopped}`;
}

/** What executes code in KVM: the processor, or nothing but KVM's instruction emulator, which knows no x87. */
export function kvmExecutes(sample: Case): 'processor' | 'emulator' {
  const ram = sample.request.ram.slice();
  const { segments, rip } = sample.request;
  ram.set([0xd9, 0xee, 0xf4], (segments[1]?.base ?? 0) + rip); // fldz; hlt
  const [result] = ask('kvm', [{ ...sample.request, ranges: [], streams: [], ram }]);
  return result?.stopped === null ? 'processor' : 'emulator';
}
