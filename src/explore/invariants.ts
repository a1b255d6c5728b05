// SPDX-License-Identifier: GPL-2.0-only
// What must hold in every order: named, and pluggable. Each is a monitor that hears what happens and complains.
import type { AccessEvent } from '../dm/request.ts';
import type { LedgerReport } from '../ledger/live-checker.ts';
import type { Violation } from '../ledger/violations.ts';
import { hex } from '../util/hex.ts';
import { clearList } from '../util/lists.ts';
import type { vcpu } from '../xen/common/sched.ts';
import { hvm_ioreq_needs_completion } from '../xen/hvm/state.ts';
import {
  type ioreq_t,
  STATE_IOREQ_NONE,
  STATE_IOREQ_READY,
  STATE_IORESP_READY,
} from '../xen/public/hvm_ioreq.ts';

/** How a run ended. */
export interface RunEnd {
  /** `done`: everything asked for. Else why nothing more happens. */
  why: 'done' | 'verdict' | 'stuck' | 'crashed' | 'halted' | 'unending';
  /** In words, for `crashed` and others. */
  detail: string;
  /** A shutdown was asked for and its checkpoint is not over. */
  midCheckpoint: boolean;
  /** The guest's own verdict. */
  verdict: string | null;
  /** What devices complain of. */
  testimony: readonly { class: string; message: string }[];
  /** What became of the interrupt source's edges. */
  irqs: { raised: number; merged: number; taken: number; waiting: number };
}

/** What a monitor hears. All absent: it hears nothing. */
export interface Monitor {
  /** A new run. */
  reset?(): void;
  /**
   * A place that runs may go on from, no instruction in hand: the function that is returned brings the monitor back
   * there, after `reset()`. Null: there is nothing to bring back. A monitor with `reset` and without this is never brought
   * back: every run starts from the beginning.
   */
  mark?(): (() => void) | null;
  /** The vCPU has left the guest at the first access of instruction number `insn`. */
  begun?(insn: number, vcpu: number): void;
  /** What became of it: RIP moved past it, or it runs again. */
  settled?(retired: boolean, vcpu: number): void;
  /** The guest got a value from a device; undisturbed it gets `expected` there. */
  given?(value: number, expected: number, vcpu: number): void;
  /** A checkpoint, restored into another machine, does not go on as the guest would. Heard: they are restored. */
  restored?(n: number, problem: string): void;
  /** A device was accessed. */
  access?(event: AccessEvent): void;
  /** A request was put into the slot. */
  sent?(v: vcpu, p: ioreq_t): void;
  /** A request counts as not sent. */
  refused?(v: vcpu, p: ioreq_t): void;
  /** A response was taken out of the slot; `io_req` holds what the vCPU gets. */
  response?(v: vcpu, io_req: ioreq_t): void;
  /** The ledger's judge has found something. */
  judged?(violation: Violation): void;
  /** A checkpoint was captured; problems: why it is no state the guest could have been in. */
  captured?(n: number, problems: readonly string[]): void;
  /** @param report - of the ledger, made when it is asked for */
  ended?(end: RunEnd, report: () => LedgerReport): void;
}

/** What is known of the run so far. */
export interface RunFacts {
  /** A device model has died, or its server was destroyed. */
  readonly killed: boolean;
}

export interface Invariant {
  readonly name: string;
  /** One sentence. */
  readonly meaning: string;
  /** @param complain - to be called when it is broken. @param run - as it is whenever the monitor hears something */
  create(complain: (message: string) => void, run: RunFacts): Monitor;
}

/** What a dead device model takes with it is lost, not done twice. */
const LOST_WITH_ITS_DEVICE = new Set(['lost', 'mismatch', 'totals']);

const exactlyOnce: Invariant = {
  name: 'exactly-once',
  meaning: 'each access reaches its device once, is answered once and retires once',
  create: (complain, run) => ({
    judged(violation) {
      const { class: klass } = violation;
      if (run.killed && LOST_WITH_ITS_DEVICE.has(klass)) return;
      if (klass !== 'reordered' && klass !== 'history') complain(violation.message);
    },
    ended({ verdict, testimony }) {
      if (run.killed) return;
      const said = testimony.find((t) => t.class !== 'reordered');
      if (said !== undefined) complain(said.message);
      if (verdict === 'failure') complain('the guest itself reports failure');
    },
  }),
};

/** What is read where nobody answers. */
const ALL_ONES = new Set([0xff, 0xffff, 0xffffffff]);

const sameAnswers: Invariant = {
  name: 'same-answers',
  meaning:
    'the guest gets from its devices, access by access, what it gets undisturbed; from a dead one all ones',
  create: (complain, run) => ({
    given(value, expected) {
      if (value === expected || (run.killed && ALL_ONES.has(value))) return;
      complain(`the guest gets ${hex(value)} where it gets ${hex(expected)} undisturbed`);
    },
  }),
};

