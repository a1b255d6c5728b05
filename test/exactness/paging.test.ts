// SPDX-License-Identifier: GPL-2.0-only
// A page fault comes before every access of its instruction: the accesses are those of a page that was there.
import { expect, test } from 'vitest';
import { matrixCells } from '../../src/toolstack/exactness/cells.ts';
import { runMatrix } from '../../src/toolstack/exactness/matrix.ts';
import type { Outcome } from '../../src/toolstack/exactness/trial.ts';
import { runTrial } from '../../src/toolstack/exactness/trial.ts';
import { watch } from './watch.ts';

const CELLS = new Map(matrixCells(false).map((cell) => [cell.name, cell]));
/** What the handler counts at 3001: page faults. */
const FAULTS_AT = 0x3001;
const FAULT_ADDRESS = 0x3004;
const ERROR_CODE = 0x3008;

function run(name: string): Outcome {
  const cell = CELLS.get(`${name}, 32-bit paged`);
  if (cell === undefined) throw new Error(`no cell ${name}`);
  return runTrial(cell, { revision: 'exact' });
}
/** Page faults, CR2 and error code of the last one. */
function faults({ ram }: Outcome): [number, number, number] {
  const word = (at: number): number => new DataView(ram.buffer).getUint32(at, true);
  // The byte begins as the pattern has it.
  const began = (FAULTS_AT * 37 + 11) & 0xff;
  return [((ram[FAULTS_AT] ?? 0) - began) & 0xff, word(FAULT_ADDRESS), word(ERROR_CODE)];
}

test.each([
  ['load', 4, 0x28000, 0],
  ['store', 4, 0x28000, 2],
  ['add', 2, 0x28000, 2],
  ['xadd', 4, 0x28000, 2],
  ['fstp', 8, 0x28000, 2],
])('%s %i into an absent page: one #PF, then the accesses, each once', (op, size, cr2, code) => {
  const found = run(`${op} ${size} into an absent page`);
  const [count, address, error] = faults(found);
  expect([count, address, error & ~2]).toEqual([1, cr2, code & ~2]);
  // Both halves are of the same device, one page behind the other: reads, then writes, without a repetition.
  const half = size / 2;
  const places = found.accesses.map((text) => text.replace(/=.*/, ''));
  expect(new Set(places).size).toBe(places.length);
  expect(places).toContain(`${places[0]?.slice(0, 1)}${half}@memory-1+1000`);
});

test.each(['store', 'add', 'xchg', 'inc'])('%s on a read-only page: #PF for a write', (op) => {
  const found = run(`${op} 4 on a read-only page`);
  expect(faults(found)).toEqual([1, 0x30010, 3]);
});

test('a load from a read-only page faults not at all', () => {
  expect(faults(run('load 4 on a read-only page'))[0]).toBe(0);
});

test.each([
  ['rep movs 4 from a device to absent RAM', 0x34000, 2],
  ['rep movs 4 from a device to absent RAM at once', 0x34000, 2],
  ['rep movs 2 from a device to an absent device', 0x28000, 2],
  ['rep movs 2 from a device to read-only RAM', 0x37000, 3],
  ['rep movs 4 from a device to read-only RAM at once', 0x37000, 3],
  ['rep ins 4 into RAM that is read-only between elements', 0x37000, 3],
  ['rep ins 2 into RAM that is read-only in an element', 0x37000, 3],
])('%s: no element of the device is read twice', (name, cr2, code) => {
  const found = run(name);
  expect(faults(found)).toEqual([1, cr2, code]);
  expect(found.accesses.filter((text) => text.startsWith('r'))).toHaveLength(4);
});

test('what the page walk writes into the page tables goes with a snapshot', async () => {
  const asked = { cell: 'xadd 4 aligned, 32-bit paged', stop: null, full: false, threadRuns: 0 };
  const result = await runMatrix(asked, watch);
  expect(result.stops['point restore']).toBeGreaterThan(5);
  expect(result.failures).toEqual([]);
});

test.each(['ins', 'outs', 'movs', 'stos'])(
  'rep %s with an element over two pages whose frames are not neighbours gets on',
  (op) => {
    const found = run(`rep ${op} 4 into read-only in an element`);
    expect(found.fields).toMatchObject({ end: 'dead', ECX: 0 });
  },
);
