// SPDX-License-Identifier: GPL-2.0-only
// The sequence chart: where arrows begin and end, what is said beside them, and how much there may be.
import { describe, expect, it } from 'vitest';
import type { Lane, LaneMark } from '../../../src/ledger/lanes.ts';
import { lanes } from '../../../src/report/lanes.ts';
import { event, told } from './data.ts';

const SHARE: Record<Lane, number> = { guest: 12.5, vcpu: 37.5, device: 62.5, toolstack: 87.5 };
const LANES = Object.keys(SHARE) as Lane[];

function rows(text: string): string[] {
  return [...text.matchAll(/<li [\s\S]*?<\/li>/g)].map(([row]) => row);
}

describe('lanes', () => {
  it('draws each event as one row', () => {
    expect(String(lanes('A story', told.events))).toMatchSnapshot();
  });

  it('draws an arrow from the one who acts to the one it reaches', () => {
    for (const from of LANES) {
      for (const to of LANES.filter((lane) => lane !== from)) {
        const text = String(lanes('', [event({ from, to })]));
        const [, x1, x2] = /class="arrow" x1="([\d.]+)%" x2="([\d.]+)%"/.exec(text) ?? [];
        expect([Number(x1), Number(x2)]).toEqual([SHARE[from], SHARE[to]]);
        // The head lies at its end and points that way.
        const right = SHARE[to] > SHARE[from];
        expect(text).toContain(
          `x="${SHARE[to]}%" y="26"><path d="M0 0l${right ? '-9' : '9'} -5v10z"/>`,
        );
      }
    }
  });

  it('leaves what stays in its lane there, also when it says so twice', () => {
    for (const to of [null, 'device'] as const) {
      const text = String(lanes('', [event({ from: 'device', to, label: 'dot' })]));
      expect(text).not.toContain('class="arrow"');
      expect(text).toMatch(/x="62.5%" y="26"><text[^>]*>dot</);
    }
  });

  it('says in words what colour says: which access went twice, where books and world part', () => {
    const words: [LaneMark, string | null][] = [
      ['first', 'first time'],
      ['again', 'again'],
      ['lost', 'lost'],
      ['parts', 'books and world part'],
      ['decides', 'books and world agree'],
      ['shutdown', null],
      ['checkpoint', null],
      [null, null],
    ];
    for (const [mark, badge] of words) {
      const text = String(lanes('', [event({ mark })]));
      const shown = /class="badge">([^<]*)</.exec(text)?.[1] ?? null;
      expect(shown).toBe(badge);
    }
    const text = String(lanes('', [event({ mark: 'parts', parts: { books: 'B.', world: 'W.' } })]));
    expect(text).toContain('<dt>The books say</dt><dd>B.</dd>');
    expect(text).toContain('<dt>The world says</dt><dd>W.</dd>');
  });

  it('shows the slot at every event and the rest when it changes', () => {
    const calm = { slot: 'NONE', latch: 'NONE', deferring: false, stopping: false } as const;
    const text = String(
      lanes('', [
        event({ state: calm }),
        event({ state: { ...calm, slot: 'READY', latch: 'READY', deferring: true } }),
        event({ state: null }),
        event({ state: { ...calm, slot: 'READY', stopping: true } }),
      ]),
    );
    const all = rows(text).map((row) => ({
      slot: /data-slot="([^"]*)"/.exec(row)?.[1] ?? null,
      same: row.includes('chip same'),
      changes: [...row.matchAll(/class="change">([^<]*)/g)].map((m) => m[1]),
    }));
    expect(all).toEqual([
      { slot: 'NONE', same: false, changes: [] },
      { slot: 'READY', same: false, changes: ['io_req READY', 'shutdown deferred'] },
      { slot: null, same: false, changes: [] },
      { slot: 'READY', same: true, changes: ['io_req NONE', 'no deferral', 'shutting down'] },
    ]);
  });

  it('names Xen function and ledger events beside the words', () => {
    const text = String(lanes('', told.events));
    expect(text).toContain('<code>hvm_send_ioreq</code>');
    expect(text).toContain('ledger: issued, event 3<');
    expect(text).toContain('ledger: issued, events 7 to 9<');
  });

  it('has bounds: labels, rows, and a word about what is not there', () => {
    const long = String(lanes('', [event({ label: 'x'.repeat(1000) })]));
    expect(/<text[^>]*>([^<]*)</.exec(long)?.[1]).toHaveLength(17);
    const many = Array.from({ length: 5000 }, () => event({}));
    const text = String(lanes('', many));
    expect(rows(text)).toHaveLength(2000);
    expect(text).toContain('3000 further events were not kept');
    expect(String(lanes('', told.events, 4))).toContain('4 further events were not kept');
    expect(rows(String(lanes('', [])))).toEqual([]);
  });
});
