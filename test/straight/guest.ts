// SPDX-License-Identifier: GPL-2.0-only
// Random real-mode programs full of I/O: an endless loop that faults into nothing and leaves its own code alone.
import type { Random } from '../../src/util/random.ts';

type Piece = readonly [text: string, bytes: (random: Random) => number[]];

const port = (random: Random): number => 0x220 + random.below(18);

/** Offset in device memory: mostly one of few registers, now and then at the end of a page, or behind the device. */
const register = (random: Random): [number, number] => {
  const at = random.below(12) === 0 ? 0xffd + random.below(8) : random.below(32);
  return [at & 0xff, at >> 8];
};

/** MOV CX, mostly small: a device does something odd once in a while, and then the run soon ends. */
const count = (random: Random): number[] => {
  const n = random.below(random.below(8) === 0 ? 300 : 8);
  return [0xb9, n & 0xff, n >> 8];
};
/** Mostly one of few places, now and then at the end of a page. */
const buffer = (random: Random): [number, number] => {
  const at = random.below(6) === 0 ? 0x2ff0 + random.below(32) : 0x2000 + 0x200 * random.below(4);
  return [at & 0xff, at >> 8];
};

/** Every kind of piece a program is made of. */
export const PIECES: readonly Piece[] = [
  ['in al, dx', () => [0xec]],
  ['in ax, dx', () => [0xed]],
  ['in eax, dx', () => [0x66, 0xed]],
  ['out dx, al', () => [0xee]],
  ['out dx, ax', () => [0xef]],
  ['out dx, eax', () => [0x66, 0xef]],
  ['in al, 0x80', () => [0xe4, 0x80]],
  ['mov dx, port', (random) => [0xba, port(random) & 0xff, port(random) >> 8]],
  ['mov dx, 0xcf8', () => [0xba, 0xf8, 0x0c]],
  ['mov dx, 0xcfc', () => [0xba, 0xfc, 0x0c]],
  [
    'or eax, 0x80000000; mov dx, 0xcf8; out dx, eax',
    () => [0x66, 0x0d, 0, 0, 0, 0x80, 0xba, 0xf8, 0x0c, 0x66, 0xef],
  ],
  ['add eax, ecx', () => [0x66, 0x01, 0xc8]],
  ['rol eax, 5', () => [0x66, 0xc1, 0xc0, 0x05]],
  ['inc cx', () => [0x41]],
  ['mov [bx], ax', () => [0x89, 0x07]],
  ['mov ax, [bx+2]', () => [0x8b, 0x47, 0x02]],
  ['sti; nop; cli', () => [0xfb, 0x90, 0xfa]],
  ['rep insb, few', () => [0xb9, 3, 0, 0xbf, 0x00, 0x20, 0xf3, 0x6c]],
  ['rep outsw, few', () => [0xb9, 3, 0, 0xbe, 0x00, 0x20, 0xf3, 0x6f]],
  // cx: 0 to 299; di or si: somewhere in 0x2000 to 0x3fff
  ['rep insb', (random) => [...count(random), 0xbf, ...buffer(random), 0xf3, 0x6c]],
  ['rep insd', (random) => [...count(random), 0xbf, ...buffer(random), 0xf3, 0x66, 0x6d]],
  ['rep outsb', (random) => [...count(random), 0xbe, ...buffer(random), 0xf3, 0x6e]],
  ['rep outsw', (random) => [...count(random), 0xbe, ...buffer(random), 0x2e, 0xf3, 0x6f]],
  [
    'movzx ecx, cx; movzx edi, di; rep insw by 32-bit addresses',
    (random) => [
      ...count(random),
      ...[0xbf, ...buffer(random)],
      ...[0x66, 0x0f, 0xb7, 0xc9, 0x66, 0x0f, 0xb7, 0xff],
      ...[0xf3, 0x67, 0x6d],
    ],
  ],
  [
    'std; rep insb; cld',
    (random) => [0xfd, ...count(random), 0xbf, ...buffer(random), 0xf3, 0x6c, 0xfc],
  ],
  ['rep insb up to the end of the segment', () => [0xb9, 9, 0, 0xbf, 0xfa, 0xff, 0xf3, 0x6c]],
  ['insb; outsb', (random) => [0xbf, ...buffer(random), 0x6c, 0xbe, ...buffer(random), 0x6e]],
  [
    'rep insb over code',
    () => [0xb9, 1, 1, 0xbf, 0x00, 0x05, 0xf3, 0x6c, 0xc6, 0x06, 0x00, 0x06, 0xcf],
  ],
  ['mov eax, fs:[r]', (random) => [0x64, 0x66, 0xa1, ...register(random)]],
  ['mov al, fs:[r]', (random) => [0x64, 0xa0, ...register(random)]],
  ['mov cx, fs:[r]', (random) => [0x64, 0x8b, 0x0e, ...register(random)]],
  ['movzx eax, byte fs:[r]', (random) => [0x64, 0x66, 0x0f, 0xb6, 0x06, ...register(random)]],
  ['movsx ecx, word fs:[r]', (random) => [0x64, 0x66, 0x0f, 0xbf, 0x0e, ...register(random)]],
  ['mov fs:[r], eax', (random) => [0x64, 0x66, 0xa3, ...register(random)]],
  ['mov fs:[r], cl', (random) => [0x64, 0x88, 0x0e, ...register(random)]],
  ['mov byte fs:[r], 5', (random) => [0x64, 0xc6, 0x06, ...register(random), 5]],
  ['add fs:[r], ax', (random) => [0x64, 0x01, 0x06, ...register(random)]],
  ['xchg fs:[r], ax', (random) => [0x64, 0x87, 0x06, ...register(random)]],
  ['push word fs:[r]; pop ax', (random) => [0x64, 0xff, 0x36, ...register(random), 0x58]],
  // The same access again, with the same data and with other data.
  ['in eax, dx three times', () => [0x66, 0xed, 0x66, 0xed, 0x66, 0xed]],
  ['out dx, ax; inc ax; out dx, ax; inc ax; out dx, ax', () => [0xef, 0x40, 0xef, 0x40, 0xef]],
  ['in eax, dx twelve times', () => Array.from({ length: 12 }, () => [0x66, 0xed]).flat()],
  // Without a look at interrupts in between, which LOOP has.
  ['mov cx, 40; in al, dx; dec cx; jnz', () => [0xb9, 40, 0, 0xec, 0x49, 0x75, 0xfc]],
  [
    'mov cx, 40; out dx, eax; inc eax; dec cx; jnz',
    () => [0xb9, 40, 0, 0x66, 0xef, 0x66, 0x40, 0x49, 0x75, 0xf9],
  ],
  [
    'mov cx, 30; mov eax, fs:[r]; dec cx; jnz',
    (random) => [0xb9, 30, 0, 0x64, 0x66, 0xa1, ...register(random), 0x49, 0x75, 0xf8],
  ],
  [
    'mov cx, 30; mov fs:[r], ax; inc ax; dec cx; jnz',
    (random) => [0xb9, 30, 0, 0x64, 0xa3, ...register(random), 0x40, 0x49, 0x75, 0xf8],
  ],
  ['mov cx, 5; in al, dx; loop', () => [0xb9, 5, 0, 0xec, 0xe2, 0xfd]],
  [
    'mov eax, fs:[r] twice',
    (random) => {
      const read = [0x64, 0x66, 0xa1, ...register(random)];
      return [...read, ...read];
    },
  ],
  [
    'mov fs:[r], eax; inc ax; mov fs:[r], eax',
    (random) => {
      const write = [0x64, 0x66, 0xa3, ...register(random)];
      return [...write, 0x40, ...write];
    },
  ],
  ['stc; adc ax, bx', () => [0xf9, 0x11, 0xd8]],
];

/** cld; bx = 0x1000; fs: the device's memory; interrupt vectors 0 to 31 lead to IRETs; then `count` pieces, for ever. */
export function loopOf(random: Random, count: number): Uint8Array {
  const prologue = [
    ...[0xfc, 0xbb, 0x00, 0x10], // cld; mov bx, 0x1000
    ...[0xc6, 0x06, 0x00, 0x06, 0xcf], // mov byte [0x600], 0xcf (iret)
    ...[0x31, 0xff, 0xb9, 0x20, 0x00], // xor di, di; mov cx, 32
    ...[0xc7, 0x05, 0x00, 0x06], // mov word [di], 0x600
    ...[0xc7, 0x45, 0x02, 0x00, 0x00], // mov word [di+2], 0
    ...[0x83, 0xc7, 0x04, 0xe2, 0xf2], // add di, 4; loop back
    ...[0xb8, 0x00, 0xd2, 0x8e, 0xe0], // mov ax, 0xd200; mov fs, ax
  ];
  const body = Array.from({ length: count }, () => random.pick(PIECES)[1](random)).flat();
  const back = -(body.length + 3) & 0xffff;
  return Uint8Array.from([...prologue, ...body, 0xe9, back & 0xff, back >>> 8]);
}
