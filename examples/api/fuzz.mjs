// SPDX-License-Identifier: GPL-2.0-only
// Fuzzes a device from a snapshot: the serial port as the guest has set it up, random accesses, and back.
import { createMachine } from 'trapline';

let seed = 1;
const random = (below) => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return Math.floor((seed / 2 ** 32) * below);
};

const machine = await createMachine({ guest: 'hello', devices: ['serial'] });
machine.run({ instructions: 50 });
const start = machine.checkpoint();
let overruns = 0;
for (let round = 0; round < 2000; round++) {
  machine.restore(start);
  for (let n = 0; n < 20; n++) {
    const port = 0x3f8 + random(8);
    if (random(2) === 0) machine.writeDevice('pio', port, 1, random(256));
    else if (machine.readDevice('pio', port, 1) > 0xff) throw new Error(`round ${round}`);
  }
  if ((machine.readDevice('pio', 0x3fd, 1) & 0x02) !== 0) overruns++;
}
machine.restore(start);
console.log(`2000 rounds, ${overruns} ended with an overrun`);
console.log(
  `the guest goes on as if nothing had happened: ${machine.run().stop}, ${machine.verdict}`,
);
