// SPDX-License-Identifier: GPL-2.0-only
// The list for a scripted CPU: a guest's instructions with device accesses, as the real CPU makes them undisturbed.
import { SEG_CS } from '../cpu/backend.ts';
import type { ScriptAccess, ScriptInsn } from '../cpu/scripted.ts';
import { HvmError } from '../util/errors.ts';
import { Arena } from './arena.ts';
import type { Scenario } from './scenario.ts';

/** Accesses recorded beyond those asked for: a shutdown that nobody heeds lets a guest go on a little. */
const BEYOND = 8;

interface Recorded {
  icount: number;
  code: number;
  accesses: ScriptAccess[];
}

/** @throws HvmError HVM_USAGE for a guest whose accesses are no list: with string instructions */
export function recordScript(scenario: Scenario): ScriptInsn[] {
  using arena = new Arena({
    ...scenario,
    cpu: 'real',
    ios: scenario.ios + BEYOND,
    checkpoints: 0,
  });
  arena.hashing = false;
  const { machine } = arena;
  const script: Recorded[] = [];
  arena.onBegun = (insn) => {
    const { cpu } = machine;
    const first: ScriptAccess = {
      is_pio: true,
      dir: cpu.exitDir,
      size: cpu.exitSize,
      gpa: cpu.exitAddr,
      gla: cpu.exitLinear,
      data: cpu.exitData,
      data_hi: cpu.exitDataHigh,
    };
    const { regs } = cpu;
    script.push({
      icount: insn,
      code: regs.segment(SEG_CS).base + regs.rip,
      accesses: [first],
    });
  };
  arena.insnCpu.onAccess = (access, index) => {
    const insn = script[script.length - 1];
    if (insn !== undefined) insn.accesses[index] = { ...access };
  };
  arena.insnCpu.onString = () => {
    throw new HvmError(
      'HVM_USAGE',
      `--cpu scripted: guest '${machine.guest.name}' has string instructions; expected one without, or --cpu real`,
    );
  };
  arena.run((decision) => decision.options[0] as number);
  return script;
}
