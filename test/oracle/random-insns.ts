// SPDX-License-Identifier: GPL-2.0-only
// Instructions of a 386 at random, with every prefix and addressing mode they can have: what the host's processor can
// execute as a part of a process, in 16-bit segments of 64 KiB.
import type { Random } from '../../src/util/random.ts';

export interface RandomInsn {
  readonly bytes: readonly number[];
  /** `0fba.5`: opcode, and the register field if that is a part of it. */
  readonly name: string;
  readonly string: boolean;
  /** Flags that the manual leaves undefined. */
  readonly undefinedFlags: number;
}

const CF = 1;
const PF = 4;
const AF = 0x10;
const ZF = 0x40;
const SF = 0x80;
const OF = 0x800;

interface Shape {
  readonly opcode: number;
  readonly modrm?: boolean;
  /** Register field of ModRM: which are operations. */
  readonly extensions?: readonly number[];
  /** Immediate bytes: a number, or `v`: of the operand size. */
  readonly immediate?: number | 'v' | 'address';
  readonly string?: boolean;
  readonly undefined?: number;
  /** Only by some values of the register field. */
  readonly undefinedOf?: Readonly<Record<number, number>>;
  readonly immediateOf?: Readonly<Record<number, number | 'v'>>;
  /** Its destination may be locked, if that is memory. */
  readonly lock?: boolean;
  /** Its immediate is a count; the result of a greater one is undefined. */
  readonly atMost16?: boolean;
  /** ENTER: more than one level copies frames, which a processor of today does otherwise where they overlap. */
  readonly fewFrames?: boolean;
  /** Memory only: as a register it is another instruction. */
  readonly memory?: boolean;
}

const SHIFTS = { undefined: AF | OF };
const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);
const each = (opcodes: readonly number[], shape: Omit<Shape, 'opcode'>): Shape[] =>
  opcodes.map((opcode) => ({ opcode, ...shape }));

/** AND, OR, XOR leave AF undefined. */
const logic = (operation: number): number => ([1, 4, 6].includes(operation) ? AF : 0);

