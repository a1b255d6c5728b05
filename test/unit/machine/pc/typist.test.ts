// SPDX-License-Identifier: GPL-2.0-only
// A script that types and waits.
import { describe, expect, test } from 'vitest';
import type { TextFrame } from '../../../../src/dm/devices/vga/frame.ts';
import { keysOf } from '../../../../src/machine/pc/keys.ts';
import type { ScriptStep } from '../../../../src/machine/pc/script.ts';
import { Typist } from '../../../../src/machine/pc/typist.ts';
import { GuestRam } from '../../../../src/mem/guest-ram.ts';

const MS = 1_000_000;

/** A keyboard that takes every byte at once, and a screen of 25 rows that a test writes on. */
class Scene {
  readonly ram = new GuestRam(0x100000);
  readonly typed: number[] = [];
  readonly keyboard = { idle: true, room: () => 16, key: (code: number) => this.typed.push(code) };
  readonly cells = new Uint8Array(4000);
  cursor: TextFrame['cursor'] = { column: 0, row: 0, start: 0, end: 15 };
  now = 0;

  constructor() {
    this.waiting(0);
  }
  /** Keys in the BIOS's buffer. */
  waiting(keys: number): void {
    this.ram.write(0x41a, 2, 0x1e);
    this.ram.write(0x41c, 2, 0x1e + 2 * keys);
  }
  show(row: number, text: string): void {
    this.cells.fill(0, row * 160, (row + 1) * 160);
    [...text].forEach((c, i) => {
      this.cells[row * 160 + 2 * i] = c.charCodeAt(0);
    });
    this.cursor = { column: text.length, row, start: 0, end: 15 };
  }
  typist(...steps: ScriptStep[]): Typist {
    const { cells, ram, keyboard } = this;
    const frame = (): TextFrame => ({
      ...{ kind: 'text', columns: 80, rows: 25, cells, cursor: this.cursor },
      ...{ palette: new Uint32Array(16), fontHeight: 16, font: null, blink: true },
    });
    return new Typist(steps, { ram, keyboard: () => keyboard, frame });
  }
  look(typist: Typist, times = 1): void {
    for (let i = 0; i < times; i++) {
      this.now = Math.max(this.now, typist.nextEventNs());
      if (this.now !== Number.POSITIVE_INFINITY) typist.advance(this.now);
    }
  }
}

const type = (text: string): ScriptStep => ({ kind: 'type', text });
const wait = (text: string, ms = 1000): ScriptStep => ({
  kind: 'expect',
  text,
  timeoutNs: ms * MS,
});

