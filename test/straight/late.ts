// SPDX-License-Identifier: GPL-2.0-only
// The same machine twice, once with accesses that stay in the guest and once with every access leaving it: random guest,
// devices of which some take writes late and publish registers, and what a guest and the devices see, as text.
import type { DeviceContext, DeviceState, IoSize } from '../../src/dm/device.ts';
import { type OffsetRange, PublishedRegister } from '../../src/dm/published.ts';
import type { DeviceSpec } from '../../src/dm/registry.ts';
import { Machine } from '../../src/machine/machine.ts';
import { RunLoop } from '../../src/machine/run-loop.ts';
import { StraightIo } from '../../src/machine/straight-io.ts';
import { checkpoint, inFlight } from '../../src/toolstack/checkpoint.ts';
import { Snapshot } from '../../src/toolstack/snapshot.ts';
import { Random } from '../../src/util/random.ts';
import { checkedLedger, doDeed, Notes, randomGuest, rest, startLedger } from './trouble.ts';

/** Of device `two`. */
const PORTS = { server: 1, first: 0x224, last: 0x22b };

/** What a device that is asked at once does besides answering, now and then. */
const DEEDS = [
  'shutdown',
  'raise',
  'lower',
  'pause',
  'unmap',
  'disable',
  'broadcast',
  'verdict',
] as const;

/** One of the two. */
export class LateSide extends Notes {
  /** What there is at a rest. */
  look(what: string): void {
    const m = this.machine;
    if (m === null) return;
    const { vcpu: v, domain: d } = m;
    const all = {
      what,
      flags: [v.in_guest, v.is_running, v.blocked_in_xen, v.defer_shutdown, v.pause_count],
      domain: [d.is_shutting_down, d.is_shut_down, d.pause_count, d.crashed],
      pending: d.arch.hvm.ioreq_server.map((s) => s?.sv[0]?.pending),
      models: m.servers.map((s) => [
        s.served,
        s.abandoned,
        s.asleep,
        s.busy,
        [...s.backlog],
        s.counts,
        s.save(),
      ]),
      waiting: rings(m),
      lines: m.interrupts.save(),
      irq: [m.cpu.irq, m.cpu.irqsTaken],
      verdict: m.verdict,
      witnesses: m.witnesses(),
      unclaimed: m.unclaimed,
      count: m.cpu.icount,
      dirty: [...m.cpu.dirty.keys()].filter((page) => m.cpu.dirty[page] !== 0),
      cpu: Buffer.from(m.cpu.save()).toString('base64'),
      ram: Buffer.from(m.ram.bytes.subarray(0, 0x3000)).toString('base64'),
    };
    this.seen.push(JSON.stringify(all));
  }
}

/** Entries that wait in each ring: outside of a stay in the guest there is none. */
export function rings(m: Machine): number[] {
  return m.domain.arch.hvm.ioreq_server.map((s) => {
    const ring = s?.bufioreq.va ?? null;
    return ring === null ? -1 : (ring.write_pointer() - ring.read_pointer()) >>> 0;
  });
}

interface Watched {
  first: number;
  length: number;
  posted?: readonly OffsetRange[];
  /** Offset of a register of four bytes that says how many writes there were. */
  count?: number;
  deeds?: boolean;
  /** Takes many writes at once. */
  many?: boolean;
}

