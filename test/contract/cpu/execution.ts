// SPDX-License-Identifier: GPL-2.0-only
// One form carried out in one way: who answers which access how, what must hold at each exit, what is left at the end.
import { expect } from 'vitest';
import {
  type CpuBackend,
  EXIT_BOUNDARY,
  EXIT_BUDGET,
  EXIT_HLT,
  EXIT_MMIO,
  EXIT_NAMES,
  EXIT_PIO,
  EXIT_PIO_STRING,
  type ExitReason,
  RAX,
  RSP,
  SEG_CS,
} from '../../../src/cpu/backend.ts';
import type { RamSegment } from '../../../src/cpu/unicorn.ts';
import { GuestRam } from '../../../src/mem/guest-ram.ts';
import { asm16, asm32, join } from '../../helpers/guest-code.ts';
import * as F from './forms.ts';

/** Makes CPUs of one back-end. */
export interface BackendUnderTest {
  make(ram: GuestRam, segments: readonly RamSegment[]): CpuBackend;
  /** Every register and flag there is, comparable. */
  snapshot(cpu: CpuBackend): Uint32Array;
}

const SEGMENTS: readonly RamSegment[] = [
  { gpa: 0, bytes: F.DEVICE, offset: 0, writable: true },
  {
    gpa: F.DEVICE_END,
    bytes: F.RAM_BYTES - F.DEVICE_END,
    offset: F.DEVICE_END,
    writable: true,
  },
];

// Flags are pending when the form begins, and looked at when it is over.
const BEGIN = {
  16: asm16('66bbf0ffff7f6683c320', 'mov ebx,0x7ffffff0; add ebx,0x20'),
  32: asm32('bbf0ffff7f83c320', 'mov ebx,0x7ffffff0; add ebx,0x20'),
};
const END = {
  16: asm16('6645669cf4', 'inc ebp; pushfd; hlt'),
  32: asm32('459cf4', 'inc ebp; pushfd; hlt'),
};

const FRESH = Uint8Array.from({ length: F.RAM_BYTES }, (_, gpa) => F.pattern(gpa));

/** RAM of the contract's machine as a form finds it. */
export function memoryOf(form: F.Form, bits: 16 | 32): Uint8Array {
  const ram = FRESH.slice();
  ram.set(join(BEGIN[bits], form.code[bits], END[bits]), F.CODE);
  ram.set(END[bits], F.TARGET);
  return ram;
}

/** What the device answers the n-th access of a form: low and high word. */
export function answerOf(form: F.Form, n: number): readonly [number, number] {
  return form.answers === undefined ? F.answerTo(n) : [form.answers[n] ?? 0, 0];
}

/** What is done about an access: `n` counts the accesses of the form, `sight` how often this one was met before. */
export type Plan = (n: number, sight: number) => Deed;
/**
 * answer, finish: as the contract says. rollback: rolled back, then run. retry: run without an answer. write: a register
 * is written. replace: saved, and restored into a new CPU. peek: every register is read, then answered.
 */
export type Deed = 'answer' | 'finish' | 'rollback' | 'retry' | 'write' | 'replace' | 'peek';

/** What is known at an instruction boundary, by instruction count. */
export interface Boundary {
  registers: Uint32Array;
  ram: Uint8Array;
}

/** How a run ended. */
export interface Outcome extends Boundary {
  icount: number;
  accesses: string[];
  state: Uint8Array;
  eax: number;
}

/** A machine that runs forms again and again. */
export class Bench {
  readonly #backend: BackendUnderTest;
  #ram: GuestRam;
  #cpu: CpuBackend;
  #powerOn: Uint8Array;
  #spare: GuestRam;

  constructor(backend: BackendUnderTest) {
    this.#backend = backend;
    this.#ram = new GuestRam(F.RAM_BYTES);
    this.#spare = new GuestRam(F.RAM_BYTES);
    this.#cpu = backend.make(this.#ram, SEGMENTS);
    this.#powerOn = this.#cpu.save();
  }

  dispose(): void {
    this.#cpu[Symbol.dispose]();
  }

