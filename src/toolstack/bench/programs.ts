// SPDX-License-Identifier: GPL-2.0-only
// The guest programs that are measured: endless loops in real mode, as bytes with their disassembly.
import type { LoadedGuest } from '../../machine/loaded-guest.ts';

export const BENCH_LOAD = 0x7c00;
export const BENCH_STACK = 0x7000;
/** Buffers and code never share a page: stores into translated code would be measured instead. */
const MEMORY = 0x100000;
/** Where `blank` sits. */
export const BENCH_PORT = 0x220;
export const BENCH_PORTS = 8;
export const BENCH_MMIO = 0xd2000;
export const BENCH_MMIO_BYTES = 0x1000;
/** Another `blank` in memory, whose fifth byte is where a segment begins. */
export const BENCH_STAYING = 0xd400c;
/** Offset in `blank` from which on the guest need not be left. */
const STAYING = 4;

/** One endless loop. Every repetition of a REP counts as one instruction, and so does its end. */
export interface Program {
  readonly name: string;
  /** What is counted, for messages. */
  readonly unit: 'access' | 'byte' | 'instruction';
  readonly code: Uint8Array;
  /** Instructions of one round of the loop. */
  readonly roundInsns: number;
  /** Units of one round of the loop. */
  readonly roundUnits: number;
  /** What is in DX here, if not BENCH_PORT. */
  readonly port?: number;
}

/** DX comes from the entry registers: the port. BX and FS: a buffer and the device's memory; null: FS is set already. */
function prologue(fs: number | null): number[] {
  const segment = [
    ...[0xb8, (fs ?? 0) & 0xff, (fs ?? 0) >>> 8], // mov ax, fs
    ...[0x8e, 0xe0], // mov fs, ax
  ];
  return [
    ...[0xfc], // cld
    ...[0xbb, 0x00, 0x10], // mov bx, 0x1000
    ...(fs === null ? [] : segment),
  ];
}
const PROLOGUE = prologue(BENCH_MMIO >>> 4);
/** In it. */
const FS_AT = 5;
/** JMP rel16. */
const JUMP_BYTES = 3;

function repeat(bytes: readonly number[], times: number): number[] {
  return Array.from({ length: times }, () => bytes).flat();
}

/** The prologue, then `body` for ever. */
function loop(body: readonly number[]): Uint8Array {
  const back = -(body.length + JUMP_BYTES) & 0xffff;
  return Uint8Array.from([...PROLOGUE, ...body, 0xe9, back & 0xff, back >>> 8]);
}

/** A loop that counts its rounds down in EBP: what the peers run, and we beside them. */
export interface CountedProgram extends Program {
  /** For another monitor: ends with RETF when EBP is 0. `fs` is loaded into FS; null: FS is left alone. */
  codeFor(fs: number | null): Uint8Array;
  /** Accesses of a device in one round. */
  readonly roundAccesses: number;
}

/** `program` with DEC EBP and JNZ in place of its JMP; here it goes on for ever all the same. */
export function counted(program: Program): CountedProgram {
  const body = program.code.subarray(PROLOGUE.length, -JUMP_BYTES);
  // dec ebp; jnz near
  const size = body.length + 2 + 4;
  const rounds = [...body, 0x66, 0x4d, 0x0f, 0x85, -size & 0xff, (-size >> 8) & 0xff];
  const again = -(size + JUMP_BYTES) & 0xffff;
  const isLoop = program.unit === 'instruction';
  const roundInsns = program.roundInsns + 1;
  return {
    ...program,
    code: Uint8Array.from([
      ...program.code.subarray(0, PROLOGUE.length),
      ...rounds,
      ...[0xe9, again & 0xff, again >>> 8],
    ]),
    roundInsns,
    roundUnits: isLoop ? roundInsns : program.roundUnits,
    roundAccesses: isLoop ? 0 : program.roundUnits,
    codeFor: (fs) => Uint8Array.from([...prologue(fs), ...rounds, 0xcb]),
  };
}

/** `times` times one instruction that is an access of a device. */
function accesses(name: string, insn: readonly number[]): Program {
  const times = 64;
  const code = loop(repeat(insn, times));
  return { name, unit: 'access', code, roundInsns: times + 1, roundUnits: times };
}

/** `times` times a few instructions without I/O, then the jump back. */
function insns(name: string, body: readonly number[], count: number, times = 8): Program {
  const roundInsns = count * times + 1;
  const code = loop(repeat(body, times));
  return { name, unit: 'instruction', code, roundInsns, roundUnits: roundInsns };
}

/** One REP instruction over `count` elements after `setUp` (of `setUpInsns` instructions). */
function rep(
  name: string,
  unit: 'byte' | 'instruction',
  setUp: readonly number[],
  op: readonly number[],
  count: number,
): Program {
  const code = loop([0xb9, count & 0xff, count >>> 8, ...setUp, 0xf3, ...op]);
  // MOV CX, the set-up's MOVs of three bytes each, the repetitions, the look that ends them, JMP.
  const roundInsns = 1 + setUp.length / 3 + count + 1 + 1;
  return { name, unit, code, roundInsns, roundUnits: unit === 'byte' ? count : roundInsns };
}

