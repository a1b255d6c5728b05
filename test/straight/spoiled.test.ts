// SPDX-License-Identifier: GPL-2.0-only
// The same access again and again, until its device model does something that it should not, or somebody has to look: at
// any of the first forty, and some up to 160, the short way ends as the ordinary one does.
import { describe, expect, test } from 'vitest';
import type { DeviceContext, IoSize } from '../../src/dm/device.ts';
import { Machine } from '../../src/machine/machine.ts';
import { RunLoop } from '../../src/machine/run-loop.ts';
import { ACCESS_PROGRAMS, guestOf } from '../../src/toolstack/bench/programs.ts';

const STATE_BYTE = 30;
const PORT_BYTE = 24;

type Deed = (slot: Uint8Array, context: DeviceContext) => void;
const DEEDS: readonly [string, Deed][] = [
  [
    'frees its slot',
    (slot) => {
      slot[STATE_BYTE] = (slot[STATE_BYTE] ?? 0) & 0xf0;
    },
  ],
  [
    'makes it a request again',
    (slot) => {
      slot[STATE_BYTE] = ((slot[STATE_BYTE] ?? 0) & 0xf0) | 1;
    },
  ],
  [
    'makes it an answer',
    (slot) => {
      slot[STATE_BYTE] = ((slot[STATE_BYTE] ?? 0) & 0xf0) | 3;
    },
  ],
  [
    'changes its channel',
    (slot) => {
      slot[PORT_BYTE] = 0x77;
    },
  ],
  [
    'changes address, size and data',
    (slot) => {
      slot.fill(0x55, 0, PORT_BYTE);
    },
  ],
  ['raises an interrupt', (_, context) => context.raiseIrq(3)],
  [
    'throws',
    () => {
      throw new Error('a device that throws');
    },
  ],
];

/** Everything there is to see after `deed` was done at access `at`. */
function endOf(
  name: string,
  at: number,
  deed: Deed,
  straight: boolean,
): { seen: unknown; again: number } {
  const program = ACCESS_PROGRAMS.find((p) => p.name === name);
  if (program === undefined) throw new Error(`no program '${name}'`);
  const asked: string[] = [];
  let machine: Machine | null = null;
  const create = (context: DeviceContext) => {
    let value = 1;
    const act = (what: string): void => {
      asked.push(what);
      const slot = machine?.domain.arch.hvm.ioreq_server[0]?.ioreq.va?.bytes.subarray(0, 32);
      if (asked.length === at && slot !== undefined) deed(slot, context);
    };
    return {
      name: 'odd',
      read: (offset: number, size: IoSize) => {
        act(`read ${offset} ${size}`);
        value = (Math.imul(value, 0x19660d) + 0x3c6ef35f) >>> 0;
        return value;
      },
      write: (offset: number, size: IoSize, data: number) => act(`write ${offset} ${size} ${data}`),
      reset: () => {},
      sleep: () => {},
      wake: () => {},
      save: () => ({ value }),
      restore: () => {},
      witness: () => ({ value }),
    };
  };
  const factory = { name: 'odd', summary: 'odd', defaultRange: '0x0-0x0', create };
  const range = name.startsWith('mmio')
    ? ({ space: 'mmio', start: 0xd2000, end: 0xd2fff } as const)
    : ({ space: 'pio', start: 0x220, end: 0x227 } as const);
  machine = new Machine({ guest: guestOf(program), devices: [{ factory, range }], straight });
  using m = machine;
  const loop = new RunLoop(m);
  const stops: string[] = [];
  for (const deadline of [250, 300]) {
    loop.deadline = deadline;
    try {
      stops.push(loop.run());
    } catch (error) {
      stops.push(String(error));
      break;
    }
  }
  const { vcpu: v, domain: d, cpu } = m;
  const seen = {
    asked,
    stops,
    slot: [...(d.arch.hvm.ioreq_server[0]?.ioreq.va?.bytes.subarray(0, 32) ?? [])],
    crashed: d.crashed,
    vcpu: [v.in_guest, v.blocked_in_xen, v.defer_shutdown, v.sched_pending],
    io_req: { ...v.arch.hvm.hvm_io.io_req },
    counts: m.servers.map((s) => [s.served, s.abandoned, s.counts]),
    exits: loop.exits,
    irq: [cpu.irq, m.interrupts.save()],
    count: cpu.icount,
    cpu: Buffer.from(cpu.save()).toString('base64'),
  };
  return { seen, again: cpu.sender?.sent ?? 0 };
}

describe.each(['in', 'out', 'mmioRead', 'mmioWrite'])('%s', (name) => {
  test.each(DEEDS)('whose device %s', (_, deed) => {
    let again = 0;
    for (let at = 1; at <= 160; at += at < 40 ? 1 : 7) {
      const short = endOf(name, at, deed, true);
      const ordinary = endOf(name, at, deed, false);
      expect(ordinary.again).toBe(0);
      expect(short.seen, `at access ${at}`).toEqual(ordinary.seen);
      again += short.again;
    }
    expect(again).toBeGreaterThan(100);
  });
});