const orderKept: Invariant = {
  name: 'order-kept',
  meaning: 'accesses happen in the order of the program',
  create: (complain) => ({
    judged(violation) {
      if (violation.class === 'reordered') complain(violation.message);
    },
    ended({ testimony }) {
      const said = testimony.find((t) => t.class === 'reordered');
      if (said !== undefined) complain(said.message);
    },
  }),
};

const noSendAfterRefusal: Invariant = {
  name: 'no-send-after-refusal',
  meaning: 'a request that counts as refused was not sent',
  create: (complain) => ({
    refused(v) {
      for (const s of v.domain.arch.hvm.ioreq_server) {
        const slot = s?.ioreq.va?.slot(v.vcpu_id);
        if (slot === undefined || slot.state() === STATE_IOREQ_NONE) continue;
        complain(
          'a request counts as refused while it lies in the slot, for the device model to serve',
        );
      }
    },
  }),
};

const ripOnce: Invariant = {
  name: 'rip-once',
  meaning: 'an instruction whose access a device has served moves RIP once, and is not run again',
  create: (complain) => {
    const served: boolean[] = [];
    return {
      reset() {
        clearList(served);
      },
      // Between two instructions nothing is served.
      mark: () => null,
      begun(_insn, vcpu) {
        served[vcpu] = false;
      },
      access({ vcpu }) {
        if (vcpu >= 0) served[vcpu] = true;
      },
      settled(retired, vcpu) {
        if (!retired && served[vcpu] === true)
          complain('an instruction is run again although a device has served its access');
        served[vcpu] = false;
      },
    };
  },
};

const responseOnce: Invariant = {
  name: 'response-consumed-once',
  meaning: 'a response that is waited for is taken in by the access it is for',
  create: (complain) => {
    const waited: boolean[] = [];
    return {
      reset() {
        clearList(waited);
      },
      // Between two instructions nothing is waited for.
      mark: () => null,
      sent(v, p) {
        waited[v.vcpu_id] = hvm_ioreq_needs_completion({ ...p, state: STATE_IOREQ_READY });
      },
      response(v, io_req) {
        if (waited[v.vcpu_id] === true && io_req.state === STATE_IOREQ_NONE) {
          complain('a response was taken out of the slot and thrown away: nothing is latched');
        } else if (waited[v.vcpu_id] !== true && io_req.state === STATE_IORESP_READY) {
          complain('a response was taken in by an access that waits for none');
        }
        waited[v.vcpu_id] = false;
      },
    };
  },
};

const shutdownFinishes: Invariant = {
  name: 'shutdown-finishes',
  meaning: 'a shutdown that was asked for ends in a checkpoint and a resume',
  create: (complain) => ({
    ended({ why, midCheckpoint }) {
      if (midCheckpoint && why !== 'crashed')
        complain('a shutdown was asked for and its checkpoint never ends');
    },
  }),
};

const noLostWakeUp: Invariant = {
  name: 'no-lost-wake-up',
  meaning: 'a vCPU that waits is woken, and the guest goes on',
  create: (complain) => ({
    ended({ why, midCheckpoint, detail }) {
      if (midCheckpoint) return;
      if (why === 'stuck' || why === 'unending') complain(detail);
    },
  }),
};

const savedState: Invariant = {
  name: 'saved-state',
  meaning: 'what a checkpoint captures is a state the guest could have been in',
  create: (complain, run) => ({
    judged(violation) {
      // For the books, an access whose device died waits for ever.
      if (violation.class === 'history' && !run.killed) complain(violation.message);
    },
    captured(n, problems) {
      if (problems.length > 0) complain(`checkpoint ${n}: ${problems.join('; ')}`);
    },
  }),
};

const restoredState: Invariant = {
  name: 'restored-state',
  meaning: 'a checkpoint restored into another machine goes on as the undisturbed guest does',
  create: (complain) => ({
    restored(n, problem) {
      complain(`checkpoint ${n}, restored: ${problem}`);
    },
  }),
};

const interruptsOnce: Invariant = {
  name: 'interrupts-once',
  meaning: 'each edge of an interrupt line is taken once, waits, or has met one that waits',
  create: (complain) => ({
    ended({ irqs: { raised, merged, taken, waiting } }) {
      if (raised === merged + taken + waiting) return;
      complain(
        `${raised} edges: ${taken} taken, ${waiting} waiting, ${merged} met one that waited`,
      );
    },
  }),
};

const noCrash: Invariant = {
  name: 'no-crash',
  meaning: 'the domain is not crashed for what its guest did',
  create: (complain) => ({
    ended({ why, detail }) {
      if (why === 'crashed') complain(detail);
    },
  }),
};

/** Every invariant, in the order in which they are asked. */
export const INVARIANTS: readonly Invariant[] = [
  exactlyOnce,
  sameAnswers,
  orderKept,
  noSendAfterRefusal,
  ripOnce,
  responseOnce,
  shutdownFinishes,
  noLostWakeUp,
  savedState,
  restoredState,
  interruptsOnce,
  noCrash,
];
