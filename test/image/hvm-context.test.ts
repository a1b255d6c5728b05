// SPDX-License-Identifier: GPL-2.0-only
// The HVM context round-trips, and refuses what Xen's loader would.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeHvmContext,
  encodeHvmContext,
  encodeHvmHeader,
  HVM_CPU,
  HVM_ENTRIES,
  HVM_HEADER,
} from '../../src/image/hvm-context.ts';
import {
  CPU_DOUBLES,
  CPU_QUADS,
  decodeHvmCpu,
  emptyHvmCpu,
  encodeHvmCpu,
  HVM_CPU_BYTES,
} from '../../src/image/hvm-cpu.ts';
import { loadGuest } from '../../src/machine/loader.ts';
import { hvmCpuOf } from '../../src/toolstack/image/cpu-record.ts';
import { nativeCpu } from '../../src/toolstack/image/native-cpu.ts';
import { rig, runTo } from './helper.ts';

const place = { record: 4, type: 'HVM_CONTEXT', offset: 1000 };
const header = {
  code: HVM_HEADER,
  instance: 0,
  body: encodeHvmHeader({ changeset: 1n, cpuid: 2, tscKhz: 3 }),
};

describe('the CPU record', () => {
  it('is 1,032 bytes with each field where Xen has it', () => {
    const cpu = emptyHvmCpu();
    cpu.fpu.fill(0x11);
    CPU_QUADS.forEach((name, i) => {
      cpu.quads[name] = BigInt(i + 1);
    });
    CPU_DOUBLES.forEach((name, i) => {
      cpu.doubles[name] = 0x1000 + i;
    });
    const body = encodeHvmCpu(cpu);
    expect(body).toHaveLength(HVM_CPU_BYTES);
    expect(decodeHvmCpu(body).cpu).toEqual(cpu);
    // Offsets that the public headers of Xen give, by a compiler: the first and last of each kind.
    const v = new DataView(body.buffer);
    const quad = (at: number): bigint => v.getBigUint64(at, true);
    expect([quad(512), quad(640), quad(656), quad(1008)]).toEqual(
      (['rax', 'rip', 'cr0', 'tsc'] as const).map((name) => cpu.quads[name]),
    );
    expect([736, 788, 908, 1024].map((at) => v.getUint32(at, true))).toEqual(
      (['cs_sel', 'ss_limit', 'ss_arbytes', 'flags'] as const).map((name) => cpu.doubles[name]),
    );
  });

  it('names the registers of a guest that runs', () => {
    using r = rig('counter');
    runTo(r, 1000);
    const { quads, doubles } = hvmCpuOf(nativeCpu(r.machine));
    const { regs } = r.machine.cpu;
    expect(quads.rip).toBe(BigInt(regs.rip));
    expect(quads.rax).toBe(BigInt(regs.gpr(0)));
    expect(quads.rsp).toBe(BigInt(regs.gpr(4)));
    expect(quads.cr0 & 0x10n).toBe(0x10n);
    expect(quads.tsc).toBe(1000n);
    expect(doubles.cs_sel).toBe(regs.segment(1).selector);
    // Present, accessed, readable code of 16 bits.
    expect(doubles.cs_arbytes).toBe(0x9b);
  });

  it('has the x87 registers as FXSAVE stores them', () => {
    const guest = loadGuest('hello');
    // fninit; fld1; fldpi; jmp $
    const bytes = Uint8Array.from([0xdb, 0xe3, 0xd9, 0xe8, 0xd9, 0xeb, 0xeb, 0xfe]);
    const pieces = [{ what: 'image', gpa: 0x7c00, bytes, readOnly: false }];
    using r = rig({ ...guest, pieces });
    runTo(r, 20);
    const { fpu } = hvmCpuOf(nativeCpu(r.machine));
    const v = new DataView(fpu.buffer, fpu.byteOffset);
    // FCW as FNINIT leaves it; two pushed: TOP is 6; the two physical registers in use.
    expect(v.getUint16(0, true)).toBe(0x037f);
    expect((v.getUint16(2, true) >> 11) & 7).toBe(6);
    expect(fpu[4]).toBe(0xc0);
    const st = (i: number): string =>
      Buffer.from(fpu.slice(32 + 16 * i, 42 + 16 * i)).toString('hex');
    expect([st(0), st(1)]).toEqual(['35c26821a2da0fc90040', '0000000000000080ff3f']);
  });
});

describe('the context', () => {
  it('round-trips, with anything behind END', () => {
    const entry = fc.integer({ min: 2, max: 20 }).chain((code) =>
      fc.record({
        code: fc.constant(code),
        instance: fc.nat({ max: 3 }),
        body: fc.uint8Array({
          minLength: Math.abs(HVM_ENTRIES[code]?.[1] ?? 0),
          maxLength: Math.abs(HVM_ENTRIES[code]?.[1] ?? 0),
        }),
      }),
    );
    const entries = fc.uniqueArray(entry, {
      maxLength: 8,
      selector: (e) => `${e.code} ${e.instance}`,
    });
    fc.assert(
      fc.property(entries, fc.uint8Array({ maxLength: 40 }), (list, behind) => {
        const xens = encodeHvmContext([header, ...list]);
        const bytes = new Uint8Array(Buffer.concat([xens, behind]));
        const decoded = decodeHvmContext(bytes, place);
        expect(decoded.end).toBe(xens.length);
        expect(
          decoded.entries.map(({ code, instance, body }) => ({
            code,
            instance,
            body: body.slice(),
          })),
        ).toEqual([header, ...list]);
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  const cpu = { code: HVM_CPU, instance: 0, body: new Uint8Array(HVM_CPU_BYTES) };
  it.each([
    ['no HEADER first', [cpu], 'record 4 (HVM_CONTEXT) at offset 1000: CPU: expected HEADER first'],
    ['an entry twice', [header, cpu, cpu], 'CPU of instance 0 is there twice'],
    [
      'another length',
      [header, { ...cpu, body: new Uint8Array(8) }],
      'CPU of 8 bytes: expected 1032',
    ],
    ['an unknown type', [header, { ...cpu, code: 21 }], 'entry type 21: expected 0 to 20'],
    ['an instance too many', [header, { ...cpu, instance: 128 }], 'expected at most 127'],
  ])('%s is refused', (_, entries, message) => {
    expect(() => decodeHvmContext(encodeHvmContext(entries), place)).toThrow(message);
  });

  it('without END is refused', () => {
    const bytes = encodeHvmContext([header]);
    expect(() => decodeHvmContext(bytes.subarray(0, bytes.length - 8), place)).toThrow(
      'the context ends without its END entry',
    );
  });
});
