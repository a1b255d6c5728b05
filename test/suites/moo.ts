// SPDX-License-Identifier: GPL-2.0-only
// Reader of MOO, the container of the single-instruction tests: chunks of a four-letter name, a length and data.

/** Registers of a test of a 16-bit processor, in the order of the bits that say which are present. */
const REGISTERS_16 = [
  'ax',
  'bx',
  'cx',
  'dx',
  'cs',
  'ss',
  'ds',
  'es',
  'sp',
  'bp',
  'si',
  'di',
  'ip',
  'flags',
] as const;
/** The same of a 386; EAX is `ax` and so on. */
const REGISTERS_32 = [
  'cr0',
  'cr3',
  'ax',
  'bx',
  'cx',
  'dx',
  'si',
  'di',
  'bp',
  'sp',
  'cs',
  'ds',
  'es',
  'fs',
  'gs',
  'ss',
  'ip',
  'flags',
  'dr6',
  'dr7',
] as const;
export type RegisterName = (typeof REGISTERS_16)[number] | (typeof REGISTERS_32)[number];
export type RegisterValues = Readonly<Partial<Record<RegisterName, number>>>;
const SELECTORS: readonly RegisterName[] = ['cs', 'ds', 'es', 'fs', 'gs', 'ss'];

/** Registers and memory; `ram` holds address and value in turn. */
export interface MooState {
  regs: RegisterValues;
  ram: readonly number[];
  /** Bits of registers that are defined; all others are. */
  masks?: RegisterValues;
}

/** One clock of the bus. `status`: see bus.ts; `tState`: 1 is where an access begins. */
export interface MooCycle {
  pins: number;
  address: number;
  data: number;
  status: number;
  tState: number;
}

export interface MooTest {
  /** Of the file: `C286`, `386E`. */
  cpu: string;
  index: number;
  name: string;
  /** The instruction with its prefixes, and the HLT behind it. */
  bytes: Uint8Array;
  initial: MooState;
  final: MooState;
  cycles: readonly MooCycle[];
  /** An exception or software interrupt: its vector, and where its flags were pushed. */
  exception: { vector: number; flagsAt: number } | null;
  /** SHA-1 that identifies the test, in hexadecimal. */
  hash: string;
}

const CYCLE_BYTES = 15;

/** Calls `chunk` for each chunk in order. @throws RangeError if one ends behind the data */
function eachChunk(data: Buffer, chunk: (name: string, body: Buffer) => void): void {
  for (let at = 0; at < data.length; ) {
    if (at + 8 > data.length) throw new RangeError(`MOO: half a chunk header at ${at}`);
    const name = data.toString('latin1', at, at + 4);
    const end = at + 8 + data.readUInt32LE(at + 4);
    if (end > data.length) throw new RangeError(`MOO: chunk ${name} at ${at} ends behind the data`);
    chunk(name, data.subarray(at + 8, end));
    at = end;
  }
}

/** The registers of one of the chunks REGS, RMSK, RG32, RM32. */
function registersOf(name: string, body: Buffer): RegisterValues {
  const wide = name === 'RG32' || name === 'RM32';
  const size = wide ? 4 : 2;
  const present = body.readUIntLE(0, size);
  const regs: Partial<Record<RegisterName, number>> = {};
  let at = size;
  (wide ? REGISTERS_32 : REGISTERS_16).forEach((register, bit) => {
    if (((present >>> bit) & 1) === 0) return;
    const value = body.readUIntLE(at, size);
    regs[register] = SELECTORS.includes(register) ? value & 0xffff : value;
    at += size;
  });
  if (at !== body.length) throw new RangeError(`MOO: ${name} of another length than its bits say`);
  return regs;
}

function stateOf(data: Buffer): MooState {
  let regs: RegisterValues = {};
  let masks: RegisterValues | undefined;
  const ram: number[] = [];
  eachChunk(data, (name, body) => {
    if (name === 'REGS' || name === 'RG32') regs = registersOf(name, body);
    else if (name === 'RMSK' || name === 'RM32') masks = registersOf(name, body);
    else if (name === 'RAM ') {
      const count = body.readUInt32LE(0);
      if (body.length !== 4 + 5 * count) throw new RangeError('MOO: RAM of a wrong length');
      for (let i = 0; i < count; i++) {
        ram.push(body.readUInt32LE(4 + 5 * i), body.readUInt8(8 + 5 * i));
      }
    }
  });
  return masks === undefined ? { regs, ram } : { regs, ram, masks };
}

function cyclesOf(body: Buffer): MooCycle[] {
  const count = body.readUInt32LE(0);
  if (body.length !== 4 + CYCLE_BYTES * count) throw new RangeError('MOO: CYCL of a wrong length');
  return Array.from({ length: count }, (_, i) => {
    const at = 4 + CYCLE_BYTES * i;
    return {
      pins: body.readUInt8(at),
      address: body.readUInt32LE(at + 1),
      data: body.readUInt16LE(at + 9),
      status: body.readUInt8(at + 11),
      tState: body.readUInt8(at + 12),
    };
  });
}

function counted(body: Buffer): Buffer {
  const length = body.readUInt32LE(0);
  if (body.length !== 4 + length) throw new RangeError('MOO: text of a wrong length');
  return body.subarray(4);
}

function testOf(cpu: string, body: Buffer): MooTest {
  const empty: MooState = { regs: {}, ram: [] };
  const test: MooTest = {
    cpu,
    index: body.readUInt32LE(0),
    name: '',
    bytes: new Uint8Array(),
    initial: empty,
    final: empty,
    cycles: [],
    exception: null,
    hash: '',
  };
  const seen = new Set<string>();
  eachChunk(body.subarray(4), (name, data) => {
    seen.add(name);
    if (name === 'NAME') test.name = counted(data).toString('latin1');
    else if (name === 'BYTS') test.bytes = counted(data);
    else if (name === 'INIT') test.initial = stateOf(data);
    else if (name === 'FINA') test.final = stateOf(data);
    else if (name === 'CYCL') test.cycles = cyclesOf(data);
    else if (name === 'HASH') test.hash = data.toString('hex');
    else if (name === 'EXCP') {
      test.exception = { vector: data.readUInt8(0), flagsAt: data.readUInt32LE(1) };
    }
  });
  for (const name of ['INIT', 'FINA', 'CYCL', 'HASH']) {
    if (!seen.has(name)) throw new RangeError(`MOO: test ${test.index} has no ${name}`);
  }
  return test;
}

/**
 * The tests of an unpacked file, in its order.
 * @throws RangeError for anything that is not such a file, or one that holds fewer tests than it says
 */
export function readMoo(data: Buffer): MooTest[] {
  if (data.toString('latin1', 0, 4) !== 'MOO ') throw new RangeError('MOO: no such file');
  const tests: MooTest[] = [];
  let announced = -1;
  let cpu = '';
  let masks: RegisterValues | undefined;
  eachChunk(data, (name, body) => {
    if (name === 'MOO ') {
      announced = body.readUInt32LE(4);
      cpu = body.toString('latin1', 8, 12).trim();
    } else if (name === 'RMSK' || name === 'RM32') masks = registersOf(name, body);
    else if (name === 'TEST') tests.push(testOf(cpu, body));
  });
  // Of the file for every test, and of a test for itself.
  if (masks !== undefined)
    for (const { final } of tests) final.masks = { ...masks, ...final.masks };
  if (tests.length !== announced) {
    throw new RangeError(`MOO: ${tests.length} tests where ${announced} were announced`);
  }
  return tests;
}
