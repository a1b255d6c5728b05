// SPDX-License-Identifier: GPL-2.0-only
// Types a script and waits for what appears on the screen: in guest time, so that it is the same in every run, and its
// place in the script is part of the PC's state. Keys that somebody presses at the machine take the same way.
import type { Timed } from '../../dm/devices/board.ts';
import type { I8042 } from '../../dm/devices/i8042.ts';
import type { Frame } from '../../dm/devices/vga/frame.ts';
import { textDump, textLines } from '../../dm/devices/vga/text.ts';
import type { GuestRam } from '../../mem/guest-ram.ts';
import { keysWaiting } from './key-buffer.ts';
import { type Key, keysOf } from './keys.ts';
import { initialTypistState, type ScriptStep, type TypistState } from './script.ts';

const MS = 1_000_000;
/** Between two looks. */
const LOOK_NS = 10 * MS;
/** A key that nobody takes from the BIOS is followed by the next one after this time: it may be read elsewhere. */
const PATIENCE_NS = 500 * MS;
/** But not while so many are in the BIOS's buffer, or before there is one: then after this time. */
const MOST_AHEAD = 8;
const LONGEST_NS = 5000 * MS;
/** The keyboard is given keys of somebody at the machine while it has more room than this. */
const ROOM = 8;
/**
 * The screen must stand still so long before a script counts as done, and is waited for so long at most; not behind a
 * `wait`, which says how long.
 */
const STILL_NS = 1000 * MS;
const STILL_LIMIT_NS = 10_000 * MS;

/** The parts of the PC that a typist works with. */
export interface Workplace {
  readonly ram: GuestRam;
  readonly keyboard: () => Pick<I8042, 'idle' | 'room' | 'key'>;
  readonly frame: () => Frame;
}

export class Typist implements Timed {
  state: TypistState;
  /** Told the number of each `look` of the script, between two instructions. */
  onLook: (number: number) => void = () => {};
  readonly #steps: readonly ScriptStep[];
  /** By step. */
  readonly #keys: readonly (readonly Key[])[];
  readonly #place: Workplace;

  constructor(steps: readonly ScriptStep[], place: Workplace) {
    this.state = initialTypistState(steps.length);
    this.#steps = steps;
    this.#keys = steps.map((step) => (step.kind === 'type' ? keysOf(step.text) : []));
    this.#place = place;
  }

  /** Whether there is a script. */
  get scripted(): boolean {
    return this.#steps.length > 0;
  }

  /** Whether the script has come to its end, whichever. */
  get over(): boolean {
    return this.state.step >= this.#steps.length || this.state.failed !== null;
  }

  /** Keys that go to the keyboard as it takes them. @param nowNs - of guest time */
  press(keys: readonly Key[], nowNs: number): void {
    for (const key of keys) this.state.pressed.push(...key.bytes);
    this.state.nextNs = nowNs;
  }

  nextEventNs(): number {
    const { nextNs, pressed, settled } = this.state;
    return settled && pressed.length === 0 ? Number.POSITIVE_INFINITY : nextNs;
  }

  advance(nowNs: number): void {
    const { state } = this;
    if (nowNs < this.nextEventNs()) return;
    state.nextNs = nowNs + LOOK_NS;
    this.#passOn();
    while (!this.over && this.#did(this.#steps[state.step] as ScriptStep, nowNs)) {
      state.step++;
      state.key = 0;
      state.sinceNs = nowNs;
      state.stillNs = nowNs;
    }
    if (this.over && !state.settled) state.settled = state.failed !== null || this.#still(nowNs);
  }

  #passOn(): void {
    const { pressed } = this.state;
    const keyboard = this.#place.keyboard();
    while (pressed.length > 0 && keyboard.room() > ROOM) keyboard.key(pressed.shift() ?? 0);
  }

  /** Whether `step` is over. */
  #did(step: ScriptStep, nowNs: number): boolean {
    const { state } = this;
    switch (step.kind) {
      case 'type':
        return this.#type(this.#keys[state.step] ?? [], nowNs);
      case 'wait':
        return nowNs - state.sinceNs >= step.ns;
      case 'look':
        this.onLook(step.number);
        return true;
      default: {
        const frame = this.#place.frame();
        if (appears(step.text, frame, state)) return true;
        if (nowNs - state.sinceNs >= step.timeoutNs) state.failed = missing(step, frame);
        return false;
      }
    }
  }

  #type(keys: readonly Key[], nowNs: number): boolean {
    const { state } = this;
    const key = keys[state.key];
    if (!this.#taken(nowNs - state.sinceNs)) return false;
    if (key === undefined) return true;
    const keyboard = this.#place.keyboard();
    if (keyboard.room() < key.bytes.length) return false;
    // What the last key brings about is the answer; what stood there before it, echoes included, is not.
    if (state.key === keys.length - 1) {
      const frame = this.#place.frame();
      state.seen = textLines(frame);
      state.seenCursor = cursorOf(frame);
    }
    for (const byte of key.bytes) keyboard.key(byte);
    state.key++;
    state.sinceNs = nowNs;
    return false;
  }

  /** Whether the next key may follow: the guest has taken the last one, or will not. */
  #taken(waitedNs: number): boolean {
    const waiting = keysWaiting(this.#place.ram);
    const unset = waiting < 0;
    // Without a BIOS nobody tells: the first key waits for one, the others do not.
    const empty = unset ? this.state.key > 0 : waiting === 0;
    if (empty && this.#place.keyboard().idle) return true;
    return waitedNs >= (unset || waiting >= MOST_AHEAD ? LONGEST_NS : PATIENCE_NS);
  }

  #still(nowNs: number): boolean {
    const { state } = this;
    if (this.#steps.findLast((step) => step.kind !== 'look')?.kind === 'wait') return true;
    const shown = digest(this.#place.frame());
    if (shown !== state.shown) state.stillNs = nowNs;
    state.shown = shown;
    return nowNs - state.stillNs >= STILL_NS || nowNs - state.sinceNs >= STILL_LIMIT_NS;
  }
}

/** Right before the cursor, or in a row that is not one of before: what was typed is no answer to itself. */
function appears(text: string, frame: Frame, { seen, seenCursor }: TypistState): boolean {
  if (frame.kind !== 'text') return false;
  const rows = textLines(frame);
  const wanted = text.replace(/ +$/, '');
  const { cursor } = frame;
  if (cursor !== null) {
    const before = (rows[cursor.row] ?? '').padEnd(cursor.column).slice(0, cursor.column);
    const moved =
      cursorOf(frame) !== seenCursor || rows.some((row, i) => row !== (seen[i] ?? null));
    if (moved && before.trimEnd().endsWith(wanted)) return true;
  }
  // A row moves up, or stays, or goes.
  const old = (row: string, at: number): boolean => seen.includes(row, at);
  return rows.some((row, at) => row.includes(wanted) && !old(row, at));
}

function cursorOf(frame: Frame): string {
  const cursor = frame.kind === 'text' ? frame.cursor : null;
  return cursor === null ? '' : `${cursor.row}:${cursor.column}`;
}

function missing(step: ScriptStep & { kind: 'expect' }, frame: Frame): string {
  const screen =
    frame.kind === 'text' ? `the screen shows\n${textDump(frame)}` : 'it shows graphics';
  return `'${step.text}' did not appear within ${step.timeoutNs / MS} ms of guest time; ${screen}`;
}

/** 32-bit FNV-1a of what is on screen. */
function digest(frame: Frame): number {
  let hash = 0x811c9dc5;
  for (const byte of frame.kind === 'text' ? frame.cells : frame.indices) {
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return hash >>> 0;
}
