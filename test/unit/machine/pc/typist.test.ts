// SPDX-License-Identifier: GPL-2.0-only
// A script that types and waits.
import { describe, expect, test } from 'vitest';
import type { I8042 } from '../../../../src/dm/devices/i8042.ts';
import { Typist } from '../../../../src/machine/pc/typist.ts';
import { GuestRam } from '../../../../src/mem/guest-ram.ts';

/** A keyboard that takes every byte at once, and a BIOS that has put `text` on the screen. */
function scene(): { ram: GuestRam; typed: number[]; show: (row: number, text: string) => void } {
  const ram = new GuestRam(0x100000);
  ram.write(0x449, 1, 3);
  ram.write(0x44a, 2, 80);
  const show = (row: number, text: string): void => {
    [...text].forEach((c, i) => {
      ram.write(0xb8000 + (row * 80 + i) * 2, 1, c.charCodeAt(0));
    });
    ram.write(0x450, 2, (row << 8) | text.length);
  };
  return { ram, typed: [], show };
}

describe('typist', () => {
  const type = (text: string) => ({ kind: 'type', text }) as const;
  const wait = (text: string) => ({ kind: 'expect', text, codes: text, timeoutNs: 1e9 }) as const;

  test('waits for a prompt, types, and does not take the typed line for the next prompt', () => {
    const { ram, typed, show } = scene();
    const ended: boolean[] = [];
    const keyboard = { idle: true, room: () => 16, key: (code: number) => typed.push(code) };
    const steps = [wait('A>'), type('x\n'), wait('A>')];
    const typist = new Typist(
      steps,
      () => keyboard as unknown as I8042,
      ram,
      (ok) => ended.push(ok),
    );
    let now = 0;
    const look = (times = 1): void => {
      for (let i = 0; i < times; i++) {
        now = Math.max(now, typist.nextEventNs());
        if (now !== Number.POSITIVE_INFINITY) typist.advance(now);
      }
    };
    look(3);
    expect(typed).toEqual([]);
    show(0, 'A>');
    look(2);
    show(0, 'A>x');
    look(5);
    expect(typed).toEqual([0x2d, 0xad, 0x1c, 0x9c]);
    expect(typist.over).toBe(false);
    show(1, 'A>');
    look();
    expect(ended).toEqual([true]);
    expect(typist.nextEventNs()).toBe(Number.POSITIVE_INFINITY);
  });

  test('says what did not appear', () => {
    const { ram } = scene();
    const ended: boolean[] = [];
    const typist = new Typist(
      [wait('C>')],
      () => ({}) as I8042,
      ram,
      (ok) => ended.push(ok),
    );
    while (!typist.over) typist.advance(typist.nextEventNs());
    expect(ended).toEqual([false]);
    expect(typist.state.failed).toMatch(/'C>' did not appear within 1 s/);
  });
});
