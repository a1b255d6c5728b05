// SPDX-License-Identifier: GPL-2.0-only
// Somebody who sits at the machine and sees each picture.
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
  readonly #show: (frame: Frame) => void;
  /** Pressed since the last picture: they reach the machine between two instructions. */
  #keys: Key[] = [];

  /** @param show - given what is on screen, about fifty times a second */
  constructor(show: (frame: Frame) => void) {
    this.#show = show;
  }

  press(keys: readonly Key[]): void {
    this.#keys.push(...keys);
  }

  act({ cpu, pc }: Machine): void {
    this.next = cpu.icount + PICTURE_NS / NS_PER_INSTRUCTION;
    if (pc === null) return;
    pc.press(this.#keys);
    this.#keys = [];
    this.#show(pc.vga.frame());
  }
}
