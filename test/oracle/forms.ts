// SPDX-License-Identifier: GPL-2.0-only
// The forms of the CPU contract as cases for a second CPU: run here on the CPU host alone.
import { UnicornCpu } from '../../src/cpu/unicorn.ts';
import { answerOf, Bench, memoryOf } from '../contract/cpu/execution.ts';
import * as F from '../contract/cpu/forms.ts';
import { MMIO_MOVE_FORMS, MMIO_ODD_FORMS, MMIO_RMW_FORMS } from '../contract/cpu/mmio-forms.ts';
import {
  ODD_STRING_FORMS,
  PLAIN_PORT_FORMS,
  STRING_PORT_FORMS,
} from '../contract/cpu/port-forms.ts';
import { type Case, inRam, POWER_ON_FPU, type Run } from './case.ts';
import type { OracleAccess, OracleRequest } from './helper.ts';

const FAMILIES: readonly [string, readonly F.Form[]][] = [
  ['ports', PLAIN_PORT_FORMS],
  ['port strings', [...STRING_PORT_FORMS, ...ODD_STRING_FORMS]],
  ['moves', MMIO_MOVE_FORMS],
  ['read-modify-write', MMIO_RMW_FORMS],
  ['other memory', MMIO_ODD_FORMS],
];
const ANSWERS = 256;
/** Words of the register snapshot: two of each general register, then RIP and RFLAGS. */
const RIP_WORD = 32;
const RFLAGS_WORD = 34;

/** Every form, in every mode it runs in. */
export function formCases(): Case[] {
  const bench = new Bench({
    make: (ram, segments) => new UnicornCpu(ram, segments),
    snapshot: (cpu) => (cpu as UnicornCpu).regs.snapshot(),
  });
  try {
    return FAMILIES.flatMap(([family, forms]) =>
      forms.flatMap((form) =>
        (form.modes ?? ([16, 32] as const)).map((bits) => formCase(bench, family, form, bits)),
      ),
    );
  } finally {
    bench.dispose();
  }
}

function formCase(bench: Bench, family: string, form: F.Form, bits: 16 | 32): Case {
  const { end } = bench.reference(form, bits);
  const word = (at: number): number => end.registers[at] ?? 0;
  const ours: Run = {
    accesses: end.accesses.map(parseAccess),
    stopped: null,
    registers: [0, 2, 4, 6, 8, 10, 12, 14, RIP_WORD, RFLAGS_WORD].map(word),
    ram: end.ram,
  };
  const request = requestOf(form, bits);
  return {
    name: `${form.name}, ${bits}-bit`,
    family,
    bits,
    ours,
    request,
    inRam: inRam(request, ours),
  };
}

function parseAccess(text: string): OracleAccess {
  const [, direction, size, port, at = '', data = '0'] =
    /^([rw])(\d)@(p?)([0-9a-f]+)(?:=([0-9a-f]+))?$/.exec(text) ?? [];
  if (direction === undefined) throw new Error(`access '${text}' of a form`);
  return {
    read: direction === 'r',
    size: Number(size),
    space: port === 'p' ? 'pio' : 'mmio',
    at: Number.parseInt(at, 16),
    data: BigInt(`0x${data}`),
  };
}

function requestOf(form: F.Form, bits: 16 | 32): OracleRequest {
  const wide = bits === 32;
  const limit = wide ? 0xffffffff : 0xffff;
  const size = wide ? 0xc00000 : 0;
  const flat = { selector: wide ? 16 : 0, base: 0, limit, attributes: size | 0x9300 };
  const code = {
    // A stack segment with a null selector would not do.
    selector: wide ? 8 : F.CODE_BASE >> 4,
    base: F.CODE_BASE,
    limit,
    attributes: size | 0x9b00,
  };
  return {
    gpr: [0, 0, 0, 0, F.STACK, 0, 0, 0],
    rip: F.CODE - F.CODE_BASE,
    rflags: 2,
    cr0: wide ? 0x11 : 0x10,
    cr3: 0,
    cr4: 0x200,
    ...POWER_ON_FPU,
    segments: [flat, code, flat, flat, flat, flat],
    gdt: [0, 0],
    idt: [0, 0xffff],
    interrupt: null,
    writesCount: true,
    ranges: [
      { space: 'pio', start: 0, end: 0xffff, stream: 0 },
      { space: 'mmio', start: F.DEVICE, end: F.DEVICE_END - 1, stream: 0 },
    ],
    streams: [Array.from({ length: ANSWERS }, (_, n) => answerOf(form, n))],
    ram: memoryOf(form, bits),
  };
}
