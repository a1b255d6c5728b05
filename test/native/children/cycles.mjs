// SPDX-License-Identifier: GPL-2.0-only
// Child process of lifecycle.test.ts (node --expose-gc): CPUs are made, run and disposed in four worker threads, 50 in
// each, after a warm-up of 20 in each. Prints how much resident memory grew meanwhile, as JSON.
import { readFileSync } from 'node:fs';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { UnicornCpu } from '../../../dist/cpu/unicorn.js';
import { GuestRam } from '../../../dist/mem/guest-ram.js';

const WORKERS = 4;
const BYTES = 0x20000;
// l: in al,dx; stosb; inc word [4000]; jmp l
const LOOP = Uint8Array.of(0xec, 0xaa, 0xff, 0x06, 0x00, 0x40, 0xeb, 0xf8);

function cycle(number) {
  const ram = new GuestRam(BYTES);
  const cpu = new UnicornCpu(ram, [{ gpa: 0, bytes: BYTES, offset: 0, writable: true }]);
  ram.writeBytes(0x1000, LOOP);
  for (let index = 0; index < 6; index++) {
    const attributes = index === 1 ? 0x9b00 : 0x9300;
    cpu.regs.setSegment(index, { selector: 0, base: 0, limit: 0xffff, attributes });
  }
  cpu.regs.setGpr(7, 0x8000);
  cpu.regs.rip = 0x1000;
  for (let i = 0; i < 200; i++) {
    if (cpu.run() !== 1) throw new Error('not a port access');
    if (i % 3 === 0) cpu.finish(i, 0);
    else cpu.answer(i, 0);
  }
  if (ram.read(0x4000, 2) < 198) throw new Error('the guest did not run');
  // Every other one with an access pending.
  if (number % 2 === 0) cpu.run();
  cpu[Symbol.dispose]();
  cpu[Symbol.dispose]();
}

if (isMainThread) {
  const workers = Array.from({ length: WORKERS }, () => new Worker(new URL(import.meta.url)));
  const round = (count) =>
    Promise.all(
      workers.map(
        (worker) =>
          new Promise((resolve, reject) => {
            worker.once('message', resolve);
            worker.once('error', reject);
            worker.postMessage(count);
          }),
      ),
    );
  const resident = () => {
    global.gc();
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;
  };
  await round(20);
  const before = resident();
  await round(50);
  const after = resident();
  process.stdout.write(
    JSON.stringify({ cycles: WORKERS * 50, before, after, grown: after - before }),
  );
  for (const worker of workers) worker.postMessage(0);
} else {
  parentPort.on('message', (count) => {
    if (count === 0) parentPort.close();
    else {
      for (let i = 0; i < count; i++) {
        cycle(i);
        if (i % 10 === 9) global.gc();
      }
      global.gc();
      parentPort.postMessage('done');
    }
  });
}