/** The device accesses, 32 bits wide; INS and OUTS in bytes, 1024 to an instruction. */
export const ACCESS_PROGRAMS: readonly Program[] = [
  accesses('in', [0x66, 0xed]), // in eax, dx
  accesses('out', [0x66, 0xef]), // out dx, eax
  accesses('mmioRead', [0x64, 0x66, 0xa1, 0x00, 0x00]), // mov eax, [fs:0]
  accesses('mmioWrite', [0x64, 0x66, 0xa3, 0x00, 0x00]), // mov [fs:0], eax
  rep('insb', 'byte', [0xbf, 0x00, 0x20], [0x6c], 1024), // mov cx, 1024; mov di, 0x2000; rep insb
  rep('outsb', 'byte', [0xbe, 0x00, 0x20], [0x6e], 1024), // mov cx, 1024; mov si, 0x2000; rep outsb
];

/** Byte for byte `like`, where the guest need not be left: for peers it is the same. */
function staying(name: string, like: string): Program {
  const program = ACCESS_PROGRAMS.find((p) => p.name === like) as Program;
  const fs = (BENCH_STAYING + STAYING) >>> 4;
  const code = Uint8Array.from(program.code);
  code.set([fs & 0xff, fs >>> 8], FS_AT);
  return { ...program, name, code, port: BENCH_PORT + STAYING };
}

/** Accesses for which the guest need not be left: posted writes, and reads of a published register. */
export const STAYING_PROGRAMS: readonly Program[] = [
  staying('outPosted', 'out'),
  staying('inPublished', 'in'),
  staying('mmioWritePosted', 'mmioWrite'),
  staying('mmioReadPublished', 'mmioRead'),
];

const ALU = [
  ...[0x66, 0x01, 0xc8], // add eax, ecx
  ...[0x66, 0x31, 0xc6], // xor esi, eax
  ...[0x66, 0xc1, 0xc0, 0x05], // rol eax, 5
  ...[0x66, 0x41], // inc ecx
];

/** Loops without I/O. */
export const LOOP_PROGRAMS: readonly Program[] = [
  // Unrolled, this runs at the speed of its own chain of dependences, natively too.
  insns('alu', ALU, 4),
  // A jump every four instructions: what entering a translated block costs.
  insns('alu-short', ALU, 4, 1),
  insns(
    'store',
    [
      ...[0x89, 0x07], // mov [bx], ax
      ...[0x89, 0x4f, 0x02], // mov [bx+2], cx
      ...[0x66, 0x89, 0x47, 0x04], // mov [bx+4], eax
      ...[0x88, 0x47, 0x08], // mov [bx+8], al
    ],
    4,
  ),
  insns('push-pop', [0x50, 0x51, 0x5f, 0x5e], 4), // push ax; push cx; pop di; pop si
  // call +2; jmp +1; ret: calls the ret behind the jump, then jumps over it.
  insns('call-ret', [0xe8, 0x02, 0x00, 0xeb, 0x01, 0xc3], 3),
  rep('rep-stosb', 'instruction', [0xbf, 0x00, 0x20], [0xaa], 4096), // mov cx, 4096; mov di, 0x2000
  // mov cx, 1024; mov si, 0x2000; mov di, 0x4000; rep movsw
  rep('rep-movsw', 'instruction', [0xbe, 0x00, 0x20, 0xbf, 0x00, 0x40], [0xa5], 1024),
];

/** What runs between checkpoints: reads of a device, each stored to memory. */
export const CHECKPOINT_PROGRAM: Program = insns(
  'in-store',
  [0x66, 0xed, 0x66, 0x89, 0x07], // in eax, dx; mov [bx], eax
  2,
);

/** What runs before checkpoints with 16 dirty pages: a store to each of 16 pages from 0x20000 up, INC, JMP. */
export const PAGES_PROGRAM: Program = {
  name: 'touch-16',
  unit: 'instruction',
  code: pagesLoop(16),
  roundInsns: 18,
  roundUnits: 18,
};

/** mov ax, 0x2000; mov gs, ax; then for ever: mov gs:[page], ax for each page; inc ax. */
function pagesLoop(pages: number): Uint8Array {
  const stores = Array.from({ length: pages }, (_, i) => [0x65, 0xa3, 0x00, i << 4]).flat();
  const back = -(stores.length + 4) & 0xffff;
  const next = [0x40, 0xe9, back & 0xff, back >>> 8];
  return Uint8Array.from([0xb8, 0x00, 0x20, 0x8e, 0xe8, ...stores, ...next]);
}

/** `program` as a guest of 1 MiB. */
export function guestOf(program: Program): LoadedGuest {
  const at = { seg: 0, off: BENCH_LOAD };
  return {
    name: `bench-${program.name}`,
    path: '',
    format: 'flat',
    manifest: {
      name: `bench-${program.name}`,
      purpose: 'An endless loop for measuring.',
      format: 'flat',
      load: at,
      entry: at,
      memory: MEMORY,
      vcpus: 1,
      devices: [],
      limits: { maxInstructions: Number.MAX_SAFE_INTEGER },
      verdict: 'success',
      windows: [],
    },
    hasManifest: false,
    memoryBytes: MEMORY,
    pieces: [{ what: 'image', gpa: BENCH_LOAD, bytes: program.code, readOnly: false }],
    entry: {
      cs: 0,
      ip: BENCH_LOAD,
      ds: 0,
      es: 0,
      ss: 0,
      sp: BENCH_STACK,
      ax: 0,
      dx: program.port ?? BENCH_PORT,
      flags: 2,
    },
    blockBase: null,
    pc: null,
  };
}
