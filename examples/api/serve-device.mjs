// SPDX-License-Identifier: GPL-2.0-only
// A device in another process: this file is both. As a server it answers what the monitor sends over a socket.
import { fileURLToPath } from 'node:url';
import { RegisterDevice, runCheckpoints } from 'trapline';
import { SOCKET_VARIABLE, serveDevices } from 'trapline/device-client';

class Counter extends RegisterDevice {
  constructor() {
    super('counter', { count: 0 });
  }

  read = () => ++this.state.count;
  write() {}
}

const create = () => new Counter();
const counter = { name: 'counter', summary: 'counts', defaultRange: '0x200-0x207', create };
const command = [process.execPath, fileURLToPath(import.meta.url)];

if (process.env[SOCKET_VARIABLE]) await serveDevices({ devices: [counter] });
else {
  const processes = [{ device: 'counter@0x200-0x207', command }];
  const report = await runCheckpoints({
    guest: 'counter',
    checkpoints: 20,
    threads: { processes },
  });
  const { outcome, checkpoints, lost, duplicated } = report;
  console.log({ outcome, checkpoints, lost, duplicated });
}
