// SPDX-License-Identifier: GPL-2.0-only
// Accesses that stay in the guest, as the CPU host alone sees them: what is in the ring and in the log, when the guest is
// left all the same, and that nothing of the instruction around them is lost.
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  EXIT_BUDGET,
  EXIT_HLT,
  EXIT_KICK,
  EXIT_MMIO,
  EXIT_PIO,
  RAX,
  RBX,
  RCX,
} from '../../src/cpu/backend.ts';
import * as P from '../../src/cpu/posted-page.ts';
import { WHAT_POSTED, WHAT_REASON } from '../../src/cpu/run-page.ts';
import { BufferedPage } from '../../src/mem/buffered-page.ts';
import { type buf_ioreq_t, IOREQ_WRITE } from '../../src/xen/public/hvm_ioreq.ts';
import { asm16 } from '../helpers/guest-code.ts';
import { DEVICE, IF, Machine, TF } from './machine.ts';

const SLOTS = 511;
const SLICE = 1000;
/** Ports 80 to 83 are posted, the register at 90 is published; memory from DEVICE on likewise. */
const PORTS = { index: 1, first: 0x80, last: 0x83, kind: P.POSTED_KIND_PORT };
const REGISTER = {
  index: 2,
  first: 0x90,
  last: 0x93,
  kind: P.POSTED_KIND_PORT | P.POSTED_KIND_READ,
};
const MEMORY = { index: 3, first: DEVICE, last: DEVICE + 0xf, kind: 0 };

let m: Machine;
let ring: BufferedPage;
let words: Uint32Array;
let floats: Float64Array;

/** @param more - kind bits of the ranges of writes */
function use(more: number): void {
  const page = new Uint8Array(new SharedArrayBuffer(P.POSTED_PAGE_BYTES));
  ring = new BufferedPage(new Uint8Array(new SharedArrayBuffer(4096)));
  words = new Uint32Array(page.buffer);
  floats = new Float64Array(page.buffer);
  for (const { index, first, last, kind } of [PORTS, REGISTER, MEMORY]) {
    const at = P.POSTED_ROWS + index * P.POSTED_ROW_WORDS;
    words[at + P.POSTED_ROW_FIRST] = first;
    words[at + P.POSTED_ROW_LAST] = last;
    words[at + P.POSTED_ROW_KIND] = kind | more;
    words[at + P.POSTED_ROW_SIZE] = 4;
    words[at + P.POSTED_ROW_OPEN] = 1;
  }
  words[P.POSTED_SLICE] = SLICE;
  words[P.POSTED_ON] = 1;
  m.cpu.usePosted(page, [ring.bytes]);
}

beforeEach(() => {
  m = new Machine();
  use(P.POSTED_KIND_ATOMIC);
});
afterEach(() => m[Symbol.dispose]());

/** `80.1=5`: port or address, bytes, data. */
function entries(): string[] {
  const found: string[] = [];
  const entry: buf_ioreq_t = { type: 0, dir: IOREQ_WRITE, size: 0, addr: 0, data: 0 };
  for (let at = ring.read_pointer(); at !== ring.write_pointer(); at = (at + 1) >>> 0) {
    ring.readEntry(at, entry);
    expect(entry.dir).toBe(IOREQ_WRITE);
    found.push(
      `${entry.type === 1 ? 'm' : ''}${entry.addr.toString(16)}.${1 << entry.size}=${entry.data.toString(16)}`,
    );
  }
  return found;
}

/** Instruction counts, rows and data of the log. */
function log(): number[][] {
  return Array.from({ length: words[P.POSTED_LENGTH] ?? 0 }, (_, i) => {
    const at = P.POSTED_LOG + i * P.POSTED_LOG_WORDS;
    return [
      floats[at / 2] ?? 0,
      words[at + P.POSTED_LOG_ROW] ?? 0,
      words[at + P.POSTED_LOG_DATA] ?? 0,
    ];
  });
}

function drain(): void {
  words[P.POSTED_LENGTH] = words[P.POSTED_WRITES] = words[P.POSTED_READS] = 0;
  ring.setReadPointer(ring.write_pointer());
}

