// SPDX-License-Identifier: GPL-2.0-only
// Somebody who sits at the machine: sees each picture, and his keys go to the keyboard as it takes them.
import type { Frame } from '../dm/devices/vga/frame.ts';
import type { Machine } from '../machine/machine.ts';
import type { Operator } from '../machine/operator.ts';
import { NS_PER_INSTRUCTION } from '../machine/pc/config.ts';
import type { Key } from '../machine/pc/keys.ts';

/** Guest time from one picture to the next. */
const PICTURE_NS = 20_000_000;

export class Desk implements Operator {
  next = 0;
  done = false;
  readonly failed: null = null;
  readonly #bytes: number[] = [];
  readonly #show: (frame: Frame) => void;

  /** @param show - given what is on screen, about fifty times a second */
  constructor(show: (frame: Frame) => void) {
    this.#show = show;
  }

  press(keys: readonly Key[]): void {
    for (const key of keys) this.#bytes.push(...key.bytes);
  }

  act({ cpu, pc }: Machine): void {
    this.next = cpu.icount + PICTURE_NS / NS_PER_INSTRUCTION;
    if (pc === null) return;
    while (this.#bytes.length > 0 && pc.keyboard.room() > 8)
      pc.keyboard.key(this.#bytes.shift() ?? 0);
    this.#show(pc.vga.frame());
  }
}
