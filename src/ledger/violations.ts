// SPDX-License-Identifier: GPL-2.0-only
// The kinds of violation, what each means, and the sentences that describe an access.
import { hex, hex64 } from '../util/hex.ts';
import type { Access } from './events.ts';

/**
 * What a violation counts as. `lost`, `duplicated` and `reordered` are counted in accesses;
 * `mismatch`: two stages disagree; `history`: marks in the wrong place; `totals`: a witness
 * disagrees; `file`: the file itself was damaged.
 */
export type ViolationClass =
  | 'lost'
  | 'duplicated'
  | 'reordered'
  | 'mismatch'
  | 'history'
  | 'totals'
  | 'file';

/** Every kind: its class and one sentence. */
export const VIOLATION_KINDS = {
  unanswered: { class: 'lost', meaning: 'A device served an access and no answer ever came back.' },
  unretired: { class: 'lost', meaning: 'An answer came back and the program never consumed it.' },
  'retire-unissued': { class: 'lost', meaning: 'The program moved past an access no device saw.' },
  'retire-unanswered': {
    class: 'lost',
    meaning: 'The program moved past an access before its answer came.',
  },
  'answer-unissued': { class: 'lost', meaning: 'An answer to an access no device saw.' },
  'rep-gap': { class: 'lost', meaning: 'Repetitions of a REP are missing.' },
  'access-gap': { class: 'lost', meaning: 'An earlier access of the same repetition is missing.' },
  'lane-gap': { class: 'lost', meaning: 'A piece of a split access is missing.' },
  'duplicate-issue': { class: 'duplicated', meaning: 'A device saw the same access twice.' },
  'rep-overlap': {
    class: 'duplicated',
    meaning: 'A request covers repetitions another request covered already.',
  },
  'duplicate-answer': { class: 'duplicated', meaning: 'An access was answered twice.' },
  'duplicate-retire': { class: 'duplicated', meaning: 'The program moved past an access twice.' },
  'issue-order': { class: 'reordered', meaning: 'An access was issued after a later one.' },
  'retire-order': { class: 'reordered', meaning: 'An access retired before an earlier one.' },
  'answer-late': { class: 'reordered', meaning: 'An answer came after its access was finished.' },
  'two-in-flight': {
    class: 'reordered',
    meaning: 'A vCPU issued an access while another one waited for its answer.',
  },
  'range-mismatch': {
    class: 'mismatch',
    meaning: 'Two stages of an access cover different repetitions.',
  },
  'field-mismatch': {
    class: 'mismatch',
    meaning: 'Two stages of an access differ in space, address, size or direction.',
  },
  'data-mismatch': { class: 'mismatch', meaning: 'Two stages of an access differ in the value.' },
  'bad-field': { class: 'mismatch', meaning: 'A field of an event makes no sense.' },
  'unknown-vcpu': { class: 'history', meaning: 'An event names a vCPU the run does not have.' },
  'start-order': { class: 'history', meaning: 'The start event is missing, or not the first.' },
  'end-order': { class: 'history', meaning: 'The end event is missing, or not the last.' },
  'checkpoint-order': {
    class: 'history',
    meaning: 'Checkpoints and resumes do not alternate, or are misnumbered.',
  },
  'paused-activity': {
    class: 'history',
    meaning: 'Something happened between a checkpoint and its resume.',
  },
  'in-flight-at-checkpoint': {
    class: 'history',
    meaning: 'A checkpoint was taken while an access waited for its answer.',
  },
  totals: { class: 'totals', meaning: 'The end event counts other events than were recorded.' },
  witness: { class: 'totals', meaning: 'A device counted other accesses than were recorded.' },
  malformed: { class: 'file', meaning: 'A line is not an event in this format.' },
  sequence: { class: 'file', meaning: 'A line has the wrong sequence number.' },
  chain: { class: 'file', meaning: 'The hash of a line does not follow from the line before.' },
  trailer: { class: 'file', meaning: 'The last line is missing or its figures are wrong.' },
  'trailing-data': { class: 'file', meaning: 'The file goes on after its last line.' },
} as const satisfies Record<string, { class: ViolationClass; meaning: string }>;

/** A kind from `VIOLATION_KINDS`; API, as the codes of errors are. */
export type ViolationKind = keyof typeof VIOLATION_KINDS;

/** Which access a violation is about. */
export interface AccessIdentity {
  vcpu: number;
  insn: number;
  access: number;
  rep: number;
  count: number;
  lane: number;
}

/** One thing that went wrong. */
export interface Violation {
  kind: ViolationKind;
  class: ViolationClass;
  /** null when it is about no access. */
  identity: AccessIdentity | null;
  /** The earlier event it is about, when there is one. */
  firstSeq: number | null;
  /** The event at which it was noticed. */
  seq: number;
  /** The checkpoint that fell into it, or the last one before `seq`: number and window. */
  checkpoint: { n: number; window: string } | null;
  /** One sentence in plain words. */
  message: string;
}

/** `port 0x200, read of 1 byte` */
export function describeAccess(a: Access): string {
  const where = a.space === 'pio' ? `port ${hex(a.addr)}` : `memory ${hex(a.addr)}`;
  const verb = a.dir === 'r' ? 'read' : 'write';
  const bytes = a.size === 1 ? '1 byte' : `${a.size} bytes`;
  return a.count === 1
    ? `${where}, ${verb} of ${bytes}`
    : `${where}, ${a.count} ${verb}s of ${bytes}`;
}

/** `vCPU 0, instruction 12, repetitions 4-7, access 1, byte 2` */
export function describeIdentity(a: AccessIdentity): string {
  const parts = [`vCPU ${a.vcpu}`, `instruction ${a.insn}`];
  if (a.count > 1) parts.push(`repetitions ${a.rep}-${a.rep + a.count - 1}`);
  else if (a.rep > 0) parts.push(`repetition ${a.rep}`);
  if (a.access > 0) parts.push(`access ${a.access}`);
  if (a.lane > 0) parts.push(`byte ${a.lane}`);
  return parts.join(', ');
}

/** `0x7`, or `nothing`. */
export function describeData(a: Access): string {
  return a.hasData ? hex64(a.data, a.data_hi) : 'nothing';
}