function publish(value: number): void {
  words[P.POSTED_ROWS + REGISTER.index * P.POSTED_ROW_WORDS + P.POSTED_ROW_VALUE] = value;
}

const ENDLESS = asm16('66e78066c1c005ebf7', 'l: out 0x80,eax; rol eax,5; jmp l');

describe('writes', () => {
  test('of every width lie in the ring in order, and in the log with their instruction', () => {
    m.real(
      asm16(
        'e68043e7804366e78043e460',
        'out 0x80,al; inc bx; out 0x80,ax; inc bx; out 0x80,eax; inc bx; in al,0x60',
      ),
    );
    m.cpu.regs.setGpr(RAX, 0xa1b2c3d4);
    const start = m.cpu.icount;
    m.runTo(EXIT_PIO);
    expect(entries()).toEqual(['80.1=d4', '80.2=c3d4', '80.4=a1b2c3d4']);
    expect(log()).toEqual([0, 2, 4].map((n) => [start + n, PORTS.index, 1]));
    expect([m.cpu.exitAddr, m.cpu.icount - start, m.cpu.regs.gpr(RBX)]).toEqual([0x60, 6, 3]);
  });

  test('that wait are told with the exit, until they are taken, whatever the exit is', () => {
    m.real(asm16('e460e780e460e460f4', 'in al,0x60; out 0x80,ax; in al,0x60; in al,0x60; hlt'));
    const told = (exit: number): [number, boolean] => [
      exit & WHAT_REASON,
      (exit & WHAT_POSTED) !== 0,
    ];
    expect(told(m.cpu.goOn())).toEqual([EXIT_PIO, false]);
    expect(told(m.cpu.goOnWith(0))).toEqual([EXIT_PIO, true]);
    // Nobody has taken them.
    expect(told(m.cpu.goOnWith(0))).toEqual([EXIT_PIO, true]);
    drain();
    expect(told(m.cpu.goOnWith(0))).toEqual([EXIT_HLT, false]);
    m.real(asm16('66e590e780f4', 'in eax,0x90; out 0x80,ax; hlt'));
    expect(told(m.cpu.goOn())).toEqual([EXIT_HLT, true]);
    drain();
    m.real(asm16('66e590f4', 'in eax,0x90; hlt'));
    expect(told(m.cpu.goOn())).toEqual([EXIT_HLT, true]);
  });

  test('beyond the end of the range leave the guest', () => {
    m.real(asm16('e783e683e460', 'out 0x83,ax; out 0x83,al; in al,0x60'));
    expect(m.port()).toBe('out 83=0');
    m.runTo(EXIT_PIO);
    expect(entries()).toEqual(['83.1=0']);
  });

  test('to memory; of eight bytes and over the end of the range not', () => {
    // mov ax, DEVICE >> 4; mov ds, ax; mov [4], eax; mov [14], ebx
    m.real(
      asm16('b800d08ed866a3040066891e0e00', 'mov ax,0xd000; mov ds,ax; mov [4],eax; mov [0xe],ebx'),
    );
    m.runTo(EXIT_MMIO);
    expect(m.cpu.exitAddr).toBe(DEVICE + 14);
    expect(entries()).toEqual(['md0004.4=d000']);
  });

  test.each([
    ['one row each', 0],
    ['many to a row', P.POSTED_KIND_MANY],
  ])('a full ring leaves the guest, and a drained one takes more: %s', (_, kind) => {
    use(kind | P.POSTED_KIND_ATOMIC);
    m.real(ENDLESS);
    m.cpu.regs.setGpr(RAX, 0x12345678);
    let eax = 0x12345678;
    words[P.POSTED_SLICE] = 100_000;
    for (let round = 0; round < 5; round++) {
      m.runTo(EXIT_PIO);
      const expected = Array.from({ length: SLOTS }, () => {
        const text = `80.4=${eax.toString(16)}`;
        eax = ((eax << 5) | (eax >>> 27)) >>> 0;
        return text;
      });
      expect(entries()).toEqual(expected);
      expect(m.cpu.exitData >>> 0).toBe(eax);
      eax = ((eax << 5) | (eax >>> 27)) >>> 0;
      m.cpu.answer(0, 0);
      drain();
    }
    // Pointers are taken back: they do not run away.
    expect(ring.write_pointer()).toBeLessThan(2 * SLOTS);
  });

  test('pointers of a reader that knows nothing of it run on, also through 2^32', () => {
    use(0);
    ring.setReadPointer(0xfffffffe);
    ring.setWritePointer(0xfffffffe);
    m.real(asm16('e680e680e680e460', 'out 0x80,al; out 0x80,al; out 0x80,al; in al,0x60'));
    m.runTo(EXIT_PIO);
    expect([ring.read_pointer(), ring.write_pointer()]).toEqual([0xfffffffe, 1]);
    expect(entries()).toEqual(['80.1=0', '80.1=0', '80.1=0']);
  });
});