/** Notes every access it gets, with the time, and answers something that depends on all that came before. */
function watched(side: LateSide, seed: number, name: string, how: Watched): DeviceSpec {
  const { first, length, posted = [], count = -1, deeds = false, many = false } = how;
  const random = new Random(seed);
  const create = (context: DeviceContext) => {
    let value = seed >>> 0;
    let writes = 0;
    const register = count < 0 ? null : new PublishedRegister(count, 4, 0);
    const note = (what: string): void => {
      side.seen.push(`${name} ${what} at ${many ? '' : context.nowNs()}`);
    };
    const deed = (): void => {
      if (!deeds || random.below(60) !== 0) return;
      const someServer = (): number => 1 + random.below(3);
      doDeed(random.pick(DEEDS), side.machine as Machine, context, PORTS, someServer);
    };
    const write = (offset: number, size: IoSize, data: number): void => {
      note(`w${size}@${offset}=${data}`);
      deed();
      value = (Math.imul(value ^ data, 0x9e3779b1) + offset * 8 + size) >>> 0;
      writes++;
      if (register !== null) register.value = writes;
      if ((data & 15) === 0) context.output(data & 0xff);
    };
    return {
      name,
      posted,
      published: register === null ? [] : [register],
      read: (offset: number, size: IoSize) => {
        // For the published register nobody is asked on one side.
        if (offset === count && size === 4) return writes;
        note(`r${size}@${offset}`);
        deed();
        value = (Math.imul(value, 0x19660d) + 0x3c6ef35f + offset + size) >>> 0;
        return value;
      },
      write,
      ...(many
        ? {
            writeMany: (offset: number, size: IoSize, from: Uint8Array) => {
              for (let at = 0; at < from.length; at += size) {
                let data = 0;
                for (let i = 0; i < size; i++) data |= (from[at + i] ?? 0) << (8 * i);
                write(offset, size, data >>> 0);
              }
            },
          }
        : {}),
      reset: () => {},
      sleep: () => {},
      wake: () => {},
      save: () => ({ value, writes }),
      restore: (state: DeviceState) => {
        value = Number(state.value);
        writes = Number(state.writes);
        if (register !== null) register.value = writes;
      },
      witness: () => ({ value, writes }),
    };
  };
  const factory = { name, summary: name, defaultRange: '0x0-0x0', create };
  const space = first > 0xffff ? 'mmio' : 'pio';
  return { factory, range: { space, start: first, end: first + length - 1 } };
}

/** Runs one side. @returns everything seen, and how many accesses stayed in the guest */
export function runLate(
  seed: number,
  posted: boolean,
  withBooks: boolean,
): { seen: string[]; heard: string[]; taken: number; output: number } {
  const side = new LateSide();
  const random = new Random(seed);
  const guest = randomGuest(random);
  const ledger = withBooks ? checkedLedger(side) : null;
  let output = 0;
  using machine = new Machine({
    guest,
    devices: [
      watched(side, random.next(), 'one', { first: 0x220, length: 4, deeds: true }),
      watched(side, random.next(), 'two', {
        ...{ first: 0x224, length: 8, posted: [{ first: 0, last: 3 }], count: 4 },
      }),
      watched(side, random.next(), 'many', {
        ...{ first: 0x22c, length: 6, posted: [{ first: 0, last: 5 }], many: true },
      }),
      watched(side, random.next(), 'memory', {
        ...{ first: 0xd2000, length: 0x1000, posted: [{ first: 0, last: 11 }], count: 12 },
        ...{ deeds: false, many: random.below(2) === 0 },
      }),
    ],
    ledger,
    posted,
    output: (byte) => {
      output = (Math.imul(output, 31) + byte) | 0;
    },
  });
  side.machine = machine;
  startLedger(ledger, machine, seed);
  const loop = new RunLoop(machine);
  const snapshot = new Snapshot(machine);
  let checkpoints = 0;
  for (let turn = 0; turn < 60 && machine.domain.crashed === null; turn++) {
    loop.deadline = machine.cpu.icount + 1 + random.below(200);
    side.look(loop.run());
    if (random.below(9) === 0) {
      // Somewhere else, and back.
      const [cpu, devices] = [machine.cpu.save(), machine.servers.map((s) => s.save())];
      machine.cpu.restore(cpu);
      machine.servers.forEach((s, i) => {
        s.restore(devices[i] as ReturnType<typeof s.save>);
      });
    }
    rest(machine, random, PORTS);
    if (!machine.domain.is_shut_down || machine.domain.crashed !== null) continue;
    if (inFlight(machine).length > 0) side.seen.push(inFlight(machine).join());
    checkpoints++;
    checkpoint(machine, snapshot, () => ledger?.checkpoint(checkpoints, 'random'));
    ledger?.resume(checkpoints);
    side.look('resumed');
  }
  ledger?.drain();
  side.look('end');
  const { straight } = machine;
  const taken = straight instanceof StraightIo ? (straight.posted?.taken ?? 0) : 0;
  return { seen: side.seen, heard: side.heard, taken, output };
}
