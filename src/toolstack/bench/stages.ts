// SPDX-License-Identifier: GPL-2.0-only
// What one IN through an ioreq server consists of: by difference of configurations that run side by side.
import { EXIT_BUDGET } from '../../cpu/backend.ts';
import type { InlineServer } from '../../dm/inline-server.ts';
import type { Machine } from '../../machine/machine.ts';
import { BugError } from '../../util/errors.ts';
import type { PointName, Points } from '../../xen/common/points.ts';
import type { vcpu } from '../../xen/common/sched.ts';
import { get_ioreq, hvm_select_ioreq_server, hvm_send_ioreq } from '../../xen/hvm/ioreq.ts';
import type { hvm_ioreq_server } from '../../xen/hvm/state.ts';
import { STATE_IOREQ_NONE, STATE_IOREQ_READY } from '../../xen/public/hvm_ioreq.ts';
import { ACCESS_PROGRAMS, type Program } from './programs.ts';
import { type Measured, type SamplerOptions, type Slice, sampleTogether } from './sampler.ts';
import { type AnsweredBy, MachineSubject, type Subject } from './subject.ts';

const IN = ACCESS_PROGRAMS[0] as Program;

/** A stage and how it was found. */
export const STAGES: readonly (readonly [name: string, how: string])[] = [
  ['switch', 'one call of the addon and one switch to the emulator and back, at a spent budget'],
  ['emulator', 'IN answered at once by the caller of the CPU host, less the switch'],
  ['dispatch', 'IN answered inside the monitor, less IN answered by the caller of the CPU host'],
  ['select', 'with the server looked up twice, less once'],
  ['send', 'with the request sent and withdrawn before it is sent, less sent once'],
  ['device', 'with the request served twice, less once'],
  ['completion', 'the whole IN, less everything above'],
  ['ledger', 'with every access recorded and checked, less without'],
  ['straight', 'IN by the straight way, less IN answered at once by the caller of the CPU host'],
  ['straight ledger', 'the same with every access recorded and checked, less without'],
];

/** Does one stage of every access once more, in its place; nothing unless `attach`ed. */
class Repeat implements Points {
  #at: PointName | null = null;
  #action: (curr: vcpu) => void = () => {};

  attach(at: PointName, action: (curr: vcpu) => void): void {
    this.#at = at;
    this.#action = action;
  }

  hit(point: PointName, curr: vcpu): void {
    if (point === this.#at) this.#action(curr);
  }
}

/** The server of the port, at the vCPU's only slot. */
function portServer(machine: Machine): { model: InlineServer; xen: hvm_ioreq_server } {
  const model = machine.servers[0];
  const xen = machine.domain.arch.hvm.ioreq_server[0];
  if (model === undefined || xen === null || xen === undefined) throw new BugError('no server 0');
  return { model, xen };
}

/** Where the result goes, so that the work is not optimised away. */
const found: { server: hvm_ioreq_server | null } = { server: null };

type Repetition = (machine: Machine, points: Repeat) => void;

const repeatNothing: Repetition = () => {};

const repeatSelect: Repetition = (_machine, points) => {
  points.attach('send_entry', (curr) => {
    found.server = hvm_select_ioreq_server(curr.domain, curr.arch.hvm.p);
  });
};

const repeatSend: Repetition = (machine, points) => {
  const { model, xen } = portServer(machine);
  points.attach('send_entry', (curr) => {
    hvm_send_ioreq(curr, xen, curr.arch.hvm.p, false);
    // As if it had never been sent.
    get_ioreq(xen, curr)?.setState(STATE_IOREQ_NONE);
    const sv = xen.sv[curr.vcpu_id];
    if (sv !== undefined) sv.pending = false;
    curr.blocked_in_xen = false;
    curr.defer_shutdown = false;
    model.forget();
  });
};

const repeatDevice: Repetition = (machine, points) => {
  const { model, xen } = portServer(machine);
  points.attach('send_return', (curr) => {
    model.runNow();
    // As if nobody had looked at it.
    get_ioreq(xen, curr)?.setState(STATE_IOREQ_READY);
    curr.blocked_in_xen = true;
    model.event(xen.sv[curr.vcpu_id]?.ioreq_evtchn ?? 0);
  });
};

function withRepetition(answeredBy: AnsweredBy, repetition: Repetition): MachineSubject {
  const points = new Repeat();
  const subject = new MachineSubject(IN, answeredBy, points);
  repetition(subject.machine, points);
  return subject;
}

/** Enters the emulator and is sent back at once: its budget is spent. */
class SwitchSubject implements Subject {
  readonly #inner: MachineSubject = new MachineSubject(IN, 'bare');

  run(units: number): number {
    const { cpu } = this.#inner.machine;
    cpu.deadline = cpu.icount;
    for (let i = 0; i < units; i++) {
      if (cpu.run() !== EXIT_BUDGET) throw new BugError('a spent budget let the guest run');
    }
    return units;
  }

  [Symbol.dispose](): void {
    this.#inner[Symbol.dispose]();
  }
}

/** @returns the stages in the order of `STAGES`; empty when stopped too early */
export async function measureStages(options: SamplerOptions): Promise<Measured[]> {
  const subjects: Subject[] = [
    new SwitchSubject(),
    new MachineSubject(IN, 'bare'),
    withRepetition('monitor', repeatNothing),
    withRepetition('server', repeatNothing),
    withRepetition('server', repeatSelect),
    withRepetition('server', repeatSend),
    withRepetition('server', repeatDevice),
    withRepetition('server+ledger', repeatNothing),
    new MachineSubject(IN, 'server'),
    new MachineSubject(IN, 'server+ledger'),
  ];
  try {
    const slices: Slice[] = subjects.map((subject) => (units) => subject.run(units));
    return await sampleTogether(options, slices, (round) => {
      const at = (index: number): number => round[index] ?? Number.NaN;
      const whole = at(3);
      const select = at(4) - whole;
      const send = at(5) - whole;
      const device = at(6) - whole;
      const completion = whole - at(2) - select - send - device;
      const ordinary = [select, send, device, completion, at(7) - whole];
      return [at(0), at(1) - at(0), at(2) - at(1), ...ordinary, at(8) - at(1), at(9) - at(8)];
    });
  } finally {
    for (const subject of subjects) subject[Symbol.dispose]();
  }
}
