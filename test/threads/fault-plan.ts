// SPDX-License-Identifier: GPL-2.0-only
// What can go wrong in a device model, how one such fault is drawn, and what may come of it.
import { Random } from '../../src/util/random.ts';
import type { RevisionName } from '../../src/xen/hvm/revision.ts';

/** What the monitor and the guest make of a fault. */
export type Outcome =
  /** The guest goes on with right answers. */
  | 'goes on'
  /** The guest read all ones, and its device model counts as dead. */
  | 'all ones'
  /** The guest read a value that is neither: the device model's word, or its own old memory. */
  | 'other value'
  /** The domain is crashed, with a reason of Xen's. */
  | 'crash'
  /** The guest's own code or data was overwritten: it does what it does. */
  | 'guest astray';

const ASTRAY: readonly Outcome[] = ['goes on', 'all ones', 'other value', 'crash', 'guest astray'];

/** Every kind: what the device model does at its k-th request, and what may come of it. */
export const KINDS = {
  dies: { what: 'its thread ends', allowed: ['all ones', 'other value'] },
  hangs: { what: 'never answers', allowed: ['all ones', 'other value'] },
  late: { what: 'answers late', allowed: ['goes on', 'all ones', 'other value'] },
  twice: { what: 'answers twice', allowed: ['goes on', 'crash', 'other value', 'all ones'] },
  'bad-state': {
    what: 'writes a state that is none',
    allowed: ['goes on', 'crash', 'all ones', 'other value'],
  },
  backwards: {
    what: 'moves a state backwards',
    allowed: ['goes on', 'crash', 'all ones', 'other value'],
  },
  'other-slot': {
    what: "writes another vCPU's slot",
    allowed: ['goes on', 'crash', 'all ones', 'other value'],
  },
  'garbage-page': {
    what: 'fills its ioreq page with garbage',
    allowed: ['goes on', 'crash', 'all ones', 'other value'],
  },
  // At a checkpoint it reads its own garbage, four thousand million entries of it, and counts as dead.
  'garbage-ring': {
    what: 'fills its buffered ring with garbage',
    allowed: ['goes on', 'all ones', 'other value'],
  },
  'garbage-ram': { what: 'writes garbage into guest memory', allowed: ASTRAY },
  'garbage-reports': {
    what: 'reports accesses and writes that never were',
    allowed: ['goes on', 'all ones', 'other value'],
  },
  'garbage-messages': { what: 'posts messages that make no sense', allowed: ['goes on'] },
  deaf: {
    what: 'does not obey at a checkpoint',
    allowed: ['goes on', 'all ones', 'other value'],
  },
} as const satisfies Record<string, { what: string; allowed: readonly Outcome[] }>;

export type FaultKind = keyof typeof KINDS;
export const FAULT_KINDS = Object.keys(KINDS) as FaultKind[];

/** Where a device model that is alive leaves nothing for the ledger to find. */
export const CLEAN_LEDGER: ReadonlySet<FaultKind> = new Set(['garbage-ring', 'garbage-messages']);

/**
 * Whether a fault in guest memory is one that the CPU is told of, as a device model that writes memory does. Otherwise
 * it goes on with the code it has translated while the emulator reads the new bytes: what the books say of such
 * instructions means nothing.
 */
export function told(plan: Pick<FaultPlan, 'seed'>): boolean {
  return (plan.seed & 1) === 0;
}

/** How a domain crashes over its device model; the third is about memory operands. */
export const CRASH_REASONS: readonly RegExp[] = [
  /^weird ioreq state transition \d+ -> \d+$/,
  /^unexpected result \d+ of a \d-byte access to port \d+$/,
  /^emulation of the instruction at /,
];

/** Where the vCPU is. */
export type Mode = 'local' | 'threaded';

/** One fault. Plain data: it goes to the device model's thread. */
export interface FaultPlan {
  number: number;
  kind: FaultKind;
  mode: Mode;
  guest: string;
  vcpus: number;
  revision: RevisionName;
  /** The request, counted from 1, at which it happens. */
  at: number;
  spins: number;
  answerTimeoutMs: number;
  /** Of the choices made in the device model's thread. */
  seed: number;
  /** One word, 1 once the fault is committed. */
  reached: SharedArrayBuffer;
}

/** One fault of so many has its vCPUs in threads, with checkpoints going on. */
const THREADED_EVERY = 16;
/** What a device model on a busy machine needs at most: where giving up would be a wrong outcome. */
const PATIENT_MS = 5000;
/** Where an honest wait that ends early has the same outcome as the fault. */
const IMPATIENT_MS = 60;

const LOCAL_GUESTS = ['counter', 'mmio-counter', 'rep-counter', 'write-ledger', 'rmw-ledger'];
const THREADED_GUESTS = ['counter', 'mmio-counter', 'rep-counter', 'write-ledger', 'lanes'];

/** Fault `number` of a run: the same whatever came before it. */
export function drawFault(seed: number, number: number): FaultPlan {
  const random = new Random(seed * 0x10000000 + number);
  random.next();
  const kind = random.pick(FAULT_KINDS);
  const mode: Mode = kind === 'deaf' || random.below(THREADED_EVERY) === 0 ? 'threaded' : 'local';
  // A checkpoint cannot be dear: most of the deaf are something else.
  if (kind === 'deaf' && random.below(4) !== 0) {
    return { ...drawFault(seed, number + 0x8000000), number };
  }
  const guest = random.pick(mode === 'local' ? LOCAL_GUESTS : THREADED_GUESTS);
  const allowed: readonly Outcome[] = KINDS[kind].allowed;
  return {
    number,
    kind,
    mode,
    guest,
    vcpus: guest === 'lanes' ? 2 : 1,
    revision: random.pick(['exact', 'exact', 'fixed']),
    at: 1 + random.below(24),
    spins: random.pick([0, 50, 2000]),
    answerTimeoutMs: allowed.includes('all ones') ? IMPATIENT_MS : PATIENT_MS,
    seed: random.next(),
    reached: new SharedArrayBuffer(4),
  };
}
