// SPDX-License-Identifier: GPL-2.0-only
// The same machine twice, once with the short way of IN and OUT and once without: random guest, random devices that look
// around while they are asked, shut the domain down, raise lines; and everything there is to see of either, as text.
import type { DeviceContext, IoSize } from '../../src/dm/device.ts';
import type { DeviceSpec } from '../../src/dm/registry.ts';
import { Machine } from '../../src/machine/machine.ts';
import { RunLoop } from '../../src/machine/run-loop.ts';
import { StraightIo } from '../../src/machine/straight-io.ts';
import { checkpoint } from '../../src/toolstack/checkpoint.ts';
import { Snapshot } from '../../src/toolstack/snapshot.ts';
import { Random } from '../../src/util/random.ts';
import { domain_crash } from '../../src/xen/common/domain.ts';
import { checkedLedger, doDeed, Notes, randomGuest, rest, startLedger } from './trouble.ts';

/** Of device `one`. */
const PORTS = { server: 0, first: 0x220, last: 0x227 };

/** What a device does besides answering, drawn anew for each access. Most do nothing. */
const DEEDS = [
  'shutdown',
  'crash',
  'raise',
  'lower',
  'pause',
  'unmap',
  'disable',
  'broadcast',
  'verdict',
  'throw',
  'scribble',
  'scribble',
  'scribble',
  'time',
] as const;

/** One of the two. */
class Side extends Notes {
  loop: RunLoop | null = null;

  /** Everything but scratch objects. @param atRest - with what is there only then */
  look(what: string, atRest: boolean): void {
    const { machine: m, loop } = this;
    if (m === null || loop === null) return;
    const { vcpu: v, domain: d, regs } = m;
    const { hvm_io: vio, insn } = v.arch.hvm;
    const { in_guest, is_running, sched_pending, blocked_in_xen, defer_shutdown } = v;
    const flags = { in_guest, is_running, sched_pending, blocked_in_xen, defer_shutdown };
    const servers = d.arch.hvm.ioreq_server.map((s) => [
      s?.enabled,
      s?.sv[0]?.pending,
      s?.ioreq.va === null
        ? 'no page'
        : Buffer.from(s?.ioreq.va?.bytes.subarray(0, 32) ?? []).toString('hex'),
    ]);
    const models = m.servers.map((s) => [
      s.served,
      s.abandoned,
      s.asleep,
      s.busy,
      [...s.backlog],
      s.counts,
    ]);
    const access = [regs.pending, regs.advanced, atRest ? 0 : regs.eip];
    const { io_completion, suspended, broadcast_refused } = vio;
    const all = {
      what,
      flags,
      more: [v.descheduled, v.pause_count, v.paused_for_shutdown],
      domain: [d.is_shutting_down, d.is_shut_down, d.pause_count, d.crashed, d.shutdown_code],
      io_req: vio.io_req,
      vio: { io_completion, suspended, broadcast_refused },
      mmio: atRest ? [vio.mmio_retry, vio.mmio_cache_count, vio.mmio_access] : [],
      // Between the request and its answer: only for running the instruction again.
      insn: atRest ? [insn.count, insn.answered, m.insnCpu.retired, vio.cache_enabled] : [],
      servers,
      models,
      access,
      exits: loop.exits,
      lines: m.interrupts.save(),
      irq: m.cpu.irq,
      verdict: m.verdict,
      witnesses: m.witnesses(),
      count: m.cpu.icount,
      cpu: atRest ? Buffer.from(m.cpu.save()).toString('base64') : '',
    };
    this.seen.push(JSON.stringify(all));
  }
}

