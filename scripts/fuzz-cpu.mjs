// SPDX-License-Identifier: GPL-2.0-only
// npm run fuzz:cpu: no guest may take the process down, hang it, or make an exit lie. First every one- and two-byte
// opcode with every ModRM byte, alone and under LOCK, REP, 66h and 67h; then random memory images in several modes,
// with random device answers, interrupts and kicks. Prints the seed and the case, so that a death can be repeated:
//   node scripts/fuzz-cpu.mjs --seed N --images N --only opcodes|images --from CASE --json
import { parseArgs } from 'node:util';
import {
  EXIT_BUDGET,
  EXIT_MMIO,
  EXIT_NAMES,
  EXIT_PIO,
  EXIT_PIO_STRING,
  EXIT_SHUTDOWN,
} from '../dist/cpu/backend.js';
import { UnicornCpu } from '../dist/cpu/unicorn.js';
import { GuestRam } from '../dist/mem/guest-ram.js';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    images: { type: 'string', default: '20000' },
    only: { type: 'string' },
    from: { type: 'string', default: '0' },
    json: { type: 'boolean', default: false },
  },
});

const MIB = 1 << 20;
const CODE = 0x8000;
const HANDLER = 0x600;
const exits = new Map();
let seed = Number(values.seed) >>> 0;

/** xorshift32: the same numbers for the same seed on every machine. */
function random() {
  seed ^= seed << 13;
  seed ^= seed >>> 17;
  seed ^= seed << 5;
  seed >>>= 0;
  return seed;
}

function newCpu() {
  const ram = new GuestRam(MIB);
  const hole = 0xb8000;
  const cpu = new UnicornCpu(ram, [
    { gpa: 0, bytes: hole, offset: 0, writable: true },
    { gpa: hole + 0x4000, bytes: MIB - hole - 0x4000, offset: hole + 0x4000, writable: true },
  ]);
  return { ram, cpu };
}

/** Runs to the deadline, answering every access at random; counts exits; checks what an exit promises. */
function drive({ cpu }, instructions, rounds) {
  cpu.deadline = cpu.icount + instructions;
  let answered = -1;
  for (let round = 0; round < rounds; round++) {
    if ((random() & 31) === 0) cpu.irq = random() & 255;
    if ((random() & 63) === 0) cpu.kick();
    const before = cpu.icount;
    const exit = cpu.run();
    exits.set(exit, (exits.get(exit) ?? 0) + 1);
    if (cpu.icount < before)
      throw new Error(`the instruction count went back from ${before} to ${cpu.icount}`);
    if (exit === EXIT_BUDGET) {
      if (cpu.icount !== cpu.deadline)
        throw new Error(`stopped at ${cpu.icount}, not at ${cpu.deadline}`);
      return;
    }
    if (exit === EXIT_SHUTDOWN) {
      cpu.reset();
      return;
    }
    if (exit !== EXIT_PIO && exit !== EXIT_PIO_STRING && exit !== EXIT_MMIO) continue;
    switch (random() & 3) {
      case 0:
        cpu.finish(random(), random());
        break;
      case 1: {
        // An access that is not answered comes again, at the same instruction.
        const { exitAddr, exitDir } = cpu;
        const rip = cpu.regs.rip;
        cpu.rollback();
        if (cpu.regs.rip !== rip) throw new Error(`rolled back to ${cpu.regs.rip}, not ${rip}`);
        // After answer() the same instruction's next access is an exit of its own: rolled back, the first one comes.
        if (cpu.irq < 0 && answered !== cpu.icount) {
          const again = cpu.run();
          if (
            again === exit &&
            (cpu.exitAddr !== exitAddr || cpu.exitDir !== exitDir) &&
            cpu.regs.rip === rip
          ) {
            throw new Error('an access that was not answered came back as another one');
          }
        }
        break;
      }
      default:
        answered = cpu.icount;
        cpu.answer(random(), random());
    }
  }
}

function start({ cpu }, base, registers) {
  cpu.restore(base);
  for (let i = 0; i < 8; i++) cpu.regs.setGpr(i, registers());
  cpu.regs.setGpr(4, 0x7000);
  for (const index of [0, 2, 3, 4, 5]) {
    const selector = index === 2 ? 0 : (random() & 3) === 0 ? 0xb800 : 0x1000;
    cpu.regs.setSegment(index, {
      selector,
      base: selector << 4,
      limit: 0xffff,
      attributes: 0x9300,
    });
  }
  cpu.regs.setSegment(1, { selector: 0, base: 0, limit: 0xffff, attributes: 0x9b00 });
  cpu.regs.rip = CODE;
  cpu.regs.rflags = 2 | (random() & 0xad5);
}