describe('a register', () => {
  test('is read without leaving the guest, but not behind a write', () => {
    m.real(
      asm16(
        '66e5906689c1e68066e590e460',
        'in eax,0x90; mov ecx,eax; out 0x80,al; in eax,0x90; in al,0x60',
      ),
    );
    publish(0x89abcdef);
    m.runTo(EXIT_PIO);
    expect([m.cpu.exitAddr, m.cpu.exitDir, m.cpu.regs.gpr(RCX) >>> 0]).toEqual([
      0x90, 1, 0x89abcdef,
    ]);
    drain();
    m.cpu.answer(1, 0);
    m.runTo(EXIT_PIO);
    expect([m.cpu.exitAddr, m.cpu.regs.gpr(RAX)]).toEqual([0x60, 1]);
  });

  test('as often as one likes, and each time is counted', () => {
    m.real(asm16('66e59043ebfa', 'l: in eax,0x90; inc bx; jmp l'));
    publish(7);
    m.cpu.deadline = m.cpu.icount + 3000;
    m.runTo(EXIT_BUDGET);
    const at = P.POSTED_ROWS + REGISTER.index * P.POSTED_ROW_WORDS + P.POSTED_ROW_READS;
    expect([words[at], words[P.POSTED_READS], words[P.POSTED_LENGTH], m.cpu.regs.gpr(RBX)]).toEqual(
      [...[1000, 1, 0, 1000]],
    );
    expect(m.cpu.regs.gpr(RAX)).toBe(7);
  });

  test('narrower or elsewhere it is asked', () => {
    m.real(asm16('e590e491', 'in ax,0x90; in al,0x91'));
    expect([m.port(), m.port()]).toEqual(['in 90', 'in 91']);
  });
});

describe('the guest is left', () => {
  test('a slice after the first write, at the latest, and not again for it', () => {
    m.real(asm16('e6806643ebfc', 'out 0x80,al; l: inc ebx; jmp l'));
    const start = m.cpu.icount;
    m.cpu.deadline = start + 50_000;
    m.runTo(EXIT_BUDGET);
    const left = m.cpu.icount - start;
    expect(left).toBeGreaterThanOrEqual(SLICE);
    expect(left).toBeLessThan(SLICE + 64);
    drain();
    m.runTo(EXIT_BUDGET);
    expect(m.cpu.icount).toBe(start + 50_000);
    expect(m.cpu.regs.gpr(RBX)).toBe(50_000 / 2);
  });

  test('at every deadline exactly, wherever among the writes it falls', () => {
    for (let after = 1; after < 90; after += 2) {
      m.real(ENDLESS);
      const start = m.cpu.icount;
      m.cpu.deadline = start + after;
      m.runTo(EXIT_BUDGET);
      expect(m.cpu.icount).toBe(start + after);
      expect(entries()).toHaveLength(Math.ceil(after / 3));
      expect(log().map(([icount = 0]) => icount - start)).toEqual(entries().map((_, i) => 3 * i));
      drain();
    }
  });

  test('for an interrupt behind the shadow of STI, at that boundary', () => {
    m.real(asm16('fbe6804343ebfe', 'sti; out 0x80,al; inc bx; inc bx; l: jmp l'));
    m.cpu.irq = 0x21;
    const before = m.cpu.irqsTaken;
    // Something has to happen right behind it: it is not left to the guest.
    expect(m.port()).toBe('out 80=0');
    expect(m.toHandler()).toBe(0x21);
    expect([m.stack(0, 16), m.cpu.irqsTaken - before]).toEqual([0x1003, 1]);
    expect(entries()).toEqual([]);
  });

  test('by the trap flag behind each write', () => {
    m.real(asm16('e680e68043e460', 'out 0x80,al; out 0x80,al; inc bx; in al,0x60'), 2 | TF);
    for (const ip of [0x1002, 0x1004]) {
      expect(m.toHandler()).toBe(1);
      expect(m.stack(0, 16)).toBe(ip);
      m.leaveHandler();
    }
    expect(entries()).toEqual(['80.1=0', '80.1=0']);
  });

  test('not while an instruction is executed on its own', () => {
    m.real(ENDLESS, 2 | IF);
    m.runTo(EXIT_PIO, () => m.cpu.step());
    expect(entries()).toEqual([]);
    m.cpu.rollback();
    m.cpu.deadline = m.cpu.icount + 1;
    m.runTo(EXIT_BUDGET);
    expect(entries()).toEqual(['80.4=0']);
  });
});