describe('typist', () => {
  test('waits for a prompt, types, and does not take the typed line for the next prompt', () => {
    const scene = new Scene();
    const typist = scene.typist(wait('A>'), type('x\n'), wait('A>'));
    scene.look(typist, 3);
    expect(scene.typed).toEqual([]);
    scene.show(0, 'A>');
    scene.look(typist);
    scene.show(0, 'A>x');
    scene.look(typist, 5);
    expect(scene.typed).toEqual([0x2d, 0xad, 0x1c, 0x9c]);
    expect(typist.over).toBe(false);
    scene.show(1, 'A>');
    scene.look(typist);
    expect([typist.over, typist.state.failed]).toEqual([true, null]);
  });

  test('a prompt that stood there before Enter is no answer to it, one at the same place is', () => {
    const scene = new Scene();
    scene.show(24, 'A>');
    const typist = scene.typist(type('\n'), wait('A>'));
    scene.look(typist, 5);
    expect(typist.over).toBe(false);
    // The screen has scrolled.
    scene.show(23, 'A>');
    scene.show(24, 'A>');
    scene.look(typist);
    expect(typist.over).toBe(true);
  });

  test('an answer that stood there before is none, the same further down is one', () => {
    const scene = new Scene();
    scene.show(3, 'version 1');
    scene.show(4, 'A>ver');
    const typist = scene.typist(type('\n'), wait('version'));
    scene.look(typist, 5);
    expect(typist.over).toBe(false);
    scene.show(5, 'version 1');
    scene.look(typist);
    expect(typist.over).toBe(true);
  });

  test('says what did not appear, and what the screen shows', () => {
    const scene = new Scene();
    scene.show(0, 'nothing yet');
    const typist = scene.typist(wait('C>'));
    while (!typist.over) scene.look(typist);
    expect(typist.state.failed).toBe(
      "'C>' did not appear within 1000 ms of guest time; the screen shows\nnothing yet\n",
    );
    expect(scene.now).toBe(1000 * MS);
    expect(typist.nextEventNs()).toBe(Number.POSITIVE_INFINITY);
  });

  test('keys wait for those before them, not for ever, and not too many ahead', () => {
    const scene = new Scene();
    const typist = scene.typist(type('ab'), type('c'));
    scene.look(typist);
    expect(scene.typed.length).toBe(2);
    scene.waiting(1);
    while (scene.typed.length === 2) scene.look(typist);
    expect(scene.now).toBe(500 * MS);
    scene.waiting(8);
    while (scene.typed.length === 4) scene.look(typist);
    expect(scene.now).toBeGreaterThanOrEqual(5500 * MS);
  });

  test('waits, looks where it is told to, and for a screen that stands still', () => {
    const scene = new Scene();
    const typist = scene.typist(
      { kind: 'wait', ns: 300 * MS },
      { kind: 'look', number: 7 },
      wait('x'),
    );
    const looks: [number, number][] = [];
    typist.onLook = (number) => looks.push([number, scene.now]);
    scene.show(0, 'x');
    while (!typist.over) scene.look(typist);
    expect(looks).toEqual([[7, 300 * MS]]);
    scene.look(typist, 50);
    scene.show(0, 'xy');
    while (!typist.state.settled) scene.look(typist);
    expect(scene.now).toBe(300 * MS + 510 * MS + 1000 * MS);
  });

  test('ends where a wait at its end does, and does not wait for a moving screen for ever', () => {
    const scene = new Scene();
    const exact = scene.typist({ kind: 'wait', ns: 300 * MS });
    while (!exact.state.settled) scene.look(exact);
    expect(scene.now).toBe(300 * MS);
    const typist = scene.typist(type('x'));
    let frame = 0;
    while (!typist.state.settled) {
      scene.show(0, String(frame++));
      scene.look(typist);
    }
    expect(scene.now).toBeGreaterThan(10_000 * MS);
    expect(scene.now).toBeLessThan(11_000 * MS);
  });

  test('goes on from a saved state, in the middle of a key', () => {
    const steps = [type('one'), wait('two'), type('three')];
    const play = (saveAt: number): number[] => {
      const scene = new Scene();
      let typist = scene.typist(...steps);
      for (let i = 0; i < 20; i++) {
        if (i === saveAt) {
          const { state } = typist;
          typist = scene.typist(...steps);
          typist.state = structuredClone(state);
        }
        if (i === 9) scene.show(5, 'two');
        scene.look(typist);
      }
      return scene.typed;
    };
    const whole = play(-1);
    expect(whole.length).toBe(16);
    for (let at = 0; at < 20; at++) expect(play(at)).toEqual(whole);
  });

  test('keys that are pressed reach the keyboard as it has room, and are part of the state', () => {
    const scene = new Scene();
    const typist = scene.typist();
    expect(typist.nextEventNs()).toBe(Number.POSITIVE_INFINITY);
    scene.keyboard.room = () => 16 - scene.typed.length;
    typist.press(keysOf('abcdef'), 0);
    scene.look(typist);
    expect(scene.typed.length).toBe(8);
    expect(typist.state.pressed.length).toBe(4);
    scene.keyboard.room = () => 16;
    scene.look(typist);
    expect(scene.typed.length).toBe(12);
    expect(typist.nextEventNs()).toBe(Number.POSITIVE_INFINITY);
  });
});
