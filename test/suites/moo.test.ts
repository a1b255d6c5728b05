// SPDX-License-Identifier: GPL-2.0-only
// The reader, the comparison and the proofs of causes, with containers made here: no third-party data is needed.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ioOf } from './bus.ts';
import { type Cause, causesOf } from './causes.ts';
import { absence } from './data.ts';
import { type MooTest, readMoo } from './moo.ts';
import { SstCpu } from './sst-cpu.ts';
import { flagsMaskOf386 } from './sst-suite.ts';

const chunk = (name: string, ...body: Uint8Array[]): Buffer => {
  const data = Buffer.concat(body);
  const head = Buffer.from(`${name}0000`, 'latin1');
  head.writeUInt32LE(data.length, 4);
  return Buffer.concat([head, data]);
};
const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const words = (...values: number[]): Buffer => Buffer.from(Uint16Array.from(values).buffer);
const ram = (...cells: [number, number][]): Buffer =>
  chunk('RAM ', u32(cells.length), ...cells.flatMap(([at, v]) => [u32(at), Uint8Array.of(v)]));
const cycle = (pins: number, address: number, data: number, status: number, t: number): Buffer =>
  Buffer.concat([
    Uint8Array.of(pins),
    u32(address),
    Uint8Array.of(3, 0, 0, 0),
    words(data),
    Uint8Array.of(status, t, 0, 0),
  ]);

const CS = 0x1000;
const CODE = 0x10100;
/** ax bx cx dx cs ss ds es sp bp si di ip flags */
const REGS = [0x1200, 0, 0, 0, CS, 0x2000, 0x3000, 0x4000, 0x100, 0, 0, 0, 0x100, 0xf002];

/** IN AL,61h: FF comes back, on the upper half of the bus. */
function inAl(): Buffer {
  const code = [0xe4, 0x61, 0xf4];
  return Buffer.concat([
    u32(7),
    chunk('NAME', u32(9), Buffer.from('in al,61h')),
    chunk('BYTS', u32(3), Uint8Array.from(code)),
    chunk(
      'INIT',
      chunk('REGS', words(0x3fff, ...REGS)),
      ram(...code.map((byte, i): [number, number] => [CODE + i, byte])),
    ),
    chunk('FINA', chunk('REGS', words(0x1001, 0x12ff, 0x103)), ram()),
    chunk('CYCL', u32(2), cycle(13, 0x61, 0, 9, 1), cycle(12, 0, 0xff34, 15, 2)),
    chunk('HASH', Uint8Array.of(0xab)),
  ]);
}
const container = (tests: readonly Buffer[], announced = tests.length): Buffer =>
  Buffer.concat([
    chunk('MOO ', u32(1), u32(announced), Buffer.from('C286')),
    ...tests.map((test) => chunk('TEST', test)),
  ]);
const only = (): MooTest => readMoo(container([inAl()]))[0] as MooTest;

/** The same machine with other code, and what is behind it. */
function codeTest(code: readonly number[], change: Partial<MooTest> = {}, ip = 0x100): MooTest {
  const test = only();
  const initial = {
    regs: { ...test.initial.regs, ip },
    ram: code.flatMap((byte, i) => [CS * 16 + ip + i, byte]),
  };
  return { ...test, bytes: Uint8Array.from(code), initial, cycles: [], ...change };
}

describe('the reader', () => {
  it('reads every field', () => {
    const test = only();
    expect(test).toMatchObject({ index: 7, name: 'in al,61h', exception: null, hash: 'ab' });
    expect(test.initial.regs).toMatchObject({
      ax: 0x1200,
      cs: CS,
      di: 0,
      ip: 0x100,
      flags: 0xf002,
    });
    expect(test.initial.ram).toEqual([CODE, 0xe4, CODE + 1, 0x61, CODE + 2, 0xf4]);
    expect(test.final).toEqual({ regs: { ax: 0x12ff, ip: 0x103 }, ram: [] });
    expect(ioOf(test.cycles)).toEqual(['in 61.1=ff']);
  });
  it('knows byte and word cycles on even ports', () => {
    const rows = (pins: number): string[] =>
      ioOf([
        { pins, address: 0x60, data: 0, status: 10, tState: 1 },
        { pins, address: 0, data: 0xabcd, status: 15, tState: 2 },
      ]);
    expect([rows(15), rows(13)]).toEqual([['out 60.1=cd'], ['out 60.2=abcd']]);
  });
  it('takes two byte cycles from an odd port on for a word', () => {
    const rows = (first: number, second: number): string[] =>
      ioOf(
        [first, second].flatMap((address) => [
          { pins: (address & 1) === 0 ? 15 : 13, address, data: 0, status: 10, tState: 1 },
          { pins: 15, address: 0, data: 0xabcd, status: 15, tState: 2 },
        ]),
      );
    expect(rows(0x61, 0x62)).toEqual(['out 61.2=cdab']);
    expect(rows(0x62, 0x63)).toEqual(['out 62.1=cd', 'out 63.1=ab']);
    expect(rows(0x61, 0x61)).toEqual(['out 61.1=ab', 'out 61.1=ab']);
  });
  it('refuses what is cut short, not such a file, or incomplete', () => {
    const whole = container([inAl()]);
    expect(() => readMoo(whole.subarray(0, whole.length - 1))).toThrow(/ends behind the data/);
    expect(() => readMoo(Buffer.from('MZ'))).toThrow(/no such file/);
    expect(() => readMoo(container([inAl()], 2))).toThrow(/1 tests where 2/);
    expect(() => readMoo(container([u32(1)]))).toThrow(/no INIT/);
  });
});

