// SPDX-License-Identifier: GPL-2.0-only
// A device of your own in place of the one that a guest expects: the guest counts along and says what it thinks.
import { createMachine, RegisterDevice } from 'trapline';

/** Answers 1, 2, 3, and then 5: a counter that skips. */
class Skipping extends RegisterDevice {
  constructor() {
    super('counter', { count: 0 });
  }

  read() {
    this.state.count += this.state.count === 3 ? 2 : 1;
    return this.state.count;
  }

  write() {}
}

const counter = {
  name: 'counter',
  summary: 'skips',
  defaultRange: '0x200-0x207',
  create: () => new Skipping(),
};

const machine = await createMachine({ guest: 'counter', devices: [counter] });
const { stop, instructions } = machine.run();
console.log(`the guest reports ${machine.verdict} (${stop} after ${instructions} instructions)`);
