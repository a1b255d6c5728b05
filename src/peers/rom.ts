// SPDX-License-Identifier: GPL-2.0-only
// What stands in for a BIOS in peers that are whole PCs: copies the measured loop to RAM, and runs it as often as the
// host asks. Bytes with their disassembly.
import { BENCH_LOAD, BENCH_PORT, BENCH_STACK } from '../toolstack/bench/programs.ts';

const ROM_BYTES = 0x10000;
const RESET = 0xfff0;
const LOOP_AT = 0x1000;
/** Where a guest of v86 asks for work; native/peers/v86.mjs answers. */
const V86_CONTROL = 0x300;
/** A register of pc-testdev: reads give what was written last. */
export const QEMU_PORT = 0xe0;
/** The memory of pc-testdev. */
const QEMU_DEVICE = 0xff000000;
const SERIAL = 0x3f8;
const SERIAL_IRQ = 4;

const word = (n: number): number[] => [n & 0xff, (n >>> 8) & 0xff];

/** mov dx, port; mov al, value; out dx, al */
const out = (port: number, value: number): number[] => [0xba, ...word(port), 0xb0, value, 0xee];

/** Copies the loop to where it lies everywhere else. All segments but CS are 0 afterwards. */
function copyLoop(length: number): number[] {
  return [
    ...[0xfa, 0xfc], // cli; cld
    ...[0x31, 0xc0, 0x8e, 0xc0, 0x8e, 0xd0], // xor ax, ax; mov es, ax; mov ss, ax
    ...[0xbc, ...word(BENCH_STACK)], // mov sp, STACK
    ...[0x0e, 0x1f], // push cs; pop ds
    ...[0xbe, ...word(LOOP_AT), 0xbf, ...word(BENCH_LOAD)], // mov si, LOOP_AT; mov di, LOAD
    ...[0xb9, ...word(length), 0xf3, 0xa4], // mov cx, length; rep movsb
    ...[0x8e, 0xd8], // mov ds, ax
  ];
}

/** mov dx, port; call 0:LOAD; jmp back over all of `asking` */
function runLoop(asking: readonly number[], port: number): number[] {
  const call = [0xba, ...word(port), 0x9a, ...word(BENCH_LOAD), ...word(0)];
  return [...asking, ...call, 0xe9, ...word(-(asking.length + call.length + 3))];
}

function rom(code: readonly number[], loop: Uint8Array): Uint8Array {
  const image = new Uint8Array(ROM_BYTES);
  image.set(code, 0);
  image.set(loop, LOOP_AT);
  image.set([0xea, 0x00, 0x00, 0x00, 0xf0], RESET); // jmp 0xf000:0
  return image;
}

/** Asks a port for the number of rounds until it is not 0. */
export function v86Rom(loop: Uint8Array): Uint8Array {
  const asking = [
    ...[0xba, ...word(V86_CONTROL)], // mov dx, CONTROL
    ...[0x66, 0xed, 0x66, 0x85, 0xc0], // in eax, dx; test eax, eax
    ...[0x74, 0xf9], // jz the in
    ...[0x66, 0x89, 0xc5], // mov ebp, eax
  ];
  return rom([...copyLoop(loop.length), ...runLoop(asking, BENCH_PORT)], loop);
}

/** FS at the device's memory, which is beyond what real mode reaches: by way of protected mode. */
function highFs(at: number): { code: number[]; table: number[] } {
  const gdt = 0xf0000 + at;
  const code = [
    ...[0x2e, 0x66, 0x0f, 0x01, 0x16, ...word(at + 16)], // lgdt cs:[at + 16]
    ...[0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0], // mov eax, cr0; or al, 1; mov cr0, eax
    ...[0xbb, 0x08, 0x00, 0x8e, 0xe3], // mov bx, 8; mov fs, bx
    ...[0x24, 0xfe, 0x0f, 0x22, 0xc0], // and al, 0xfe; mov cr0, eax
  ];
  const high = QEMU_DEVICE >>> 16;
  const table = [
    ...[0, 0, 0, 0, 0, 0, 0, 0],
    ...[0xff, 0xff, ...word(QEMU_DEVICE), high & 0xff, 0x93, 0x00, high >>> 8],
    ...[...word(15), ...word(gdt), ...word(gdt >>> 16)],
  ];
  return { code, table };
}

/** Sleeps until the serial port has four bytes, the number of rounds; sends a byte before it sleeps. */
export function qemuRom(loop: Uint8Array): Uint8Array {
  const [TABLE, HANDLER] = [0x800, 0x900];
  const fs = highFs(TABLE);
  const vector = 4 * (8 + SERIAL_IRQ);
  const setUp = [
    ...copyLoop(loop.length),
    ...fs.code,
    ...[0xc7, 0x06, ...word(vector), ...word(HANDLER)], // mov word [vector], HANDLER
    ...[0xc7, 0x06, ...word(vector + 2), ...word(0xf000)], // mov word [vector + 2], 0xf000
    // The interrupt controller: edges, vectors from 8, no interrupt but the serial port's.
    ...[...out(0x20, 0x11), ...out(0x21, 8), ...out(0x21, 4), ...out(0x21, 1)],
    ...out(0x21, 0xff & ~(1 << SERIAL_IRQ)),
    // The serial port: an interrupt when there is a byte, lines up.
    ...[...out(SERIAL + 1, 0x01), ...out(SERIAL + 4, 0x0b)],
  ];
  const receive = [
    ...[0xba, ...word(SERIAL + 5)], // mov dx, line status
    ...[0xec, 0xa8, 0x01], // in al, dx; test al, 1
    ...[0x75, 0x05], // jnz over the next three
    ...[0xfb, 0xf4, 0xfa], // sti; hlt; cli
    ...[0xeb, 0xf6], // jmp to the in
    ...[0xba, ...word(SERIAL), 0xec], // mov dx, data; in al, dx
    ...[0x66, 0xc1, 0xc8, 0x08], // ror eax, 8: after four bytes they are in order
  ];
  const asking = [
    ...out(SERIAL, 0x52), // 'R'
    ...Array.from({ length: 4 }, () => receive).flat(),
    ...[0x66, 0x89, 0xc5], // mov ebp, eax
  ];
  const image = rom([...setUp, ...runLoop(asking, QEMU_PORT)], loop);
  image.set(fs.table, TABLE);
  // push ax; mov al, 0x20; out 0x20, al; pop ax; iret
  image.set([0x50, 0xb0, 0x20, 0xe6, 0x20, 0x58, 0xcf], HANDLER);
  return image;
}
