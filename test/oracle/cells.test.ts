// SPDX-License-Identifier: GPL-2.0-only
// A second opinion on every cell of the exactness matrix; and whether the judge would notice.
import { beforeAll, describe, expect, it } from 'vitest';
import { matrixCells } from '../../src/toolstack/exactness/cells.ts';
import { agrees } from './agrees.ts';
import type { Case, Run } from './case.ts';
import { cellCase, cellCases, cellsBeside } from './cells.ts';
import type { OracleAccess } from './helper.ts';
import { askKvm, askProcessor, judge } from './judge.ts';

describe('every cell', () => {
  let cases: Case[] = [];
  beforeAll(() => {
    cases = cellCases();
  }, 300_000);

  it('through KVM: accesses, registers, flags, RAM', (context) => {
    expect(cases.length).toBeGreaterThanOrEqual(3500);
    agrees(context, 'cells through KVM', cases, askKvm, 70);
  }, 300_000);

  it('on the processor: registers, flags, RAM, bytes in the place of devices', (context) => {
    agrees(context, 'cells on the processor', cases, askProcessor, 50);
  }, 300_000);
});

describe('the judge', () => {
  const named = (name: string): Case => {
    const cell = [...matrixCells(false), ...cellsBeside()].find((one) => one.name === name);
    if (cell === undefined) throw new Error(`no cell '${name}'`);
    return cellCase(cell);
  };
  const changed = (run: Run, at: number): Run => {
    const ram = run.ram.slice();
    ram[at] = (ram[at] ?? 0) ^ 1;
    return { ...run, ram };
  };
  const kindOf = (c: Case, theirs: Run): string => judge('kvm', c, theirs).kind;

  it.each([
    'rep movs MMIO to RAM 2 unaligned, 16-bit',
    'add 4 crossing a page, 32-bit',
    'rep outs 2 count 3, 16-bit',
    'bts 2 aligned, 32-bit',
    'in a loop, 16-bit',
  ])('sees every single difference in %s', (name) => {
    const c = named(name);
    const { ours } = c;
    expect(kindOf(c, ours)).toBe('equal');
    expect(ours.accesses.length).toBeGreaterThan(1);
    ours.accesses.forEach((access, i) => {
      const other = (change: Partial<typeof access>): string =>
        kindOf(c, { ...ours, accesses: ours.accesses.with(i, { ...access, ...change }) });
      expect(other({ at: access.at + 1 }), 'place').toBe('unexplained');
      expect(other({ size: access.size * 2 }), 'width').toBe('unexplained');
      if (!access.read) expect(other({ data: access.data ^ 1n }), 'data').toBe('unexplained');
      const lost = ours.accesses.filter((_, k) => k !== i);
      expect(kindOf(c, { ...ours, accesses: lost }), 'lost').toBe('unexplained');
      expect(judge('processor', c, { ...ours, accesses: lost }).kind).toBe('unexplained');
      const twice = [...ours.accesses.slice(0, i + 1), ...ours.accesses.slice(i)];
      expect(kindOf(c, { ...ours, accesses: twice }), 'repeated').toBe('unexplained');
    });
    ours.registers.forEach((value, i) => {
      const registers = ours.registers.with(i, value ^ 1);
      expect(kindOf(c, { ...ours, registers }), `register ${i}`).toBe('unexplained');
    });
    for (const gpa of [0, 0x4000, 0x6fff, 0xb000, 0xffff])
      expect(kindOf(c, changed(ours, gpa)), `RAM at ${gpa}`).toBe('unexplained');
    expect(kindOf(c, changed(ours, 0x8800)), 'a byte of a device').toBe('equal');
    for (const stopped of ['nobody answers', 'triple fault'])
      expect(kindOf(c, { ...ours, stopped }), stopped).toBe('unexplained');
  });

  it.each([
    ['repe cmps 4 of two devices, 32-bit', [0xa000, 0x8000]],
    ['repe cmps 4 of two devices, the other way, 16-bit', [0x8000, 0xa000]],
    ['repe cmps 4 over two devices and into RAM, 16-bit', [0xaffe, 0x9fff]],
  ])('accepts the second operand before the first in %s, and no other order', (name, pages) => {
    const c = named(name);
    const touched = (order: readonly number[]): Run => {
      const accesses = order.map((at) => ({
        ...(c.ours.accesses[0] as OracleAccess),
        at,
        size: 1,
      }));
      return { ...c.ours, accesses };
    };
    const kind = (of: Case, theirs: Run): string => judge('processor', of, theirs).kind;
    const theirs = touched(pages);
    expect(kind(c, c.ours)).toBe('equal');
    expect(kind(c, theirs)).toBe('differs');
    expect(kind(c, touched(pages.toReversed())), 'the pages as here').toBe('unexplained');
    expect(kind(c, touched(pages.slice(1))), 'one page').toBe('unexplained');
    expect(kind(c, touched([...pages, 0xc000])), 'three pages').toBe('unexplained');
    const registers = c.ours.registers.with(6, 0);
    expect(kind(c, { ...theirs, registers }), 'a register').toBe('unexplained');
    expect(kind(c, changed(theirs, 0x4000)), 'a byte').toBe('unexplained');
    const ram = c.request.ram.map((byte) => (byte === 0xa7 ? 0xa5 : byte));
    const movs = { ...c, request: { ...c.request, ram } };
    expect(kind(movs, theirs), 'MOVS').toBe('unexplained');
  });

  it('accepts flags that BTS leaves undefined, and no other', () => {
    const c = named('bts 2 aligned, 32-bit');
    const flags = (bits: number): string => {
      const registers = c.ours.registers.with(9, (c.ours.registers[9] ?? 0) ^ bits);
      const ram = c.ours.ram.slice();
      const esp = c.ours.registers[4] ?? 0;
      [0, 8].forEach((shift, i) => {
        ram[esp + i] = (ram[esp + i] ?? 0) ^ ((bits >> shift) & 0xff);
      });
      return kindOf(c, { ...c.ours, registers, ram });
    };
    expect(flags(0x894)).toBe('differs');
    expect(flags(1)).toBe('unexplained');
    expect(flags(0x40)).toBe('unexplained');
  });
});
