// SPDX-License-Identifier: GPL-2.0-only
// A peer of the benchmark: v86 with handlers in JavaScript. Arguments: the package's folder, its "BIOS" with the loop in
// it (src/peers/rom.ts), as a file. Protocol as in peer.h.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

/** As in src/peers/rom.ts. */
const CONTROL = 0x300;
const PORT = 0x220;
/** The only place below the end of RAM where v86 looks for devices. */
const DEVICE = 0xa0000;
const DEVICE_BYTES = 0x20000;

const [folder, biosFile] = process.argv.slice(2);
const { V86 } = await import(pathToFileURL(join(folder, 'build', 'libv86.mjs')).href);
const bios = readFileSync(biosFile);
const emulator = new V86({
  wasm_path: join(folder, 'build', 'v86.wasm'),
  bios: { buffer: bios.buffer.slice(bios.byteOffset, bios.byteOffset + bios.byteLength) },
  memory_size: 1 << 20,
  vga_memory_size: 1 << 20,
  autostart: false,
  disable_speaker: true,
});
await new Promise((resolve) => {
  emulator.add_listener('emulator-ready', resolve);
});

let accesses = 0;
const read = () => {
  accesses++;
  return 0;
};
const write = () => {
  accesses++;
};

function cpuUs() {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** What the guest finds when it asks for work, and who waits for it to ask again. */
let wanted = 0;
let startUs = 0;
let finished = null;
/** The guest asks how many rounds to run; 0: ask again. */
function control() {
  const rounds = wanted;
  wanted = 0;
  if (rounds === 0) {
    finished?.(cpuUs());
    finished = null;
  } else {
    accesses = 0;
    startUs = cpuUs();
  }
  return rounds;
}

const { io } = emulator.v86.cpu;
io.register_read(CONTROL, null, undefined, undefined, control);
io.register_read(PORT, null, read, read, read);
io.register_write(PORT, null, write, write, write);
io.mmap_register(DEVICE, DEVICE_BYTES, read, write, read, write);

/** Between slices nothing runs. */
async function run(rounds) {
  wanted = rounds;
  const stopped = new Promise((resolve) => {
    const listener = () => {
      emulator.remove_listener('emulator-stopped', listener);
      resolve();
    };
    emulator.add_listener('emulator-stopped', listener);
  });
  const end = new Promise((resolve) => {
    finished = (us) => {
      emulator.stop();
      resolve({ us, accesses });
    };
  });
  emulator.run();
  const done = await end;
  await stopped;
  return `${Math.round((done.us - startUs) * 1000)} ${done.accesses}`;
}

process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${await run(Number(line))}\n`);
}
process.exit(0);