const SHAPES: readonly Shape[] = [
  ...range(0, 7).flatMap((n): Shape[] => [
    ...each([8 * n, 8 * n + 1], { modrm: true, lock: n !== 7, undefined: logic(n) }),
    ...each([8 * n + 2, 8 * n + 3], { modrm: true, undefined: logic(n) }),
    { opcode: 8 * n + 4, immediate: 1, undefined: logic(n) },
    { opcode: 8 * n + 5, immediate: 'v', undefined: logic(n) },
  ]),
  ...each([0x27, 0x2f], { undefined: OF }),
  ...each([0x37, 0x3f], { undefined: OF | SF | ZF | PF }),
  ...each(range(0x40, 0x61), {}),
  { opcode: 0x62, modrm: true, memory: true },
  { opcode: 0x68, immediate: 'v' },
  { opcode: 0x69, modrm: true, immediate: 'v', undefined: SF | ZF | AF | PF },
  { opcode: 0x6a, immediate: 1 },
  { opcode: 0x6b, modrm: true, immediate: 1, undefined: SF | ZF | AF | PF },
  ...each(range(0x70, 0x7f), { immediate: 1 }),
  ...[0x80, 0x81, 0x83].map(
    (opcode): Shape => ({
      opcode,
      modrm: true,
      lock: true,
      extensions: range(0, 7),
      immediate: opcode === 0x81 ? 'v' : 1,
      undefinedOf: { 1: AF, 4: AF, 6: AF },
    }),
  ),
  ...each([0x84, 0x85], { modrm: true, undefined: AF }),
  ...each([0x86, 0x87], { modrm: true, lock: true }),
  ...each([0x88, 0x89, 0x8a, 0x8b, 0x8d], { modrm: true }),
  { opcode: 0x8f, modrm: true, extensions: [0] },
  ...each([...range(0x90, 0x99), 0x9e, 0x9f], {}),
  ...each([0xa0, 0xa1, 0xa2, 0xa3], { immediate: 'address' }),
  ...each([0xa4, 0xa5, 0xa6, 0xa7, ...range(0xaa, 0xaf)], { string: true }),
  { opcode: 0xa8, immediate: 1, undefined: AF },
  { opcode: 0xa9, immediate: 'v', undefined: AF },
  ...each(range(0xb0, 0xb7), { immediate: 1 }),
  ...each(range(0xb8, 0xbf), { immediate: 'v' }),
  ...each([0xc0, 0xc1], {
    modrm: true,
    extensions: [0, 1, 2, 3, 4, 5, 7],
    immediate: 1,
    ...SHIFTS,
  }),
  ...each([0xd0, 0xd1], { modrm: true, extensions: [0, 1, 2, 3, 4, 5, 7], undefined: AF }),
  ...each([0xd2, 0xd3], { modrm: true, extensions: [0, 1, 2, 3, 4, 5, 7], ...SHIFTS }),
  { opcode: 0xc2, immediate: 2 },
  { opcode: 0xc3 },
  { opcode: 0xc6, modrm: true, extensions: [0], immediate: 1 },
  { opcode: 0xc7, modrm: true, extensions: [0], immediate: 'v' },
  { opcode: 0xc8, immediate: 3, fewFrames: true },
  { opcode: 0xc9 },
  { opcode: 0xd4, immediate: 1, undefined: OF | AF | CF },
  { opcode: 0xd5, immediate: 1, undefined: OF | AF | CF },
  { opcode: 0xd7 },
  ...each(range(0xe0, 0xe3), { immediate: 1 }),
  ...each([0xe8, 0xe9], { immediate: 'v' }),
  { opcode: 0xeb, immediate: 1 },
  ...each([0xf5, 0xf8, 0xf9, 0xfc, 0xfd], {}),
  ...[0xf6, 0xf7].map((opcode): Shape => {
    const all = CF | PF | AF | ZF | SF | OF;
    const size = opcode === 0xf6 ? 1 : ('v' as const);
    return {
      opcode,
      modrm: true,
      extensions: range(0, 7),
      immediateOf: { 0: size, 1: size },
      undefinedOf: { 0: AF, 1: AF, 4: SF | ZF | AF | PF, 5: SF | ZF | AF | PF, 6: all, 7: all },
    };
  }),
  { opcode: 0xfe, modrm: true, extensions: [0, 1], lock: true },
  { opcode: 0xff, modrm: true, extensions: [0, 1, 2, 4, 6] },
  ...each(range(0x0f80, 0x0f8f), { immediate: 'v' }),
  ...each(range(0x0f90, 0x0f9f), { modrm: true }),
  { opcode: 0x0fa3, modrm: true, undefined: OF | SF | AF | PF },
  ...each([0x0fab, 0x0fb3, 0x0fbb], { modrm: true, lock: true, undefined: OF | SF | AF | PF }),
  ...each([0x0fa4, 0x0fac], { modrm: true, immediate: 1, atMost16: true, ...SHIFTS }),
  { opcode: 0x0faf, modrm: true, undefined: SF | ZF | AF | PF },
  ...each([0x0fb6, 0x0fb7, 0x0fbe, 0x0fbf], { modrm: true }),
  {
    opcode: 0x0fba,
    modrm: true,
    lock: true,
    extensions: [4, 5, 6, 7],
    immediate: 1,
    undefined: OF | SF | AF | PF,
  },
  ...each([0x0fbc, 0x0fbd], { modrm: true, undefined: CF | OF | SF | AF | PF }),
];

/** Of single bytes with these values, all else at random. */
const INTERESTING = [0, 1, 2, 3, 4, 7, 8, 0xf, 0x10, 0x1f, 0x20, 0x21, 0x7f, 0x80, 0xfe, 0xff];
const DATA_PREFIXES = [0x26, 0x36, 0x3e];
const CS_PREFIX = 0x2e;

