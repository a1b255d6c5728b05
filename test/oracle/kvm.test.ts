// SPDX-License-Identifier: GPL-2.0-only
// A second opinion on every form of the CPU contract: the host's processor, through KVM, must see the same accesses,
// and leave the same registers and memory behind. Where it does not, the difference is named here with its cause;
// forms that KVM's instruction emulator gives up are counted, not compared.
import { execFileSync, spawnSync } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { UnicornCpu } from '../../src/cpu/unicorn.ts';
import { answerOf, Bench, memoryOf } from '../contract/cpu/execution.ts';
import * as F from '../contract/cpu/forms.ts';
import { MMIO_MOVE_FORMS, MMIO_ODD_FORMS, MMIO_RMW_FORMS } from '../contract/cpu/mmio-forms.ts';
import {
  ODD_STRING_FORMS,
  PLAIN_PORT_FORMS,
  STRING_PORT_FORMS,
} from '../contract/cpu/port-forms.ts';

const FORMS: readonly F.Form[] = [
  ...PLAIN_PORT_FORMS,
  ...STRING_PORT_FORMS,
  ...ODD_STRING_FORMS,
  ...MMIO_MOVE_FORMS,
  ...MMIO_RMW_FORMS,
  ...MMIO_ODD_FORMS,
];
const ANSWERS = 256;

/**
 * Forms about whose accesses the two disagree, with the cause. For device memory the processor itself only reports the
 * page: it is KVM's own instruction emulator that makes the accesses, with limits of its own.
 */
const CAUSES: Readonly<Record<string, string>> = {
  'repe cmps of two devices, runs out': 'ours: the library asks ES:DI first, the processor DS:SI',
  'insb into device memory': 'KVM: reads the whole REP INS ahead and writes it as one access',
  les: 'KVM: reads selector and offset as one access of six bytes',
  'pusha onto a device':
    'KVM: keeps one of the device writes of an instruction and drops the others',
  'pusha across device and RAM': 'KVM: the same',
  'popa from a device': 'KVM: moves ESP every time it starts the instruction again',
  'popa across RAM and device': 'KVM: the same',
};

/** What one processor made of a form. */
interface Result {
  accesses: string;
  /** EAX ECX EDX EBX ESP EBP ESI EDI, or why it stopped. */
  end: string;
  /** Bytes that changed: `address:value`. */
  ram: string;
  /** KVM cannot emulate the form, or does not come back from it. */
  stopped: boolean;
}

const folder = mkdtempSync(join(tmpdir(), 'trapline-kvm-'));
afterAll(() => rmSync(folder, { recursive: true }));

function whyNot(): string | null {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
    return null;
  } catch {
    return 'no usable /dev/kvm on this machine: the forms were not compared with its processor';
  }
}

const cells = FORMS.flatMap((form) =>
  (form.modes ?? ([16, 32] as const)).map((bits) => ({ form, bits })),
);

function onKvm(): Result[] {
  const program = join(folder, 'kvm');
  const source = fileURLToPath(new URL('../../native/oracle/kvm.cc', import.meta.url));
  execFileSync('g++', ['-O1', '-std=c++17', '-Wall', '-Wextra', '-Werror', '-o', program, source]);
  const requests = cells.map(({ form, bits }) => {
    const head = new Uint32Array(7 + 2 * ANSWERS);
    head.set([bits, F.CODE_BASE, F.CODE - F.CODE_BASE, F.STACK, F.DEVICE, F.DEVICE_END, ANSWERS]);
    for (let n = 0; n < ANSWERS; n++) head.set(answerOf(form, n), 7 + 2 * n);
    return Buffer.concat([Buffer.from(head.buffer), memoryOf(form, bits)]);
  });
  const { status, stdout, stderr } = spawnSync(program, {
    input: Buffer.concat(requests),
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout
    .trimEnd()
    .split('\n\n')
    .map((text) => {
      const lines = text.split('\n');
      const named = (word: string): string | undefined =>
        lines
          .find((line) => line.startsWith(word))
          ?.slice(word.length)
          .trim();
      return {
        accesses: lines.filter((line) => /^[rw]\d/.test(line)).join(' '),
        end: named('stop') ?? named('end') ?? '',
        ram: named('ram') ?? '',
        stopped: named('stop') !== undefined,
      };
    });
}

function onUnicorn(): Result[] {
  const bench = new Bench({
    make: (ram, segments) => new UnicornCpu(ram, segments),
    snapshot: (cpu) => (cpu as UnicornCpu).regs.snapshot(),
  });
  try {
    return cells.map(({ form, bits }) => {
      const { end } = bench.reference(form, bits);
      const before = memoryOf(form, bits);
      const changed: string[] = [];
      end.ram.forEach((value, gpa) => {
        if (value !== before[gpa]) {
          changed.push(`${gpa.toString(16)}:${value.toString(16).padStart(2, '0')}`);
        }
      });
      const gpr = Array.from({ length: 8 }, (_, i) => (end.registers[2 * i] ?? 0).toString(16));
      return {
        accesses: end.accesses.join(' '),
        end: gpr.join(' '),
        ram: changed.join(' '),
        stopped: false,
      };
    });
  } finally {
    bench.dispose();
  }
}

describe('the host processor through KVM', () => {
  it('sees every form as the emulator does', (context) => {
    const reason = whyNot();
    if (reason !== null) {
      process.stderr.write(`oracle: ${reason}\n`);
      context.skip(reason);
      return;
    }
    const theirs = onKvm();
    const ours = onUnicorn();
    expect(theirs.length).toBe(cells.length);
    const counts = { equal: 0, gaveUp: 0, named: 0 };
    const differing: string[] = [];
    const seen = new Set<string>();
    cells.forEach(({ form, bits }, i) => {
      const [a, b] = [ours[i] as Result, theirs[i] as Result];
      const what = (['accesses', 'end', 'ram'] as const).find((field) => a[field] !== b[field]);
      if (b.stopped) counts.gaveUp++;
      else if (what === undefined) counts.equal++;
      else if (what === 'accesses' && form.name in CAUSES) {
        counts.named++;
        seen.add(form.name);
      } else {
        differing.push(
          `${form.name} (${bits}) ${what}: emulator ${a[what]} | processor ${b[what]}`,
        );
      }
    });
    process.stderr.write(
      `oracle: ${cells.length} forms on the host processor: ${counts.equal} equal, ${counts.named} differ for a named cause, ${counts.gaveUp} that KVM gives up\n`,
    );
    expect(differing).toEqual([]);
    expect(Object.keys(CAUSES).filter((name) => !seen.has(name))).toEqual([]);
    // Most forms must have been compared, or this test says nothing.
    expect(counts.equal).toBeGreaterThan(0.8 * cells.length);
  }, 120_000);
});
