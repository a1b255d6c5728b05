// SPDX-License-Identifier: GPL-2.0-only
// One history as a sequence of events between four lanes: plain data that a run records and a report draws.
import type { Stage } from './events.ts';

/** Who takes part, in the order in which they are drawn. */
export const LANES = ['guest', 'vcpu', 'device', 'toolstack'] as const;

/** `vcpu`: the vCPU's path through the monitor. */
export type Lane = (typeof LANES)[number];

/** States of a slot of the shared ioreq page; `vcpu` and others read them as words. */
export type SlotState = 'NONE' | 'READY' | 'INPROCESS' | 'RESP_READY';

/** What stands where when an event has happened. */
export interface LaneState {
  /** The vCPU's slot in the page that monitor and device model share. */
  slot: SlotState;
  /** The vCPU's own copy: READY while an answer is expected, RESP_READY when it is in. */
  latch: SlotState;
  /** The vCPU asks not to be stopped. */
  deferring: boolean;
  /** The domain is to stop. */
  stopping: boolean;
}

/**
 * Why an event matters more than others. `again`: the same access for another time; `first`: the time
 * before; `lost`: its answer is lost; `shutdown`, `checkpoint`: the toolstack's; `parts`: from here on the
 * books say another thing than the world; `decides`: the same place where both keep agreeing.
 */
export type LaneMark =
  | 'first'
  | 'again'
  | 'lost'
  | 'shutdown'
  | 'checkpoint'
  | 'parts'
  | 'decides'
  | null;

/** One event: an arrow between two lanes, or something that happens in one. */
export interface LaneEvent {
  from: Lane;
  /** Whom it reaches; null: it stays in its lane. */
  to: Lane | null;
  /** A few characters, for the arrow. */
  label: string;
  /** One sentence in plain words. */
  text: string;
  /** The function of Xen in which it happens; empty: not in Xen. */
  xen: string;
  /** Afterwards; null: not known. */
  state: LaneState | null;
  mark: LaneMark;
  /** With `parts`: what each side says from here on. */
  parts: { books: string; world: string } | null;
  /** What the ledger recorded with it: a stage, and its events from `first` to `last`. */
  ledger: { stage: Stage; first: number; last: number } | null;
}

/** The events of one instruction. */
export interface LaneStory {
  /** `again`: executed again after a device was accessed; `chosen`: asked for; `last`: just the last one with a shutdown in it. */
  about: 'again' | 'chosen' | 'last';
  /** The first checkpoint whose shutdown fell into it; null: none. */
  checkpoint: number | null;
  /** The access, in words; empty: none was sent. */
  access: string;
  /** Events that were too many to be kept, before the last. */
  omitted: number;
  events: LaneEvent[];
}
