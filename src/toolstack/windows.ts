// SPDX-License-Identifier: GPL-2.0-only
// Where in the life of an access a shutdown can land: the windows, and the driver that hits the one it is told to.
import type { InlineServer } from '../dm/inline-server.ts';
import type { AccessEvent } from '../dm/request.ts';
import type { PointName, Points } from '../xen/common/points.ts';
import type { vcpu } from '../xen/common/sched.ts';
import { hvm_io_pending } from '../xen/hvm/ioreq.ts';
import { HVMIO_no_completion } from '../xen/hvm/state.ts';
import {
  STATE_IOREQ_INPROCESS,
  STATE_IOREQ_READY,
  STATE_IORESP_READY,
} from '../xen/public/hvm_ioreq.ts';

/** Instruction kinds of a guest's manifest. */
export type InsnKind = 'pio-in' | 'pio-out' | 'mmio' | 'rep';

interface WindowRule {
  /** What it means, for lists and stories. */
  readonly meaning: string;
  /** Guests with any of these can hit it; null: every guest. */
  readonly kinds: readonly InsnKind[] | null;
  /** Preemption points inside it; none: it lies outside the vCPU's path. */
  readonly points: readonly PointName[];
}

const ANY_IO = ['pio-in', 'pio-out', 'mmio', 'rep'] as const;

/** The windows, in the order in which an access passes them. */
export const WINDOWS = {
  'between-instructions': {
    meaning: 'the guest runs; nothing is in flight',
    kinds: null,
    points: [],
  },
  'before-send': {
    meaning:
      'the access has left the guest and is not sent: the send is refused, or (exact) the shutdown waits',
    kinds: ANY_IO,
    points: ['intercept', 'send_entry', 'defer_set'],
  },
  sent: {
    meaning:
      "the request is granted or sent, and hvmemul_do_io has not looked at hvm_send_ioreq's result",
    kinds: ANY_IO,
    points: ['defer_done', 'send_filled', 'send_notify', 'send_return'],
  },
  checked: {
    meaning: 'hvmemul_do_io has returned, and handle_pio has not looked at its result',
    kinds: ['pio-in', 'pio-out'],
    points: ['do_io_return'],
  },
  'in-flight': {
    meaning: 'the request lies with the device model',
    kinds: ANY_IO,
    points: [],
  },
  'rep-element': {
    meaning: 'the device model has served some elements of a REP, and not all',
    kinds: ['rep'],
    points: [],
  },
  answered: {
    meaning: 'the response is in the slot and the vCPU has not been told',
    kinds: ANY_IO,
    points: [],
  },
  'before-writeback': {
    meaning: 'the response is taken and not yet in the register or memory it is for',
    kinds: ['pio-in', 'mmio'],
    points: ['assist_done', 'undefer_clear', 'undefer_done'],
  },
} as const satisfies Record<string, WindowRule>;

export type WindowName = keyof typeof WINDOWS;

/** Every window, in order. */
export const WINDOW_NAMES: readonly WindowName[] = Object.keys(WINDOWS) as WindowName[];

/** The windows that guests with instructions of these kinds have; null: nobody knows, all of them. */
export function windowsOf(kinds: readonly InsnKind[] | null): WindowName[] {
  return WINDOW_NAMES.filter((name) => {
    const wanted: readonly InsnKind[] | null = WINDOWS[name].kinds;
    return wanted === null || kinds === null || wanted.some((k) => kinds.includes(k));
  });
}

/** Waits for the vCPU or a device model to pass through the armed window, and fires once. */
export class WindowDriver implements Points {
  /** Where it fired last: the point or the step. */
  where = '';
  readonly #fire: () => void;
  #armed: WindowName | null = null;
  #points: readonly PointName[] = [];
  #skip = 0;
  #inBatch = false;

  /** @param fire - what lands there */
  constructor(fire: () => void) {
    this.#fire = fire;
  }

  get armed(): WindowName | null {
    return this.#armed;
  }
  /** Whether the armed window is seen only when device models run step by step. */
  get needsSteps(): boolean {
    const w = this.#armed;
    return w === 'in-flight' || w === 'answered' || w === 'rep-element';
  }

  /** @param skip - how many passages to let go before firing */
  arm(window: WindowName, skip: number): void {
    this.#armed = window;
    this.#points = WINDOWS[window].points;
    this.#skip = skip;
  }
  disarm(): void {
    this.#armed = null;
    this.#points = [];
  }

  hit(point: PointName, curr: vcpu): void {
    if (this.#armed === null || !this.#points.includes(point)) return;
    // The same places are passed without an access of this window's kind: those do not count.
    if (this.#armed === 'checked' && !hvm_io_pending(curr)) return;
    if (
      this.#armed === 'before-writeback' &&
      curr.arch.hvm.hvm_io.io_completion === HVMIO_no_completion
    ) {
      return;
    }
    this.#passed(point);
  }

  /** A device model is about to make a step. */
  readonly serverStep = (server: InlineServer): void => {
    const slot = server.connection.ioreqPage.slot(0);
    const state = slot.state();
    if (this.#armed === 'in-flight') {
      if (state === STATE_IOREQ_READY) this.#passed('request ready');
      else if (state === STATE_IOREQ_INPROCESS && !this.#inBatch)
        this.#passed('request in process');
    } else if (this.#armed === 'rep-element') {
      if (state === STATE_IOREQ_INPROCESS && this.#inBatch) this.#passed('between elements');
    } else if (this.#armed === 'answered' && state === STATE_IORESP_READY) {
      this.#passed('response ready');
    }
  };

  /** A device was accessed. */
  readonly sawAccess = (event: AccessEvent): void => {
    this.#inBatch = event.element + 1 < event.count;
  };

  #passed(where: string): void {
    if (this.#skip-- > 0) return;
    this.where = where;
    this.disarm();
    this.#fire();
  }
}
