// SPDX-License-Identifier: GPL-2.0-only
// A session by script: text is typed, text is waited for, pictures are taken; everything in the guest's own time.
import type { Machine } from '../machine/machine.ts';
import type { Operator } from '../machine/operator.ts';
import { NS_PER_INSTRUCTION } from '../machine/pc/config.ts';
import { type Key, keysOf } from '../machine/pc/keys.ts';
import type { Pc } from '../machine/pc/platform.ts';
import { shows, textDump } from './text.ts';

export type Step =
  | { readonly what: 'type'; readonly text: string }
  | { readonly what: 'expect'; readonly text: string }
  /** Virtual time. */
  | { readonly what: 'wait'; readonly ms: number }
  /** Something to be done with the screen as it is. */
  | { readonly what: 'look'; readonly look: (pc: Pc) => void };

export interface ScriptOptions {
  readonly steps: readonly Step[];
  /** Virtual time that an `expect` waits. */
  readonly expectMs: number;
}

const INSTRUCTIONS_PER_MS = 1_000_000 / NS_PER_INSTRUCTION;
/** Virtual time from one look to the next. */
const LOOK_MS = 10;
/** A key's bytes are on the wire so long, and its interrupts are served. */
const KEY_MS = 20;
/** So long a key waits for the one before it to leave the BIOS's buffer. */
const BUFFER_MS = 5_000;
/** The screen must stand still so long before the script counts as done, and is waited for so long at most. */
const STILL_MS = 1_000;
const STILL_LIMIT_MS = 60_000;

/** BIOS data area: the ends of its keyboard buffer, and the first address the buffer can have. */
const BUFFER_HEAD = 0x41a;
const BUFFER_TAIL = 0x41c;
const BUFFER_FIRST = 0x1e;

/** Whether a BIOS has set up its keyboard buffer, and there is nothing in it. */
function bufferEmpty({ ram }: Machine): boolean {
  const head = ram.read(BUFFER_HEAD, 2);
  return head >= BUFFER_FIRST && head === ram.read(BUFFER_TAIL, 2);
}

export class Script implements Operator {
  next = 0;
  failed: string | null = null;
  readonly #steps: Step[];
  readonly #expectMs: number;
  /** Keys of the step being typed that are still to come. */
  #keys: Key[] = [];
  /** Bytes of a key that the keyboard has had no room for. */
  #bytes: number[] = [];
  /** Instruction counts: of the last key, and of the beginning of the step. */
  #keyAt = 0;
  #since = 0;
  #stillSince = 0;
  #last: string | null = null;
  #done = false;

  /** @throws HvmError HVM_USAGE for a text that cannot be typed */
  constructor({ steps, expectMs }: ScriptOptions) {
    for (const step of steps) if (step.what === 'type') keysOf(step.text);
    this.#steps = [...steps];
    this.#expectMs = expectMs;
  }

  get done(): boolean {
    return this.#done || this.failed !== null;
  }

  act(machine: Machine): void {
    const now = machine.cpu.icount;
    this.next = now + LOOK_MS * INSTRUCTIONS_PER_MS;
    const { pc } = machine;
    if (pc === null || this.done) return;
    if (!this.#typed(machine, pc, now)) return;
    for (;;) {
      const step = this.#steps[0];
      if (step === undefined) {
        this.#done = this.#still(pc, now);
        return;
      }
      if (!this.#did(step, pc, now)) return;
      this.#steps.shift();
      this.#since = now;
      this.#stillSince = now;
      if (this.#keys.length > 0) return;
    }
  }

  /** Whether `step` is over; a text to be typed is over when it is taken up. */
  #did(step: Step, pc: Pc, now: number): boolean {
    const ms = (now - this.#since) / INSTRUCTIONS_PER_MS;
    switch (step.what) {
      case 'type':
        this.#keys = keysOf(step.text);
        return true;
      case 'wait':
        return ms >= step.ms;
      case 'look':
        step.look(pc);
        return true;
      default: {
        const frame = pc.vga.frame();
        if (shows(frame, step.text)) return true;
        if (ms >= this.#expectMs) {
          const shown = textDump(frame);
          const screen = frame.kind === 'text' ? `the screen shows\n${shown}` : 'it shows graphics';
          this.failed = `'${step.text}' did not appear within ${this.#expectMs} ms of guest time; ${screen}`;
        }
        return false;
      }
    }
  }

  /** Sends the next key if the last one has been taken. @returns whether none is left */
  #typed(machine: Machine, pc: Pc, now: number): boolean {
    while (this.#bytes.length > 0 && pc.keyboard.room() > 1)
      pc.keyboard.key(this.#bytes.shift() ?? 0);
    if (this.#bytes.length > 0) return false;
    const ms = (now - this.#keyAt) / INSTRUCTIONS_PER_MS;
    if (ms < KEY_MS || (!bufferEmpty(machine) && ms < BUFFER_MS)) return false;
    const key = this.#keys.shift();
    if (key === undefined) return true;
    this.#keyAt = now;
    this.#bytes = [...key.bytes];
    return false;
  }

  #still(pc: Pc, now: number): boolean {
    const frame = pc.vga.frame();
    const shown = Buffer.from(frame.kind === 'text' ? frame.cells : frame.indices).toString(
      'latin1',
    );
    if (shown !== this.#last) this.#stillSince = now;
    this.#last = shown;
    const over = (now - this.#since) / INSTRUCTIONS_PER_MS >= STILL_LIMIT_MS;
    return over || (now - this.#stillSince) / INSTRUCTIONS_PER_MS >= STILL_MS;
  }
}
