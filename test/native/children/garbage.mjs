// SPDX-License-Identifier: GPL-2.0-only
// Child process of lifecycle.test.ts (node --expose-gc): CPUs that nobody disposes are left to the collector, in every
// state. Prints how many of them are gone, as JSON.
import { kickCpu } from '../../../dist/cpu/native.js';
import { UnicornCpu } from '../../../dist/cpu/unicorn.js';
import { GuestRam } from '../../../dist/mem/guest-ram.js';

const BYTES = 0x10000;
const ids = [];

function abandon(stage) {
  const ram = new GuestRam(BYTES);
  const cpu = new UnicornCpu(ram, [{ gpa: 0, bytes: BYTES, offset: 0, writable: true }]);
  ids.push(cpu.kickId);
  if (stage === 0) return;
  // add dword [f0000],1; hlt
  ram.writeBytes(0x1000, Uint8Array.of(0x66, 0x83, 0x06, 0x00, 0x00, 0x01, 0xf4));
  const segment = { selector: 0, base: 0, limit: 0xffff, attributes: 0x9b00 };
  cpu.regs.setSegment(1, segment);
  cpu.regs.setSegment(3, { selector: 0xf000, base: 0xf0000, limit: 0xffff, attributes: 0x9300 });
  cpu.regs.rip = 0x1000;
  if (cpu.run() !== 3) throw new Error('not an MMIO access');
  if (stage === 1) return;
  cpu.finish(1, 0);
  if (stage === 2) return;
  cpu.finish(0, 0);
  cpu.run();
}

for (let i = 0; i < 60; i++) abandon(i % 4);
// Finalizers run from the event loop, after a collection.
for (let i = 0; i < 20 && ids.some((id) => kickCpu(id)); i++) {
  global.gc();
  await new Promise((resolve) => setImmediate(resolve));
}
const alive = ids.filter((id) => kickCpu(id)).length;
// A CPU is as good as before among the ruins.
abandon(3);
process.stdout.write(JSON.stringify({ made: 60, alive }));
