// SPDX-License-Identifier: GPL-2.0-only
// What a guest does when nobody interferes: its instructions with device accesses, as the real CPU makes them under the
// revision `exact`; what they get; what each device model sees. Scripted CPUs and the judges go by it.
import { RAX, RCX, RDI, RSI, SEG_CS } from '../cpu/backend.ts';
import type { ScriptAccess, ScriptInsn, ScriptStage } from '../cpu/script.ts';
import type { Machine } from '../machine/machine.ts';
import { p2m_ram_rw } from '../xen/hvm/p2m.ts';
import type { StringOp } from '../xen/hvm/x86_emulate.ts';
import { Arena } from './arena.ts';
import type { Scenario } from './scenario.ts';
import type { Seat } from './seat.ts';
import { accessWords, type Reference } from './undisturbed.ts';

/** Accesses recorded beyond those asked for: a shutdown that nobody heeds lets a guest go on a little. */
const BEYOND = 8;
const PAGE = 4096;
/** Halts that are recorded at most: a guest may do nothing else. */
const MOST_HALTS = 64;

/** @throws HvmError as `Arena` does */
export function recordReference(scenario: Scenario): Reference {
  using arena = new Arena(
    {
      ...scenario,
      revision: 'exact',
      bug: null,
      cpu: 'real',
      ios: scenario.ios + BEYOND,
      checkpoints: 0,
      kills: 0,
    },
    [],
  );
  arena.hashing = false;
  const { world } = arena;
  // Without edges; the guest's timer is silent as it is in the search.
  world.irqSource.most = 0;
  const { seats, machine } = world;
  const records = seats.map((seat) => new Recorder(machine, seat));
  const answers: number[][] = seats.map(() => []);
  const accesses: string[][] = machine.servers.map(() => []);
  world.onBegun = (insn, { id }) => records[id]?.begun(insn);
  world.onGiven = (value, { id }) => {
    answers[id]?.push(value);
  };
  world.onAccess = (event, server) => {
    accesses[server]?.push(accessWords(event));
  };
  let halts = 0;
  arena.onHalted = ({ id, parts }) => {
    records[id]?.halted();
    parts.interrupts.pulse(0);
    return ++halts < MOST_HALTS;
  };
  arena.run((decision) => decision.options[0] as number);
  return { scripts: records.map(({ script }) => script), answers, accesses };
}

/** Writes down one vCPU's instructions. */
class Recorder {
  readonly script: ScriptInsn[] = [];
  readonly #machine: Machine;
  readonly #parts: Seat['parts'];
  /** Repetitions that the last string instruction has left. */
  #left = 0;

  constructor(machine: Machine, { parts, insnCpu }: Seat) {
    this.#machine = machine;
    this.#parts = parts;
    insnCpu.onAccess = (access, index) => {
      const last = this.script.at(-1);
      if (last?.kind === 'access') last.accesses[index] = { ...access };
    };
    const retired = insnCpu.onRetired;
    insnCpu.onRetired = (list, done) => {
      this.#left--;
      retired?.(list, done);
    };
    const committed = insnCpu.onCommitted;
    insnCpu.onCommitted = (op, reps) => {
      this.#left = op.count - reps;
      committed?.(op, reps);
    };
  }

  /** The CPU has left the guest at the first access of instruction number `icount`. */
  begun(icount: number): void {
    const { cpu } = this.#parts;
    const op = cpu.stringOp();
    if (op !== null) {
      this.#string(icount, op);
      return;
    }
    const first: ScriptAccess = {
      is_pio: true,
      dir: cpu.exitDir,
      size: cpu.exitSize,
      gpa: cpu.exitAddr,
      gla: cpu.exitLinear,
      data: cpu.exitData,
      data_hi: cpu.exitDataHigh,
    };
    this.#add('access', icount, [first], null);
  }

  halted(): void {
    this.#add('halt', this.#parts.cpu.icount, [], null);
  }

  #string(icount: number, op: StringOp): void {
    const { regs } = this.#parts.cpu;
    const stage: ScriptStage = { icount, missing: this.#missing(op) };
    const last = this.script.at(-1);
    // Begun anew behind a batch, or after a fault.
    if (last?.string && last.code === this.#code && this.#left > 0) {
      last.string.stages.push(stage);
    } else {
      const gprs = [regs.gpr(RAX), regs.gpr(RCX), regs.gpr(RSI), regs.gpr(RDI)] as const;
      const source = this.#source(op);
      this.#add('string', icount, [], { op, regs: gprs, stages: [stage], source });
    }
    this.#left = op.count;
  }

  #add(
    kind: ScriptInsn['kind'],
    icount: number,
    accesses: ScriptAccess[],
    string: ScriptInsn['string'],
  ): void {
    const { rflags } = this.#parts.cpu.regs;
    this.script.push({ icount, code: this.#code, rflags, kind, accesses, string });
  }

  get #code(): number {
    const { regs } = this.#parts.cpu;
    return regs.segment(SEG_CS).base + regs.rip;
  }

  /** What OUTS or MOVS will read from memory. */
  #source(op: StringOp): { gpa: number; bytes: Uint8Array } | null {
    if (op.op !== 'outs' && op.op !== 'movs') return null;
    const length = op.count * op.size;
    const gpa = op.srcBase + op.srcIndex - (op.df ? length - op.size : 0);
    const { ram, domain } = this.#machine;
    if (!ram.contains(gpa, length) || domain.arch.hvm.p2m.type_at(gpa) !== p2m_ram_rw) return null;
    return { gpa, bytes: ram.bytes.slice(gpa, gpa + length) };
  }

  /** Pages of its operands that are absent. */
  #missing(op: StringOp): number[] {
    const { cpu } = this.#parts;
    const found: number[] = [];
    for (const [base, index] of [
      [op.srcBase, op.srcIndex],
      [op.dstBase, op.dstIndex],
    ] as const) {
      const bytes = op.count * op.size;
      const first = base + index - (op.df ? bytes - op.size : 0);
      for (let page = first - (first % PAGE); page < first + bytes; page += PAGE) {
        if (page >= 0 && cpu.translate(page) < 0) found.push(page);
      }
    }
    return found;
  }
}
