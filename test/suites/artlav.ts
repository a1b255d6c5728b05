// SPDX-License-Identifier: GPL-2.0-only
// The 80186 test ROMs: run from the reset vector to HLT, then memory is compared with the file of results.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  EXIT_HLT,
  EXIT_NAMES,
  EXIT_PIO,
  SEG_CS,
  SEG_DS,
  SEG_ES,
  SEG_SS,
} from '../../src/cpu/backend.ts';
import { UnicornCpu } from '../../src/cpu/unicorn.ts';
import { ramSegments } from '../../src/machine/memory-map.ts';
import { GuestRam } from '../../src/mem/guest-ram.ts';

export const ARTLAV = 'artlav-80186';
const MEMORY = 1 << 20;
const ROM = 0xf0000;
const ROM_BYTES = 0x10000;
const MOST_INSTRUCTIONS = 1_000_000;

/** A ROM and what it leaves. */
export interface Rom {
  rom: string;
  /** Where its HLT leaves IP; the segment is F000. */
  haltIp: number;
  /** What it leaves at address 0, where no file says it. */
  results?: readonly number[];
  /** Its writes to ports, in order: port, bytes, value. */
  outs?: readonly string[];
  /** Bits of what it leaves that are others here, and why. */
  except?: {
    readonly why: string;
    readonly from: number;
    readonly to: number;
    readonly bits: number;
  };
}

/** AAA and AAS leave OF, SF, ZF and PF undefined; ten of them push their flags. */
const UNDEFINED = {
  why: 'flags that AAA and AAS leave undefined',
  from: 0x7c,
  to: 0x90,
  bits: 0x08c4,
};
/** POPF and PUSHF: bits 12 to 14 of FLAGS are there since the 286, and a 386 lets real mode set them. */
const IOPL_AND_NT = { why: 'IOPL and NT, which a 386 has in real mode', bits: 0x7000 };

export const ROMS: readonly Rom[] = [
  { rom: 'add', haltIp: 0x01a9 },
  { rom: 'bcdcnv', haltIp: 0x0122, except: UNDEFINED },
  { rom: 'bitwise', haltIp: 0x01f3, except: { ...IOPL_AND_NT, from: 0x98, to: 0xa0 } },
  { rom: 'cmpneg', haltIp: 0x0108 },
  { rom: 'control', haltIp: 0x002b, except: { ...IOPL_AND_NT, from: 0, to: 2 } },
  { rom: 'datatrnf', haltIp: 0x00c6 },
  { rom: 'div', haltIp: 0x031d },
  { rom: 'interrupt', haltIp: 0x4027 },
  { rom: 'jump1', haltIp: 0x00cf },
  { rom: 'jump2', haltIp: 0xffff },
  { rom: 'jmpmov', haltIp: 0x400d, results: [0x01, 0x40], outs: ['f100.2=2536'] },
  { rom: 'mul', haltIp: 0x01e8 },
  { rom: 'rep', haltIp: 0x6027 },
  { rom: 'rotate', haltIp: 0x01bc },
  { rom: 'segpr', haltIp: 0x1220 },
  { rom: 'shifts', haltIp: 0x014e },
  { rom: 'strings', haltIp: 0xd00c },
  { rom: 'sub', haltIp: 0x01a9 },
];

/** Those of which there is an image. */
export function romsIn(folder: string): Rom[] {
  return ROMS.filter(({ rom }) => existsSync(join(folder, `${rom}.bin`)));
}

export interface RomResult {
  rom: string;
  /** `F000:01A9`, or the exit that came instead of HLT. */
  halt: string;
  bytes: number;
  /** Bytes that differ, one line each, and a wrong place of HLT; empty: passed. */
  differences: string[];
  /** Why bits were left out that differ; null: none differ. */
  known: string | null;
}

const segOff = (seg: number, off: number): string =>
  [seg, off].map((value) => value.toString(16).toUpperCase().padStart(4, '0')).join(':');

/** Runs one ROM. @param change - lets a test spoil the image */
export function runRom(
  folder: string,
  { rom, haltIp, results, outs = [], except }: Rom,
  change: (image: Uint8Array) => void = () => {},
): RomResult {
  const image = new Uint8Array(readFileSync(join(folder, `${rom}.bin`)));
  if (image.length !== ROM_BYTES) throw new Error(`${rom}.bin has ${image.length} bytes`);
  const file = join(folder, `res_${rom}.bin`);
  const want = existsSync(file) ? readFileSync(file) : Uint8Array.from(results ?? []);
  if (want.length === 0) throw new Error(`no results for ${rom}`);
  change(image);

  const ram = new GuestRam(MEMORY);
  const segments = ramSegments(
    MEMORY,
    [],
    [{ what: 'the ROM', gpa: ROM, bytes: image, readOnly: true }],
  );
  using cpu = new UnicornCpu(ram, segments);
  ram.writeBytes(ROM, image);
  // As the loader does: CS says F000 and means the alias at the top of 4 GiB until the first far jump.
  for (let index = 0; index < 8; index++) cpu.regs.setGpr(index, 0);
  for (const index of [SEG_ES, SEG_SS, SEG_DS]) {
    cpu.regs.setSegment(index, { ...cpu.regs.segment(index), selector: 0, base: 0 });
  }
  cpu.deadline = MOST_INSTRUCTIONS;
  // There is no device: a read finds the bus high. jmpmov writes once to a port on its way.
  const written: string[] = [];
  let exit = cpu.run();
  for (; exit === EXIT_PIO; exit = cpu.run()) {
    if (cpu.exitDir === 0) {
      written.push(`${cpu.exitAddr.toString(16)}.${cpu.exitSize}=${cpu.exitData.toString(16)}`);
    }
    cpu.answer(0xffffffff, 0);
  }

  const at = segOff(cpu.regs.segment(SEG_CS).selector, cpu.regs.rip);
  const halt = exit === EXIT_HLT ? at : `${EXIT_NAMES[exit]} at ${at}`;
  const differences: string[] = [];
  if (halt !== segOff(0xf000, haltIp))
    differences.push(`halt ${halt}, not ${segOff(0xf000, haltIp)}`);
  let known: string | null = null;
  want.forEach((value, address) => {
    const have = ram.read(address, 1);
    const here = except !== undefined && address >= except.from && address < except.to;
    const ignored = here ? (except.bits >>> (8 * (address & 1))) & 0xff : 0;
    if (have !== value && here) known = except.why;
    if (((have ^ value) & ~ignored) !== 0) {
      differences.push(`[${address.toString(16)}] ${have.toString(16)}, not ${value.toString(16)}`);
    }
  });
  if (written.join() !== outs.join()) {
    differences.push(`ports written: ${written.join() || 'none'}, not ${outs.join() || 'none'}`);
  }
  return { rom, halt, bytes: want.length, differences, known };
}
