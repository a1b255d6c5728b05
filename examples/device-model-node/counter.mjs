// SPDX-License-Identifier: GPL-2.0-only
// A device model in a Node process of its own: a counter, written as any device of trapline is, and served over the
// socket that the monitor names in TRAPLINE_DEVICE_SOCKET.
//
//   trapline stress counter --threads --device-process 'counter@0x200=node examples/device-model-node/counter.mjs'
import { RegisterDevice, serveDevices } from 'trapline/device-client';

/** Each read answers one more than the last, starting at 1; a write is counted and changes nothing. */
class Counter extends RegisterDevice {
  constructor() {
    // The state after power-on. Saving, restoring and resetting follow from these fields.
    super('counter', { low: 0, high: 0, writes: 0 });
  }

  read(_offset, size, high) {
    const { state } = this;
    state.low = (state.low + 1) >>> 0;
    if (state.low === 0) state.high = (state.high + 1) >>> 0;
    if (size === 8) high.hi = state.high;
    return state.low;
  }

  write() {
    this.state.writes++;
  }

  witness() {
    const { low, high, writes } = this.state;
    return { readsServed: high * 2 ** 32 + low, writesServed: writes };
  }
}

const counter = {
  name: 'counter',
  summary: 'each read answers one more than the last',
  defaultRange: '0x200-0x207',
  create: () => new Counter(),
};

await serveDevices({ devices: [counter] });
