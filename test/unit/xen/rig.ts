// SPDX-License-Identifier: GPL-2.0-only
// One instruction on one vCPU with one device model, under any revision, with a shutdown anywhere.
import { domain_resume } from '../../../src/xen/common/domain.ts';
import type { domain, vcpu } from '../../../src/xen/common/sched.ts';
import { REVISIONS, type RevisionName, type XenRevision } from '../../../src/xen/hvm/revision.ts';
import { ReplayMachine } from '../../conformance/machine.ts';
import { miniCpu } from '../../conformance/mini-cpu.ts';
import type { Json, JsonObject, Operation } from '../../conformance/scenario.ts';

export const PORT = 0x300;
export const MMIO = 0xf0000000;
export const BUFFER = 0x20000;
export const RIP = 0x1000;

/** A guest with server 0 on ports 0x300-0x30f and memory 0xf0000000-0xf0002fff, in guest mode. */
export class Rig {
  readonly machine: ReplayMachine;
  readonly d: domain;

  constructor(revision: RevisionName | XenRevision, config: JsonObject = {}, bufioreq = 0) {
    this.machine = new ReplayMachine(
      { op: 'config', ...config } as Operation,
      typeof revision === 'string' ? REVISIONS[revision] : revision,
      miniCpu,
    );
    this.d = this.machine.d;
    this.do('server_create', { bufioreq });
    this.do('server_info', { id: 0, gfns: 1 });
    this.do('server_map', { id: 0, type: 0, start: PORT, end: PORT + 15 });
    this.do('server_map', { id: 0, type: 1, start: MMIO, end: MMIO + 0x2fff });
    this.do('server_state', { id: 0, enabled: 1 });
    this.run();
  }

  get v(): vcpu {
    return this.d.vcpu[0] as vcpu;
  }

  do(op: string, args: JsonObject = {}): JsonObject {
    return this.machine.execute({ op, ...args } as Operation);
  }

  run(args: JsonObject = {}): Json | undefined {
    return this.do('run', { vcpu: 0, ...args }).ret;
  }

  /** The events of the last operation, by name. */
  events(name: string): JsonObject[] {
    return this.machine.recorder.events.filter(({ e }) => e === name);
  }

  /** The complete state in the form of the recordings, as an untyped tree. */
  // biome-ignore lint/suspicious/noExplicitAny: assertions reach into a JSON tree
  state(): any {
    return this.machine.dump();
  }

  /** Requests that device model 0 has answered. */
  get served(): number {
    return this.state().servers['0']?.served ?? -1;
  }

  reg(name: string): string {
    return this.state().vcpus['0'].regs[name];
  }
}

/** An instruction, what it needs, and what it does to the device. */
export interface Sample {
  name: string;
  bytes: string;
  exit: 'pio' | 'pio_string' | 'mmio';
  regs?: JsonObject;
  pio?: { port: number; size: number; dir: 'in' | 'out' };
  gpa?: number;
  write?: number;
  /** Requests the device model must see: exactly these. */
  requests: number;
  /** Whether a shutdown in the middle makes Xen with the fix repeat one. */
  several: boolean;
}

const le = (n: number): string =>
  [0, 8, 16, 24].map((shift) => ((n >>> shift) & 255).toString(16).padStart(2, '0')).join('');

export const SAMPLES: readonly Sample[] = [
  {
    name: 'IN',
    bytes: 'ed',
    exit: 'pio',
    pio: { port: PORT, size: 4, dir: 'in' },
    requests: 1,
    several: false,
  },
  {
    name: 'OUT',
    bytes: 'ef',
    exit: 'pio',
    pio: { port: PORT, size: 4, dir: 'out' },
    requests: 1,
    several: false,
  },
  {
    name: 'MMIO read',
    bytes: `a1${le(MMIO + 8)}`,
    exit: 'mmio',
    gpa: MMIO + 8,
    requests: 1,
    several: false,
  },
  {
    name: 'MMIO write',
    bytes: `a3${le(MMIO + 8)}`,
    exit: 'mmio',
    gpa: MMIO + 8,
    write: 1,
    requests: 1,
    several: false,
  },
  {
    name: 'INS to memory',
    bytes: '6d',
    exit: 'pio_string',
    regs: { rdi: BUFFER },
    requests: 1,
    several: false,
  },
  {
    name: 'REP INS to memory',
    bytes: 'f36d',
    exit: 'pio_string',
    regs: { rdi: BUFFER, rcx: 5 },
    requests: 1,
    several: false,
  },
  {
    name: 'REP OUTS from memory',
    bytes: 'f36f',
    exit: 'pio_string',
    regs: { rsi: BUFFER, rcx: 5 },
    requests: 1,
    several: false,
  },
  {
    name: 'REP STOS to the device',
    bytes: 'f3ab',
    exit: 'mmio',
    regs: { rdi: MMIO, rcx: 5 },
    gpa: MMIO,
    write: 1,
    requests: 1,
    several: false,
  },
  {
    name: 'ADD to the device',
    bytes: `0105${le(MMIO + 4)}`,
    exit: 'mmio',
    gpa: MMIO + 4,
    requests: 2,
    several: true,
  },
  {
    name: 'XCHG with the device',
    bytes: `8705${le(MMIO + 4)}`,
    exit: 'mmio',
    gpa: MMIO + 4,
    requests: 2,
    several: true,
  },
  {
    name: 'MOVS within the device',
    bytes: 'a5',
    exit: 'mmio',
    regs: { rsi: MMIO + 0x10, rdi: MMIO + 0x20 },
    gpa: MMIO + 0x10,
    requests: 2,
    several: true,
  },
  {
    name: 'a read over a page end, in three pieces',
    bytes: `a1${le(MMIO + 0xffd)}`,
    exit: 'mmio',
    gpa: MMIO + 0xffd,
    requests: 3,
    several: true,
  },
  {
    name: 'OUTS from the device',
    bytes: '6f',
    exit: 'pio_string',
    regs: { rsi: MMIO + 0x10 },
    requests: 2,
    several: true,
  },
];