function oddDevice(side: Side, seed: number, name: string, first: number, length = 8): DeviceSpec {
  const random = new Random(seed);
  const space = first > 0xffff ? 'mmio' : 'pio';
  const create = (context: DeviceContext) => {
    let value = seed >>> 0;
    const act = (): void => {
      side.look(`at ${name}`, false);
      if (random.below(150) !== 0) return;
      const machine = side.machine as Machine;
      const deed = random.pick(DEEDS);
      switch (deed) {
        case 'crash':
          if (random.below(4) === 0) domain_crash(machine.domain, 'a device model says so');
          break;
        case 'throw':
          throw new Error('a device that throws');
        case 'scribble': {
          // Another state in its own slot.
          const own = machine.servers.findIndex(
            (s) => s.bus.attachmentAt(space, first, 1) !== null,
          );
          const slots = machine.domain.arch.hvm.ioreq_server[own]?.ioreq.va;
          const { bytes } = slots ?? { bytes: new Uint8Array(32) };
          bytes[30] = ((bytes[30] ?? 0) & 0xf0) | random.pick([0, 1, 3, 7]);
          break;
        }
        case 'time':
          value ^= context.nowNs();
          break;
        default:
          doDeed(deed, machine, context, { server: 0, first, last: first + 3 }, () =>
            random.below(2),
          );
      }
    };
    return {
      name,
      read: (offset: number, size: IoSize) => {
        act();
        value = (Math.imul(value, 0x19660d) + 0x3c6ef35f + offset + size) >>> 0;
        return value;
      },
      write: (offset: number, size: IoSize, data: number) => {
        act();
        value = (value ^ Math.imul(data, 0x9e3779b1) ^ offset ^ size) >>> 0;
      },
      reset: () => {},
      sleep: () => {},
      wake: () => {},
      save: () => ({ value }),
      restore: (state: Record<string, unknown>) => {
        value = Number(state.value);
      },
      witness: () => ({ value }),
    };
  };
  const factory = { name, summary: name, defaultRange: '0x0-0x0', create };
  return { factory, range: { space, start: first, end: first + length - 1 } };
}

/** Runs one side. @returns everything seen, and how many accesses went the short way */
export function runSide(
  seed: number,
  straight: boolean,
  withBooks: boolean,
): { seen: string[]; taken: number; strings: number; again: number } {
  const side = new Side();
  const random = new Random(seed);
  const guest = randomGuest(random);
  const ledger = withBooks ? checkedLedger(side) : null;
  using machine = new Machine({
    guest,
    devices: [
      oddDevice(side, random.next(), 'one', 0x220),
      oddDevice(side, random.next(), 'two', 0x228),
      oddDevice(side, random.next(), 'latch', 0xcf8),
      oddDevice(side, random.next(), 'memory', 0xd2000, 0x1000),
    ],
    ledger,
    straight,
  });
  startLedger(ledger, machine, seed);
  const loop = new RunLoop(machine);
  side.machine = machine;
  side.loop = loop;
  const snapshot = new Snapshot(machine);
  let checkpoints = 0;
  for (let turn = 0; turn < 80 && machine.domain.crashed === null; turn++) {
    // Near its deadline the CPU looks at interrupts all the time.
    loop.deadline = machine.cpu.icount + 1 + random.below(random.below(3) === 0 ? 4000 : 120);
    try {
      side.look(loop.run(), false);
      rest(machine, random, PORTS);
      machine.vcpu.arch.hvm.hvm_io.suspended = random.below(2) === 0;
      if (!machine.domain.is_shut_down || machine.domain.crashed !== null) continue;
      checkpoints++;
      checkpoint(machine, snapshot, () => ledger?.checkpoint(checkpoints, 'random'));
      ledger?.resume(checkpoints);
      side.look('resumed', true);
    } catch (error) {
      // What a device throws ends the run, as does a slot in a state that no checkpoint can have.
      side.look(String(error), false);
      break;
    }
  }
  ledger?.drain();
  side.look('end', true);
  const { straight: way } = machine;
  const strings = way instanceof StraightIo ? way.strings : 0;
  return {
    seen: [...side.seen, ...side.heard],
    taken: way?.taken ?? 0,
    strings,
    again: machine.cpu.sender?.sent ?? 0,
  };
}
