// SPDX-License-Identifier: GPL-2.0-only
// kick(): from this thread and from another one, before a guest runs and while it does.
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EXIT_KICK, EXIT_PIO, RBX } from '../../src/cpu/backend.ts';
import { kickCpu } from '../../src/cpu/native.ts';
import { asm16 } from '../helpers/guest-code.ts';
import { Machine } from './machine.ts';

const native = fileURLToPath(new URL('../../dist/cpu/native.js', import.meta.url));
const COUNTER = 0x4000;
/** A guest that never ends and counts in RAM, where every thread can see it. */
const LOOP = asm16('66ff0600406643ebf7', 'l: inc dword [0x4000]; inc ebx; jmp l');

let m: Machine;
beforeEach(() => {
  m = new Machine();
});
afterEach(() => m[Symbol.dispose]());

/** A thread that waits until the guest has counted on since its last kick, kicks, and so on. It ends when told. */
function kicker(control: Int32Array, ram: Uint8Array, kickId: number): Worker {
  return new Worker(
    `
    const { workerData } = require('node:worker_threads');
    const { control, ram, at, kickId, native } = workerData;
    const counter = new Int32Array(ram, at, 1);
    import(native).then(({ kickCpu }) => {
      Atomics.store(control, 0, 1);
      Atomics.notify(control, 0);
      let seen = 0;
      while (Atomics.load(control, 1) === 0) {
        const now = Atomics.load(counter, 0);
        if (now === seen) continue;
        seen = now;
        kickCpu(kickId);
        Atomics.add(control, 2, 1);
      }
    });
    `,
    { eval: true, workerData: { control, ram: ram.buffer, at: COUNTER, kickId, native } },
  );
}

describe('kick()', () => {
  test('before run(): it comes back at once, once', () => {
    m.real(asm16('e46043ebfb', 'l: in al,0x60; inc bx; jmp l'));
    m.cpu.kick();
    m.cpu.kick();
    m.runTo(EXIT_KICK);
    expect(m.cpu.regs.gpr(RBX)).toBe(0);
    m.runTo(EXIT_PIO);
  });

  test('at a pending access: answered, the instruction is completed, then it comes back', () => {
    m.real(asm16('e46043ebfb', 'l: in al,0x60; inc bx; jmp l'));
    m.runTo(EXIT_PIO);
    m.cpu.kick();
    m.cpu.answer(0x55, 0);
    m.runTo(EXIT_KICK);
    expect([m.cpu.regs.gpr(0) & 0xff, m.cpu.regs.gpr(RBX)]).toEqual([0x55, 0]);
    m.runTo(EXIT_PIO);
    expect(m.cpu.regs.gpr(RBX)).toBe(1);
  });

  test('at a pending access that is not answered: it comes back before it', () => {
    m.real(asm16('e46043ebfb', 'l: in al,0x60; inc bx; jmp l'));
    m.runTo(EXIT_PIO);
    m.cpu.kick();
    m.runTo(EXIT_KICK);
    m.runTo(EXIT_PIO);
    expect(m.cpu.regs.gpr(RBX)).toBe(0);
  });

  test('of a CPU that is gone is refused', () => {
    const { kickId } = m.cpu;
    expect(kickCpu(kickId)).toBe(true);
    m.cpu[Symbol.dispose]();
    expect(kickCpu(kickId)).toBe(false);
    expect(kickCpu(0)).toBe(false);
  });

  test('from another thread stops a guest that never ends, and nothing is lost', async () => {
    m.real(LOOP);
    const control = new Int32Array(new SharedArrayBuffer(12));
    const worker = kicker(control, m.ram.bytes, m.cpu.kickId);
    const ended = new Promise((resolve, reject) => {
      worker.once('exit', resolve);
      worker.once('error', reject);
    });
    expect(Atomics.wait(control, 0, 0, 20_000)).not.toBe('timed-out');
    const start = m.cpu.icount;
    for (let i = 0; i < 100; i++) {
      m.runTo(EXIT_KICK);
      const counted = m.ram.read(COUNTER, 4);
      const done = m.cpu.icount - start;
      // Three instructions a round: the store counts first, INC follows, JMP ends it.
      expect(Math.ceil(done / 3)).toBe(counted);
      expect(m.cpu.regs.gpr(RBX)).toBe(Math.floor((done + 1) / 3));
    }
    Atomics.store(control, 1, 1);
    await ended;
    expect(Atomics.load(control, 2)).toBeGreaterThanOrEqual(100);
  }, 60_000);

  test('from another thread while CPUs come and go', async () => {
    const control = new Int32Array(new SharedArrayBuffer(12));
    const worker = new Worker(
      `
      const { workerData } = require('node:worker_threads');
      const { control, native, first } = workerData;
      import(native).then(({ kickCpu }) => {
        Atomics.store(control, 0, 1);
        Atomics.notify(control, 0);
        while (Atomics.load(control, 1) === 0) for (let id = first; id < first + 60; id++) kickCpu(id);
      });
      `,
      { eval: true, workerData: { control, native, first: m.cpu.kickId } },
    );
    const ended = new Promise((resolve, reject) => {
      worker.once('exit', resolve);
      worker.once('error', reject);
    });
    expect(Atomics.wait(control, 0, 0, 20_000)).not.toBe('timed-out');
    let kicked = 0;
    // The thread may not get a core for a while.
    for (let i = 0; i < 50 || (kicked === 0 && i < 20_000); i++) {
      using other = new Machine();
      other.real(LOOP);
      other.cpu.deadline = other.cpu.icount + 3000;
      if (other.cpu.run() === EXIT_KICK) kicked++;
    }
    Atomics.store(control, 1, 1);
    await ended;
    expect(kicked).toBeGreaterThan(0);
  }, 60_000);
});