  /** Every boundary of a form, by stopping after each instruction, and the end. */
  reference(form: F.Form, bits: 16 | 32): { at: Boundary[]; end: Outcome } {
    this.#start(form, bits);
    const at: Boundary[] = [];
    const accesses: string[] = [];
    for (let count = 0; count < 200; count++) {
      this.#cpu.deadline = count;
      let exit = this.#cpu.run();
      while (isAccess(exit)) {
        const n = accesses.length;
        accesses.push(this.#describe(exit));
        this.#answer(form, n);
        exit = this.#cpu.run();
      }
      if (exit === EXIT_HLT) {
        // A step ends behind HLT as behind any instruction.
        at.push(this.#boundary());
        return { at, end: this.#end(accesses) };
      }
      expect(EXIT_NAMES[exit], `after ${count} instructions`).toBe(EXIT_NAMES[EXIT_BUDGET]);
      expect(this.#cpu.icount).toBe(count);
      at.push(this.#boundary());
    }
    throw new Error('the form does not end');
  }

  /**
   * Carries a form out as planned.
   * @param look - compare registers and RAM at every exit; without, nothing makes the CPU restore them early
   * @param stepped - from boundary to boundary by `step()` instead of `run()`
   */
  run(
    form: F.Form,
    bits: 16 | 32,
    plan: Plan,
    { at, look, stepped }: { at: readonly Boundary[]; look: boolean; stepped: boolean },
  ): Outcome {
    this.#start(form, bits);
    const retired: string[] = [];
    const seen: string[] = [];
    const sights: number[] = [];
    let inFlight: string[] = [];
    const compared = form.partial === undefined;
    const go = (): ExitReason => (stepped ? this.#cpu.step() : this.#cpu.run());
    let exit = go();
    for (let guard = 0; guard < 3000; guard++) {
      if (exit === EXIT_HLT) return this.#end(retired.concat(inFlight));
      if (exit === EXIT_BOUNDARY) {
        retired.push(...inFlight);
        inFlight = [];
        if (look) this.#compare(at, 'at a boundary');
        exit = go();
        continue;
      }
      expect(isAccess(exit), `exit ${EXIT_NAMES[exit]}`).toBe(true);
      if (this.#cpu.exitIndex === 0) {
        retired.push(...inFlight);
        inFlight = [];
      }
      expect(this.#cpu.exitIndex, 'index of an access in its instruction').toBe(inFlight.length);
      const n = retired.length + inFlight.length;
      const text = this.#describe(exit);
      seen[n] ??= text;
      expect(text, 'an access seen again').toBe(seen[n]);
      if (exit === EXIT_MMIO) expect(this.#cpu.exitLinear).toBe(this.#cpu.exitAddr);
      if (look && exit === EXIT_PIO_STRING) {
        const { exitDir, exitSize: size, exitAddr: port } = this.#cpu;
        const op = exitDir === 1 ? 'ins' : 'outs';
        expect(this.#cpu.stringOp(), 'the string instruction').toMatchObject({ op, size, port });
      }
      if (look && compared) this.#compare(at, `at access ${n}, ${text}`);
      const sight = sights[n] ?? 0;
      sights[n] = sight + 1;
      const deed = plan(n, sight);
      if (deed === 'answer' || deed === 'finish' || deed === 'peek') {
        inFlight.push(text);
        if (deed === 'peek') this.#backend.snapshot(this.#cpu);
        if (deed === 'finish') {
          exit = this.#finish(form, n);
          // Another access of the same instruction, or its end: nothing behind it has run.
          const further = isAccess(exit) && this.#cpu.exitIndex === inFlight.length;
          expect(further || exit === EXIT_BOUNDARY, 'finish() runs on').toBe(true);
        } else {
          this.#answer(form, n);
          exit = this.#cpu.run();
        }
        continue;
      }
      inFlight = [];
      if (deed === 'rollback') {
        this.#cpu.rollback();
        if (compared) this.#compare(at, `rolled back at access ${n}, ${text}`);
      } else if (deed === 'write') {
        const low = this.#cpu.regs.gpr(RAX);
        this.#cpu.regs.setGpr(RAX, low, this.#cpu.regs.gprHigh(RAX));
      } else if (deed === 'replace') {
        this.#replace();
        if (compared) this.#compare(at, `restored elsewhere at access ${n}, ${text}`);
      }
      exit = go();
    }
    throw new Error('the form does not end');
  }

  #start(form: F.Form, bits: 16 | 32): void {
    this.#ram.writeBytes(0, memoryOf(form, bits));
    const cpu = this.#cpu;
    cpu.restore(this.#powerOn);
    cpu.deadline = Number.MAX_SAFE_INTEGER;
    for (let index = 0; index < 6; index++) {
      const isCode = index === SEG_CS;
      cpu.regs.setSegment(index, {
        selector: isCode ? F.CODE_BASE >> 4 : 0,
        base: isCode ? F.CODE_BASE : 0,
        limit: bits === 16 ? 0xffff : 0xffffffff,
        attributes: (bits === 16 ? 0 : 0xc00000) | (isCode ? 0x9b00 : 0x9300),
      });
    }
    for (let index = 0; index < 8; index++) cpu.regs.setGpr(index, 0);
    cpu.regs.setGpr(RSP, F.STACK);
    cpu.regs.setControl(0, bits === 16 ? 0x60000010 : 0x60000011);
    cpu.regs.setControl(4, 0x200); // OSFXSR: SSE on
    cpu.regs.rip = F.CODE - F.CODE_BASE;
    cpu.regs.rflags = 2;
  }

  #answer(form: F.Form, n: number): void {
    this.#cpu.answer(...answerOf(form, n));
  }
  #finish(form: F.Form, n: number): ExitReason {
    return this.#cpu.finish(...answerOf(form, n));
  }

  #describe(exit: ExitReason): string {
    const { exitDir, exitSize, exitAddr, exitData, exitDataHigh } = this.#cpu;
    const where = `${exitDir === 1 ? 'r' : 'w'}${exitSize}@${exit === EXIT_MMIO ? '' : 'p'}${exitAddr.toString(16)}`;
    if (exitDir === 1) return where;
    const high = exitDataHigh === 0 ? '' : exitDataHigh.toString(16);
    const low = exitData.toString(16);
    return `${where}=${high}${high === '' ? low : low.padStart(8, '0')}`;
  }

  #boundary(): Boundary {
    return { registers: this.#backend.snapshot(this.#cpu), ram: this.#ram.bytes.slice() };
  }

  #compare(at: readonly Boundary[], when: string): void {
    const count = this.#cpu.icount;
    const known = at[count];
    if (known === undefined) throw new Error(`${when}: no instruction begins at ${count}`);
    same(this.#backend.snapshot(this.#cpu), known.registers, `registers ${when}`);
    same(this.#ram.bytes, known.ram, `RAM ${when}`);
  }

  #end(accesses: string[]): Outcome {
    return {
      ...this.#boundary(),
      icount: this.#cpu.icount,
      accesses,
      eax: this.#cpu.regs.gpr(RAX),
      state: this.#cpu.save(),
    };
  }

  #replace(): void {
    const state = this.#cpu.save();
    this.#cpu[Symbol.dispose]();
    [this.#ram, this.#spare] = [this.#spare, this.#ram];
    this.#ram.onHostWrite = null;
    this.#ram.writeBytes(0, this.#spare.bytes);
    this.#cpu = this.#backend.make(this.#ram, SEGMENTS);
    this.#cpu.restore(state);
  }
}

/** Compares two arrays by element, and says where they differ. */
export function same(found: ArrayLike<number>, wanted: ArrayLike<number>, what: string): void {
  if (found.length !== wanted.length)
    throw new Error(`${what}: ${found.length} elements, not ${wanted.length}`);
  if (
    found instanceof Uint8Array &&
    wanted instanceof Uint8Array &&
    Buffer.compare(found, wanted) === 0
  )
    return;
  for (let i = 0; i < found.length; i++) {
    if (found[i] !== wanted[i]) {
      const hex = (value: number | undefined): string => (value ?? -1).toString(16);
      throw new Error(
        `${what}: element 0x${i.toString(16)} is ${hex(found[i])}, not ${hex(wanted[i])}`,
      );
    }
  }
}

function isAccess(exit: ExitReason): boolean {
  return exit === EXIT_PIO || exit === EXIT_PIO_STRING || exit === EXIT_MMIO;
}
