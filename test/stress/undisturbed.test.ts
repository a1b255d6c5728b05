// SPDX-License-Identifier: GPL-2.0-only
// The end of a PC under checkpoints is that of a run without them: screen, memory, registers, devices, every access. And
// each kind of fault that can be seeded shows as its own violation.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ScriptStep } from '../../src/machine/pc/script.ts';
import type { CheckpointSession } from '../../src/toolstack/session.ts';
import { stress } from '../../src/toolstack/stress.ts';
import type { StressOptions, StressReport } from '../../src/toolstack/stress-report.ts';
import { hostClock } from '../../src/util/clock.ts';

let folder: string;
let image: string;

// mov ax,3; int 10h; again: mov ah,0; int 16h; mov ah,0eh; int 10h; jmp again
const ECHO = [0xb8, 3, 0, 0xcd, 0x10, 0xb4, 0, 0xcd, 0x16, 0xb4, 0x0e, 0xcd, 0x10, 0xeb, 0xf6];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'trapline-end-'));
  image = join(folder, 'echo.img');
  const sector = new Uint8Array(512);
  sector.set(ECHO);
  sector.set([0x55, 0xaa], 510);
  writeFileSync(image, sector);
});
afterAll(() => rmSync(folder, { recursive: true }));

const SCRIPT: ScriptStep[] = [
  { kind: 'wait', ns: 300_000_000 },
  { kind: 'type', text: 'abc' },
  { kind: 'expect', text: 'abc', timeoutNs: 5e9 },
  { kind: 'type', text: 'def' },
  { kind: 'expect', text: 'abcdef', timeoutNs: 5e9 },
];

const watch = {
  signal: new AbortController().signal,
  tick: () => undefined,
  clock: hostClock,
  idle: (ms: number, then: () => void): void => void setTimeout(then, ms),
};

async function run(
  checkpoints: number,
  more: Partial<StressOptions> = {},
  script: readonly ScriptStep[] = SCRIPT,
): Promise<StressReport> {
  return await stress(
    {
      guest: image,
      load: { machine: 'pc', memoryBytes: 0x200000, pc: { script } },
      devices: [],
      revision: 'exact',
      seed: 5,
      ledgerPath: null,
      checkpoints,
      maxInstructions: null,
      timeoutMs: null,
      ...more,
    },
    watch,
  );
}

const kinds = (report: StressReport): string[] => [
  ...new Set(report.violations.map(({ kind }) => kind)),
];

describe('a PC under checkpoints', { timeout: 120_000 }, () => {
  it('goes on after its script, and ends as an undisturbed run', async () => {
    const report = await run(1500);
    expect(report.violations).toEqual([]);
    expect(report.outcome).toBe('success');
    expect(report.checkpoints).toBe(1500);
    expect(report.script).toEqual({ steps: 5, done: 5 });
    expect(report.end?.identical).toBe(true);
    expect(report.end?.accesses).toBe(report.accesses.issued);
    expect(report.end?.instructions).toBe(report.instructions);
  });

  it('at every instruction boundary, too', async () => {
    const report = await run(3000, { spacing: 0 });
    expect(report.violations).toEqual([]);
    expect(report.end?.identical).toBe(true);
    expect(report.instructions).toBeLessThan(20_000);
  });

  it('a text that does not appear is a violation', async () => {
    const script: ScriptStep[] = [{ kind: 'expect', text: 'never', timeoutNs: 4e8 }];
    const report = await run(2000, {}, script);
    expect(report.outcome).toBe('failure');
    // In the undisturbed run as well: the end is the same.
    expect(kinds(report)).toEqual(['script']);
    expect(report.violations[0]?.message).toContain("'never' did not appear within 400 ms");
  });

  it('an access that was sent twice, as in Xen before the fix', async () => {
    const report = await run(1500, { revision: 'before-b7e0d8978810', spacing: 10 });
    expect(report.outcome).toBe('failure');
    expect(kinds(report)).toContain('duplicate-issue');
    expect(kinds(report)).toContain('end-accesses');
  });

  type Fault = (session: CheckpointSession) => void;
  const at =
    (n: number, fault: Fault): Fault =>
    (session) => {
      if (session.checkpoints === n) fault(session);
    };
  it.each<[string, string[], Fault]>([
    ['a byte of memory', ['end-memory'], ({ machine }) => machine.ram.write(0x90000, 1, 0x5a)],
    [
      'a character on screen',
      ['end-screen', 'end-memory'],
      ({ machine }) => machine.ram.write(0xb8000 + 10 * 160, 1, 0x58),
    ],
    ['a key', ['end-accesses'], ({ machine }) => machine.pc?.keyboard.key(0x39)],
    [
      'an instruction of time',
      ['end-accesses'],
      ({ machine: { cpu } }) => cpu.charge(cpu.charged + 1),
    ],
    ['a register', ['end-registers'], ({ machine: { cpu } }) => cpu.regs.setGpr(13 % 8, 1, 1)],
    [
      'a device',
      ['end-devices'],
      ({ machine: { pc } }) => pc?.vga.write(0x3d5, 1, pc.vga.read(0x3d5, 1, { hi: 0 }) ^ 1, 0),
    ],
    ['output', ['end-output'], ({ output }) => output.put(0x41)],
  ])('a checkpoint that changes %s', async (_what, expected, fault) => {
    // While the BIOS is busy: a guest in HLT would not notice that time is late. The rest when nobody looks any more.
    const busy = expected.includes('end-accesses');
    const report = await run(busy ? 200 : 600, {
      spacing: busy ? 100 : null,
      onCaptured: at(busy ? 20 : 400, fault),
    });
    expect(kinds(report)).toEqual(expect.arrayContaining(expected));
    expect(report.outcome).toBe('failure');
    expect(report.end?.identical).toBe(false);
    expect(report.reproduce).toContain('--type abc');
  });
});
