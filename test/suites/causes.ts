// SPDX-License-Identifier: GPL-2.0-only
// Why a test differs. A cause is proved by running the test once more without it, never taken from what failed.
import type { MooState, MooTest } from './moo.ts';
import type { Outcome, Sst286 } from './sst286.ts';

/** Causes by name. Two at once are joined by ` + `. */
export const CAUSES = {
  lock: 'LOCK where it is not allowed: a 286 ignores it, a 386 and later raise #UD; without the prefix the test passes',
  'segment-limit':
    'a word at offset FFFF: the real processor raises #GP, segment limits are not checked here; with #GP delivered the test passes',
  'bad-record': 'the record contradicts itself: INT pushes SS where CS belongs',
  unexplained: 'none of these',
} as const;
export type Cause = keyof typeof CAUSES;

const LOCK = 0xf0;
const GENERAL_PROTECTION = 13;
const INVALID_OPCODE = 6;
const PREFIXES = new Set([0x26, 0x2e, 0x36, 0x3e, 0xf2, 0xf3, LOCK]);

/** The causes of an outcome that is not as recorded. */
export function causesOf(
  cpu: Sst286,
  test: MooTest,
  outcome: Outcome,
  flagsMask: number,
): readonly Cause[] {
  const locks = prefixesOf(test).filter((byte) => byte === LOCK).length;
  if (locks > 0 && cpu.faultOf(test) === INVALID_OPCODE) {
    const plain = withoutLock(test, locks);
    const again = cpu.run(plain, flagsMask);
    if (again.differences.length === 0) return ['lock'];
    return ['lock', ...causesOf(cpu, plain, again, flagsMask)];
  }
  if (test.exception?.vector === GENERAL_PROTECTION && outcome.exceptions === 0) {
    // Of the instructions here only RET reaches it, by its pop.
    const pops = test.initial.regs.sp === 0xffff;
    const delivered = cpu.run(test, flagsMask, GENERAL_PROTECTION);
    if (pops && delivered.differences.length === 0) return ['segment-limit'];
  }
  if (pushesSsForCs(test, outcome)) return ['bad-record'];
  return ['unexplained'];
}

function prefixesOf({ bytes }: MooTest): readonly number[] {
  const end = bytes.findIndex((byte) => !PREFIXES.has(byte));
  return [...bytes.subarray(0, end)];
}

/** The same test with its LOCK prefixes taken out: it begins as many bytes later and ends at the same place. */
export function withoutLock(test: MooTest, locks: number): MooTest {
  const { cs = 0, ip = 0, ss = 0, sp = 0 } = test.initial.regs;
  const kept = prefixesOf(test).filter((byte) => byte !== LOCK);
  const start = ip + locks;
  const ram = [...test.initial.ram, ...kept.flatMap((byte, i) => [cs * 16 + start + i, byte])];
  const initial: MooState = { regs: { ...test.initial.regs, ip: start }, ram };
  let { final } = test;
  const faulted = test.exception !== null && !isInt(test);
  if (faulted) {
    // A fault pushes the address of its instruction, prefixes included.
    const at = (offset: number): number => ss * 16 + ((sp - offset) & 0xffff);
    final = { ...final, ram: [...final.ram, at(6), start & 0xff, at(5), start >>> 8] };
  }
  return { ...test, bytes: Uint8Array.of(...kept, ...opcodeOf(test)), initial, final };
}

function opcodeOf(test: MooTest): Uint8Array {
  return test.bytes.subarray(prefixesOf(test).length);
}
function isInt(test: MooTest): boolean {
  return opcodeOf(test)[0] === 0xcd;
}

/** The only difference is the CS that INT pushed: ours is the one the code was fetched from, the record has SS. */
function pushesSsForCs(test: MooTest, { differences }: Outcome): boolean {
  if (!isInt(test)) return false;
  const { cs = 0, ss = 0, sp = 0 } = test.initial.regs;
  const line = (offset: number, have: number, want: number): string =>
    `[${(ss * 16 + ((sp - offset) & 0xffff)).toString(16)}] ${have.toString(16)}, not ${want.toString(16)}`;
  const expected = [line(4, cs & 0xff, ss & 0xff), line(3, cs >>> 8, ss >>> 8)];
  return differences.join() === expected.join();
}