/** How one run of a sample ended. */
export interface Outcome {
  served: number;
  /** Whether the shutdown reached its point. */
  fired: boolean;
  crashed: boolean;
  retired: number;
  /** Registers changed between "shut down" and the resume. */
  incomplete: boolean;
  rax: string;
  rdi: string;
  rsi: string;
  rcx: string;
  memory: string;
}

/** Where the shutdown lands: the `nth` time `at` is reached during the `turn`-th operation. */
export interface Landing {
  at: string;
  nth: number;
  turn: number;
}

/** Runs one sample to its end, with a suspend landing where told; resumes whenever it is shut down. */
export function runSample(
  revision: RevisionName | XenRevision,
  sample: Sample,
  landing: Landing | null,
): Outcome {
  const rig = new Rig(revision);
  const { d } = rig;
  const length = sample.bytes.length / 2;
  rig.do('write_mem', { gpa: BUFFER, hex: '00112233445566778899aabbccddeeff' });
  const regs = { rdx: PORT, rax: 0x01020304, ...sample.regs };
  rig.do('prog', { vcpu: 0, rip: RIP - 1, exit: 'none', len: 1, ...regs });
  rig.do('prog', {
    vcpu: 0,
    rip: RIP,
    exit: sample.exit,
    len: length,
    bytes: sample.bytes,
    gpa: sample.gpa ?? 0,
    write: sample.write ?? 0,
    gla_valid: 1,
    ...sample.pio,
  });
  rig.do('set_regs', { vcpu: 0, rip: RIP - 1 });
  rig.do('step', { vcpu: 0 });

  let atShutDown = '';
  let incomplete = false;
  const registers = (): string => JSON.stringify(rig.state().vcpus['0'].regs);
  const told = rig.machine.recorder.finalised.bind(rig.machine.recorder);
  rig.machine.recorder.finalised = (domain, port) => {
    atShutDown = registers();
    told(domain, port);
  };

  let fired = false;
  const inject = (turn: number): JsonObject =>
    landing !== null && landing.turn === turn
      ? {
          inject: [
            { at: landing.at, nth: landing.nth, do: [{ op: 'shutdown', reason: 2 }] },
          ] as unknown as Json,
        }
      : {};
  const next = RIP + length;
  for (let turn = 0; turn < 40 && d.crashed === null; turn++) {
    const args = inject(turn);
    const result = rig.v.in_guest
      ? rig.do('step', { vcpu: 0, ...args })
      : rig.do('run', { vcpu: 0, ...args });
    if (args.inject !== undefined && result.unfired !== true) fired = true;
    rig.do('dm_answer', { server: 0, vcpu: 0, base: 0x100 });
    if (d.is_shut_down) {
      if (registers() !== atShutDown) incomplete = true;
      domain_resume(d);
    }
    // Over once the instruction has retired and its vCPU is back in the guest.
    if (rig.v.in_guest && rig.v.regs.eip === next) break;
  }
  return {
    served: rig.served,
    fired,
    crashed: d.crashed !== null,
    retired: rig.v.regs.eip === next ? 1 : 0,
    incomplete,
    rax: rig.reg('rax'),
    rdi: rig.reg('rdi'),
    rsi: rig.reg('rsi'),
    rcx: rig.reg('rcx'),
    memory: Buffer.from(rig.machine.ram.bytes.subarray(BUFFER, BUFFER + 64)).toString('hex'),
  };
}