describe('of a 386', () => {
  /** cr0 cr3 eax ebx ecx edx esi edi ebp esp cs ds es fs gs ss eip eflags dr6 dr7 */
  const REGS_32 = [
    0x7ffefff0,
    0,
    0x12345600,
    0,
    0,
    0,
    0,
    0,
    0,
    0xabcd0100,
    CS,
    0x3000,
    0x4000,
    0,
    0,
    0x2000,
    0x100,
    0xfffc0002,
    0,
    0,
  ];
  const dwords = (...values: number[]): Buffer => Buffer.concat(values.map(u32));
  const CODE_32 = [0xe4, 0x61, 0xf4];
  /** The same instruction; `mask`: of the flags. */
  const of386 = (eflags: number, mask?: number): Buffer =>
    Buffer.concat([
      chunk('MOO ', u32(1), u32(1), Buffer.from('386E')),
      ...(mask === undefined ? [] : [chunk('RM32', dwords(1 << 17, mask))]),
      chunk(
        'TEST',
        u32(0),
        chunk('BYTS', u32(3), Uint8Array.from(CODE_32)),
        chunk(
          'INIT',
          chunk('RG32', dwords(0xfffff, ...REGS_32)),
          ram(...CODE_32.map((byte, i): [number, number] => [CODE + i, byte])),
        ),
        chunk(
          'FINA',
          chunk('RG32', dwords((1 << 2) | (1 << 16) | (1 << 17), 0x123456ff, 0x103, eflags)),
          ram(),
        ),
        chunk('CYCL', u32(2), cycle(9, 0x61, 0, 2, 1), cycle(8, 0, 0xff34, 2, 2)),
        chunk('HASH', Uint8Array.of(0xcd)),
      ),
    ]);
  const differences = (file: Buffer): readonly string[] => {
    using cpu = new SstCpu();
    return cpu.run(readMoo(file)[0] as MooTest, 0xffff).differences;
  };

  it('reads registers of 32 bits, selectors of 16, and the ports of its bus', () => {
    const [test] = readMoo(of386(0xfffc0002));
    expect(test?.initial.regs).toMatchObject({
      ax: 0x12345600,
      sp: 0xabcd0100,
      cs: CS,
      ss: 0x2000,
    });
    expect(test?.final.regs).toEqual({ ax: 0x123456ff, ip: 0x103, flags: 0xfffc0002 });
    expect(differences(of386(0xfffc0002))).toEqual([]);
  });
  it('compares flags up to NT, but for those that a mask leaves out', () => {
    expect(differences(of386(0xfffc4003))).toEqual(['flags 2, not fffc4003']);
    expect(differences(of386(0xfffc0003, ~1 >>> 0))).toEqual([]);
  });
  it('takes undefined flags from the list of opcodes, whichever way they are said', () => {
    const folder = mkdtempSync(join(tmpdir(), 'trapline-suite-'));
    try {
      const rows = [
        'op,ex,mnemonic,f_umask',
        '21,,and,0010',
        '80,4,and,FFEF',
        '0FAF,,imul,00D4',
        '90,,nop,',
      ];
      writeFileSync(join(folder, '80386.csv'), rows.join('\n'));
      const masks = ['21', '6621', '676621', '6780.4', '80.5', '660FAF', '90'].map((file) =>
        flagsMaskOf386(folder, file).toString(16),
      );
      expect(masks).toEqual(['ffef', 'ffef', 'ffef', 'ffef', 'ffff', 'ff2b', 'ffff']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('the comparison', () => {
  const differences = (test: MooTest, mask = 0xffff): readonly string[] => {
    using cpu = new SstCpu();
    return cpu.run(test, mask).differences;
  };
  it('finds nothing where all is as recorded', () => expect(differences(only())).toEqual([]));
  it('finds a register, a flag, a cell, a store nobody recorded and a port access', () => {
    const test = only();
    const final = (regs: object, cells: number[] = []): MooTest => ({
      ...test,
      final: { regs: { ...test.final.regs, ...regs }, ram: cells },
    });
    expect(differences(final({ bx: 1 }))).toEqual(['bx 0, not 1']);
    expect(differences(final({ flags: 3 }))).toEqual(['flags 2, not 3']);
    expect(differences(final({ flags: 3 }), 0xfffe)).toEqual([]);
    expect(differences(final({}, [0x500, 9]))).toEqual(['[500] 0, not 9']);
    // MOV [1234h],AL with DS = 3000
    const store = codeTest([0xa2, 0x34, 0x12, 0xf4], { final: { regs: { ip: 0x104 }, ram: [] } });
    expect(
      differences({
        ...store,
        initial: { ...store.initial, regs: { ...store.initial.regs, ax: 5 } },
      }),
    ).toEqual(['[31234] 5, not 0']);
    expect(differences({ ...test, cycles: [] })).toEqual(['ports: in 61.1=ff, not none']);
  });
  it('leaves nothing behind for the next test', () => {
    using cpu = new SstCpu();
    const runaway = codeTest([0xeb, 0xfe]);
    expect(cpu.run(runaway, 0xffff).end).toBe('budget');
    expect(cpu.run(only(), 0xffff).differences).toEqual([]);
  });
});

describe('causes', () => {
  const causes = (test: MooTest): readonly Cause[] => {
    using cpu = new SstCpu();
    return causesOf(cpu, test, cpu.run(test, 0xffff), 0xffff);
  };
  // LOCK IN AL,61h
  const lock = (ax: number): MooTest =>
    codeTest([0xf0, 0xe4, 0x61, 0xf4], {
      cycles: only().cycles,
      final: { regs: { ax, ip: 0x104 }, ram: [] },
    });
  it('LOCK is one only if the test passes without it', () => {
    expect(causes(lock(0x12ff))).toEqual(['lock']);
    expect(causes(lock(0x1234))).toEqual(['lock', 'unexplained']);
  });
  /** The same, where the vector `at` leads to 0500:0000, where an HLT is, and pushes SP, CS and IP as recorded. */
  const faulted = (
    code: readonly number[],
    regs: MooTest['initial']['regs'],
    flags = 2,
  ): MooTest => {
    const test = codeTest(code);
    const { sp = 0 } = { ...test.initial.regs, ...regs };
    const at = (offset: number): number => 0x20000 + ((sp + offset) & 0xffff);
    return {
      ...test,
      initial: {
        regs: { ...test.initial.regs, ...regs },
        ram: [...test.initial.ram, 0x34, 0, 0x35, 0, 0x36, 0, 0x37, 0x05, 0x5000, 0xf4],
      },
      exception: { vector: 13, flagsAt: at(-2) & ~1 },
      final: {
        regs: { cs: 0x500, ip: 1, sp: (sp - 6) & 0xffff, flags: 2 },
        ram: [0, 1, 0, 0x10, flags, 0].flatMap((byte, i) => [at(i - 6), byte]),
      },
    };
  };
  it('#SS in the place of #GP is one only where its vector would give what was recorded', () => {
    // RET 2
    const ret = (flags: number): MooTest => faulted([0xc2, 2, 0, 0xf4], { sp: 0xffff }, flags);
    expect(causes(ret(2))).toEqual(['stack-fault']);
    expect(causes(ret(3))).toEqual(['unexplained']);
  });
  it('a string instruction may have moved its own registers by one element, and no other', () => {
    // LODSW at FFFF
    const moved = (regs: object): MooTest => {
      const test = faulted([0xad, 0xf4], { si: 0xffff, sp: 0x100 });
      return { ...test, final: { ...test.final, regs: { ...test.final.regs, ...regs } } };
    };
    expect(causes(moved({ si: 1 }))).toEqual(['string-moved']);
    expect(causes(moved({ si: 1, cx: 0xffff }))).toEqual(['string-moved']);
    expect(causes(moved({ si: 3 }))).toEqual(['unexplained']);
    expect(causes(moved({ si: 1, di: 2 }))).toEqual(['unexplained']);
    expect(causes(moved({ si: 1, bx: 2 }))).toEqual(['unexplained']);
  });
  it('POP to memory may have moved SP', () => {
    // POP [BX]
    const pop = faulted([0x8f, 0x07, 0xf4], { bx: 0xffff, sp: 0x102 });
    const recorded = {
      ...pop,
      initial: { ...pop.initial, regs: { ...pop.initial.regs, sp: 0x100 } },
    };
    expect(causes(recorded)).toEqual(['pop-moved']);
  });
  it('more than ten bytes are too many for a 286', () => {
    const code = [...Array.from({ length: 8 }, () => 0x2e), 0xb8, 1, 0];
    expect(causes(faulted([...code, 0xf4], { sp: 0x100 }))).toEqual(['long']);
    expect(causes(faulted([...code.slice(1), 0xf4], { sp: 0x100 }))).toEqual(['unexplained']);
  });
});

it('says where the data is not', () => {
  expect(absence('sst-80286-real', { TRAPLINE_GUESTS: '/nonexistent' })).toBe(
    'the suite sst-80286-real is not at /nonexistent/sst-80286-real; TRAPLINE_GUESTS names the folder it is in',
  );
});