function byte(random: Random): number {
  if (random.below(2) === 0) return INTERESTING[random.below(INTERESTING.length)] as number;
  return random.below(256);
}
const bytes = (random: Random, count: number): number[] =>
  Array.from({ length: count }, () => byte(random));

/** ModRM with whatever follows it. */
function operand(random: Random, field: number, memory: boolean, address32: boolean): number[] {
  const mod = random.below(memory ? 3 : 4);
  const rm = random.below(8);
  const modrm = (mod << 6) | (field << 3) | rm;
  if (mod === 3) return [modrm];
  if (!address32) {
    const size = mod === 0 ? (rm === 6 ? 2 : 0) : mod;
    return [modrm, ...bytes(random, size)];
  }
  const sib = rm === 4 ? [random.below(256)] : [];
  const absolute = mod === 0 && (rm === 5 || (rm === 4 && ((sib[0] ?? 0) & 7) === 5));
  // Most addresses are to be within 64 KiB.
  const far = random.below(8) === 0;
  const wide = [...bytes(random, 2), ...(far ? bytes(random, 2) : [0, 0])];
  return [modrm, ...sib, ...(absolute || mod === 2 ? wide : mod === 1 ? bytes(random, 1) : [])];
}

/**
 * One instruction. The same ones for the same `random`.
 * @param throughCs - some of its operands are in the code segment
 */
export function randomInsn(random: Random, bits: 16 | 32, throughCs = false): RandomInsn {
  const named = throughCs ? [...DATA_PREFIXES, CS_PREFIX] : DATA_PREFIXES;
  const shape = SHAPES[random.below(SHAPES.length)] as Shape;
  const { opcode, extensions } = shape;
  const operandPrefix = random.below(3) === 0;
  const addressPrefix = random.below(3) === 0;
  const wide = operandPrefix !== (bits === 32);
  const address32 = addressPrefix !== (bits === 32);
  const prefixes: number[] = [];
  if (random.below(4) === 0) prefixes.push(random.pick(named));
  if (operandPrefix) prefixes.push(0x66);
  if (addressPrefix) prefixes.push(0x67);
  if (shape.string === true && random.below(3) !== 0) prefixes.push(0xf2 + random.below(2));
  else if (random.below(16) === 0) prefixes.push(0xf0);
  for (let i = prefixes.length - 1; i > 0; i--) {
    const k = random.below(i + 1);
    [prefixes[i], prefixes[k]] = [prefixes[k] as number, prefixes[i] as number];
  }
  const field =
    extensions === undefined
      ? random.below(8)
      : (extensions[random.below(extensions.length)] as number);
  const extension = extensions === undefined ? -1 : field;
  const immediate = shape.immediateOf?.[extension] ?? shape.immediate ?? 0;
  const count =
    immediate === 'v' ? (wide ? 4 : 2) : immediate === 'address' ? (address32 ? 4 : 2) : immediate;
  const value = bytes(random, count);
  if (shape.atMost16 === true) value[0] = random.below(17);
  if (shape.fewFrames === true) value[2] = random.below(2);
  if (immediate === 'address' && address32 && random.below(8) > 0) value[2] = value[3] = 0;
  return {
    bytes: [
      ...prefixes,
      ...(opcode > 0xff ? [0x0f, opcode & 0xff] : [opcode]),
      ...(shape.modrm === true ? operand(random, field, shape.memory === true, address32) : []),
      ...value,
    ],
    name: `${opcode.toString(16).padStart(opcode > 0xff ? 4 : 2, '0')}${extension < 0 ? '' : `.${extension}`}`,
    string: shape.string === true,
    undefinedFlags: shape.undefinedOf?.[extension] ?? shape.undefined ?? 0,
  };
}
