// SPDX-License-Identifier: GPL-2.0-only
// A checkpoint every 1000 instructions; then back to one of them, and the same again. And with the books kept.
import { createMachine } from 'trapline';

const machine = await createMachine({ guest: 'counter', iterations: 0 });
const saved = [];
while (saved.length < 10) {
  machine.run({ instructions: 1000 });
  saved.push(machine.checkpoint());
}
const before = Buffer.from(machine.memory);
machine.restore(saved[4]);
console.log(`back at instruction ${machine.instructions}`);
machine.run({ instructions: saved[9].instructions - saved[4].instructions });
console.log(`the same memory again: ${before.equals(machine.memory)}`);

const audited = await createMachine({ guest: 'counter', iterations: 0, ledger: true });
for (let n = 0; n < 10; n++) {
  audited.run({ instructions: 1000 });
  audited.checkpoint();
}
const { ok, accesses, checkpoints } = audited.finish();
console.log(ok, accesses, `${checkpoints} checkpoints`);
