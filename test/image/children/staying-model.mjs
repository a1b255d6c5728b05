// SPDX-License-Identifier: GPL-2.0-only
// A device model that outlives its monitors: serves whoever listens at the socket, again and again, until it is ended.
// Says a line for each that it was joined to: node staying-model.mjs SOCKET.
import { setTimeout as sleep } from 'node:timers/promises';
import { BUILTIN_DEVICES, serveDevices } from 'trapline/device-client';

const [socket] = process.argv.slice(2);
for (let served = 0; ; ) {
  try {
    await serveDevices({ socket, devices: BUILTIN_DEVICES });
    process.stdout.write(`served ${++served}\n`);
  } catch {
    // Nobody listens there at the moment.
    await sleep(20);
  }
}
