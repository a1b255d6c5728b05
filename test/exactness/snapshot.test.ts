// SPDX-License-Identifier: GPL-2.0-only
// What the CPU owes between two runs goes with a snapshot into a fresh machine.
import { expect, test } from 'vitest';
import { Machine } from '../../src/machine/machine.ts';
import { matrixCells } from '../../src/toolstack/exactness/cells.ts';
import { HANDLER } from '../../src/toolstack/exactness/code.ts';
import { guestOf } from '../../src/toolstack/exactness/layout.ts';
import { Snapshot } from '../../src/toolstack/snapshot.ts';

function machine(): Machine {
  const [cell] = matrixCells(false);
  if (cell === undefined) throw new Error('no cell');
  return new Machine({ guest: guestOf(cell), devices: [], revision: 'exact' });
}

test('repetitions not yet counted and a vector not yet delivered are restored', () => {
  using first = machine();
  using second = machine();
  first.cpu.charge(5);
  first.cpu.irq = 0x21;
  const snapshot = new Snapshot(first);
  snapshot.capture(first);
  snapshot.restore(second);
  expect(second.cpu.charged).toBe(5);
  expect(second.cpu.irq).toBe(0x21);
});

test('a machine that owes nothing takes nothing over', () => {
  using first = machine();
  using second = machine();
  second.cpu.charge(5);
  second.cpu.irq = 0x21;
  const snapshot = new Snapshot(first);
  snapshot.capture(first);
  snapshot.restore(second);
  expect(second.cpu.charged).toBe(0);
  expect(second.cpu.irq).toBe(-1);
});

test('an exception asked for and not yet delivered is delivered after a restore, once', () => {
  using first = machine();
  using second = machine();
  first.cpu.injectException(6, -1);
  const snapshot = new Snapshot(first);
  snapshot.capture(first);
  snapshot.restore(second);
  expect(second.cpu.injected).toEqual({ vector: 6, errorCode: 0 });
  second.cpu.deadline = second.cpu.icount + 1;
  second.cpu.run();
  expect(second.cpu.injected).toBeNull();
  expect(second.cpu.exceptionsTaken).toBe(1);
  expect(second.cpu.regs.rip).toBe(HANDLER);
});

test('its error code goes with it', () => {
  using first = machine();
  using second = machine();
  first.cpu.injectException(14, 6);
  const snapshot = new Snapshot(first);
  snapshot.capture(first);
  snapshot.restore(second);
  expect(second.cpu.injected).toEqual({ vector: 14, errorCode: 6 });
});

test('a restore drops an exception that was not yet asked for at the snapshot', () => {
  using first = machine();
  const snapshot = new Snapshot(first);
  snapshot.capture(first);
  first.cpu.injectException(6, -1);
  snapshot.restore(first);
  expect(first.cpu.injected).toBeNull();
});
