// SPDX-License-Identifier: GPL-2.0-only
// Types a script and waits for what appears on the screen: in guest time, so that it is the same in every run, and its
// place in the script is part of the PC's state.
import { z } from 'zod';
import type { Timed } from '../../dm/devices/board.ts';
import type { I8042 } from '../../dm/devices/i8042.ts';
import type { GuestRam } from '../../mem/guest-ram.ts';
import { type BiosScreen, biosScreen, keysTaken } from './bios-screen.ts';
import { keysOf } from './keys.ts';

const MS = 1_000_000;
/** Between two looks. */
const LOOK_NS = 5 * MS;
/** A key that nobody takes from the BIOS is followed by the next one after this time: the guest reads the keyboard itself. */
const PATIENCE_NS = 500 * MS;

export const stepSchema = z.discriminatedUnion('kind', [
  /** Keys, as `keysOf` reads them. */
  z.strictObject({ kind: z.literal('type'), text: z.string().refine(hasKeys, 'no such keys') }),
  /** Text has to appear: as it was asked for, and in codes of the screen. */
  z.strictObject({
    kind: z.literal('expect'),
    text: z.string(),
    codes: z.string().min(1),
    timeoutNs: z.int().positive(),
  }),
]);
export type ScriptStep = z.infer<typeof stepSchema>;

const whole = z.int().min(0);
export const typistStateSchema = z.strictObject({
  /** Which step, and which key of it. */
  step: whole,
  key: whole,
  /** ns of guest time: of the next look, and since when the step or the key is waited for. */
  nextNs: whole,
  sinceNs: whole,
  /** Rows that were on the screen when the last key had been taken. */
  seen: z.array(z.string()),
  /** What was not fulfilled, in words; null: nothing. */
  failed: z.string().nullable(),
});
export type TypistState = z.infer<typeof typistStateSchema>;

export class Typist implements Timed {
  state: TypistState = { step: 0, key: 0, nextNs: 0, sinceNs: 0, seen: [], failed: null };
  readonly #steps: readonly ScriptStep[];
  /** By step. */
  readonly #keys: readonly (readonly (readonly number[])[])[];
  readonly #keyboard: () => I8042;
  readonly #ram: GuestRam;
  readonly #ended: (success: boolean) => void;

  /** @param ended - once, when the script is over */
  constructor(
    steps: readonly ScriptStep[],
    keyboard: () => I8042,
    ram: GuestRam,
    ended: (success: boolean) => void,
  ) {
    this.#steps = steps;
    this.#keys = steps.map((step) =>
      step.kind === 'type' ? keysOf(step.text).map((key) => key.bytes) : [],
    );
    this.#keyboard = keyboard;
    this.#ram = ram;
    this.#ended = ended;
  }

  /** Whether there is nothing left to do. */
  get over(): boolean {
    return this.state.step >= this.#steps.length || this.state.failed !== null;
  }

  nextEventNs(): number {
    return this.over ? Number.POSITIVE_INFINITY : this.state.nextNs;
  }

  advance(nowNs: number): void {
    const { state } = this;
    if (this.over || nowNs < state.nextNs) return;
    state.nextNs = nowNs + LOOK_NS;
    const step = this.#steps[state.step];
    if (step?.kind === 'type') this.#type(this.#keys[state.step] ?? [], nowNs);
    else if (step !== undefined) this.#look(step, nowNs);
    if (this.over) this.#ended(state.failed === null);
  }

  #type(keys: readonly (readonly number[])[], nowNs: number): void {
    const { state } = this;
    const keyboard = this.#keyboard();
    const idle = keyboard.idle && keysTaken(this.#ram);
    if (state.key > 0 && !idle && nowNs - state.sinceNs < PATIENCE_NS) return;
    const key = keys[state.key];
    if (key === undefined) {
      this.#next(nowNs);
      return;
    }
    if (keyboard.room() < key.length) return;
    for (const code of key) keyboard.key(code);
    state.key++;
    state.sinceNs = nowNs;
  }

  #look(step: ScriptStep & { kind: 'expect' }, nowNs: number): void {
    const { state } = this;
    const { codes, text, timeoutNs } = step;
    const screen = biosScreen(this.#ram);
    if (screen !== null && appears(codes, screen, state.seen)) this.#next(nowNs);
    else if (nowNs - state.sinceNs >= timeoutNs) {
      const seconds = timeoutNs / (1000 * MS);
      state.failed = `step ${state.step + 1} of the script: '${text}' did not appear within ${seconds} s of guest time`;
    }
  }

  #next(nowNs: number): void {
    const { state } = this;
    if (this.#steps[state.step]?.kind === 'type') {
      state.seen = [...(biosScreen(this.#ram)?.rows ?? [])];
    }
    state.step++;
    state.key = 0;
    state.sinceNs = nowNs;
  }
}

/** On a row that was not there before, or right before the cursor: what was typed is no answer to itself. */
function appears(text: string, screen: BiosScreen, seen: readonly string[]): boolean {
  const { rows, cursorRow, cursorColumn } = screen;
  const line = (rows[cursorRow] ?? '').padEnd(cursorColumn).slice(0, cursorColumn);
  if (line.endsWith(text) || line.trimEnd().endsWith(text)) return true;
  return rows.some((row) => row.includes(text) && !seen.includes(row));
}

function hasKeys(text: string): boolean {
  try {
    keysOf(text);
    return true;
  } catch {
    return false;
  }
}