test('a write whose port was changed just before it', () => {
  m.real(
    asm16(
      'c60607108190e680e460',
      'org 0x1000; mov byte [l+1],0x81; nop; l: out 0x80,al; in al,0x60',
    ),
  );
  m.runTo(EXIT_PIO);
  expect(entries()).toEqual(['81.1=0']);
});

test('in protected mode the permission is looked at each time', () => {
  m.flat32(asm16('e680fae460', 'out 0x80,al; cli; in al,0x60'), { flags: 2 });
  m.runTo(EXIT_PIO);
  expect(entries()).toEqual(['80.1=0']);
  drain();
  m.flat32(asm16('e680', 'out 0x80,al'), { ring: 3 });
  expect(m.toHandler()).toBe(13);
  expect(entries()).toEqual([]);
});

test('kicked from another thread again and again, no write is lost or doubled', async () => {
  use(P.POSTED_KIND_ATOMIC | P.POSTED_KIND_MANY);
  const LOOP = asm16(
    'e68066ff0600406643ebf5',
    'l: out 0x80,al; inc dword [0x4000]; inc ebx; jmp l',
  );
  m.real(LOOP);
  const native = fileURLToPath(new URL('../../dist/cpu/native.js', import.meta.url));
  const control = new Int32Array(new SharedArrayBuffer(4));
  const { kickId } = m.cpu;
  const worker = new Worker(
    `const { workerData } = require('node:worker_threads');
     const { control, native, kickId } = workerData;
     import(native).then(({ kickCpu }) => { while (Atomics.load(control, 0) === 0) kickCpu(kickId); });`,
    { eval: true, workerData: { control, native, kickId } },
  );
  const ended = new Promise((resolve) => worker.once('exit', resolve));
  let written = 0;
  let kicks = 0;
  while (kicks < 50) {
    const exit = m.cpu.run();
    written += (ring.write_pointer() - ring.read_pointer()) >>> 0;
    drain();
    if (exit === EXIT_PIO) {
      written++;
      m.cpu.answer(0, 0);
    } else if (exit === EXIT_KICK) kicks++;
    else expect(exit).toBe(EXIT_BUDGET);
    // A write that is not answered yet is counted; its instruction will be complete.
  }
  Atomics.store(control, 0, 1);
  await ended;
  const stores = m.ram.read(0x4000, 4);
  expect(written - stores).toBeGreaterThanOrEqual(0);
  expect(written - stores).toBeLessThanOrEqual(1);
  expect(stores - m.cpu.regs.gpr(RBX)).toBeGreaterThanOrEqual(0);
}, 60_000);

test('what is no page for it is refused, and the CPU goes on as it was', () => {
  const small = new Uint8Array(new SharedArrayBuffer(4096));
  expect(() => m.cpu.usePosted(small, [])).toThrow(/usePosted/);
  const page = new Uint8Array(new SharedArrayBuffer(P.POSTED_PAGE_BYTES));
  expect(() => m.cpu.usePosted(page, [small.subarray(0, 100)])).toThrow(/rings of 4096 bytes/);
  m.real(asm16('e680e460', 'out 0x80,al; in al,0x60'));
  m.runTo(EXIT_PIO);
  expect(entries()).toEqual(['80.1=0']);
});