function fillVectors(ram) {
  for (let vector = 0; vector < 256; vector++) ram.write(vector * 4, 4, HANDLER);
  ram.writeBytes(HANDLER, Uint8Array.of(0xf4, 0xcf)); // hlt; iret
}

function opcodes() {
  const machine = newCpu();
  const base = machine.cpu.save();
  const prefixes = [[], [0xf0], [0xf3], [0x66], [0x67], [0xf2]];
  const tail = Uint8Array.from({ length: 12 }, (_, i) => (i * 37 + 11) & 255);
  const from = Number(values.from);
  let number = 0;
  fillVectors(machine.ram);
  for (const opcodeMap of [[], [0x0f]]) {
    for (let opcode = 0; opcode < 256; opcode++) {
      for (const prefix of prefixes) {
        for (let modrm = 0; modrm < 256; modrm++) {
          if (number++ < from) continue;
          seed = (Number(values.seed) * 2654435761 + number * 40503) >>> 0 || 1;
          if ((number & 0xfff) === 0) fillVectors(machine.ram);
          machine.ram.writeBytes(
            CODE,
            Uint8Array.of(...prefix, ...opcodeMap, opcode, modrm, ...tail, 0xf4),
          );
          start(machine, base, random);
          try {
            drive(machine, 4, 12);
          } catch (error) {
            error.message = `opcode case ${number - 1} (${[...prefix, ...opcodeMap, opcode, modrm].map((b) => b.toString(16)).join(' ')}): ${error.message}`;
            throw error;
          }
        }
      }
    }
  }
  machine.cpu[Symbol.dispose]();
  return number;
}

function images(count) {
  let machine = newCpu();
  let base = machine.cpu.save();
  const words = new Uint32Array(16384);
  for (let image = 0; image < count; image++) {
    if (image % 500 === 499) {
      machine.cpu[Symbol.dispose]();
      machine = newCpu();
      base = machine.cpu.save();
    }
    const { ram, cpu } = machine;
    seed = (Number(values.seed) * 2654435761 + image * 40503 + 1) >>> 0 || 1;
    if (image < Number(values.from)) continue;
    for (let i = 0; i < words.length; i++) words[i] = random();
    const bytes = new Uint8Array(words.buffer);
    for (let at = 0; at < MIB; at += bytes.length) {
      if (at === 0xb0000) continue; // the device hole lies in this piece
      if ((random() & 3) === 0 || at === 0) ram.writeBytes(at, bytes);
    }
    if ((image & 1) === 0) fillVectors(ram);
    start(machine, base, random);
    if (image % 3 === 1) {
      // 32-bit protected mode, flat; every second one with 4 MiB pages
      for (const index of [0, 1, 2, 3, 4, 5]) {
        cpu.regs.setSegment(index, {
          selector: 8,
          base: 0,
          limit: 0xffffffff,
          attributes: index === 1 ? 0xcf9b00 : 0xcf9300,
        });
      }
      cpu.regs.setControl(0, 0x60000011);
      if ((image & 1) === 1) {
        for (let i = 0; i < 1024; i++)
          ram.write(0x9000 + i * 4, 4, (((random() & 3) === 0 ? i : 0) << 22) | 0x87);
        cpu.regs.setControl(4, 0x10);
        cpu.regs.setControl(3, 0x9000);
        cpu.regs.setControl(0, 0xe0000011);
      }
    }
    cpu.a20 = (random() & 3) !== 0;
    try {
      drive(machine, 200 + (random() & 1023), 120);
    } catch (error) {
      error.message = `image ${image} of seed ${values.seed}: ${error.message}`;
      throw error;
    }
  }
  machine.cpu[Symbol.dispose]();
  return count;
}

const started = performance.now();
const done = { opcodes: 0, images: 0 };
if (values.only !== 'images') done.opcodes = opcodes();
if (values.only !== 'opcodes') done.images = images(Number(values.images));
const report = {
  schema: 'trapline.fuzz-cpu/1',
  seed: Number(values.seed),
  ...done,
  seconds: Math.round((performance.now() - started) / 100) / 10,
  exits: Object.fromEntries(
    [...exits].sort((a, b) => a[0] - b[0]).map(([exit, n]) => [EXIT_NAMES[exit], n]),
  ),
};
if (values.json) console.log(JSON.stringify(report));
else {
  console.log(
    `fuzz:cpu seed ${report.seed}: ${done.opcodes} opcode cases and ${done.images} images in ${report.seconds} s, the process survived`,
  );
  for (const [name, n] of Object.entries(report.exits)) console.log(`  ${name.padEnd(16)} ${n}`);
}
