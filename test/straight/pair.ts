// SPDX-License-Identifier: GPL-2.0-only
// The same machine twice, once with the short way of IN and OUT and once without: random guest, random devices that look
// around while they are asked, shut the domain down, raise lines; and everything there is to see of either, as text.
import type { DeviceContext, IoSize } from '../../src/dm/device.ts';
import type { DeviceSpec } from '../../src/dm/registry.ts';
import type { Access, EventSink, Mark, Stage } from '../../src/ledger/events.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import { LiveChecker } from '../../src/ledger/live-checker.ts';
import { Machine } from '../../src/machine/machine.ts';
import { RunLoop } from '../../src/machine/run-loop.ts';
import { StraightIo } from '../../src/machine/straight-io.ts';
import { guestOf } from '../../src/toolstack/bench/programs.ts';
import { checkpoint } from '../../src/toolstack/checkpoint.ts';
import { Snapshot } from '../../src/toolstack/snapshot.ts';
import { Random } from '../../src/util/random.ts';
import { domain_crash, domain_shutdown } from '../../src/xen/common/domain.ts';
import { domain_pause, domain_unpause } from '../../src/xen/common/sched.ts';
import { send_invalidate_req } from '../../src/xen/hvm/ioreq.ts';
import {
  hvm_map_io_range_to_ioreq_server,
  hvm_set_ioreq_server_state,
  hvm_unmap_io_range_from_ioreq_server,
} from '../../src/xen/hvm/ioreq_server.ts';
import { loopOf } from './guest.ts';

const SHUTDOWN_suspend = 2;
const PORT_RANGE = 0;
const DOM0 = 0;

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
  'time',
] as const;

/** Where everything of one side is noted. */
class Side implements EventSink {
  readonly seen: string[] = [];
  /** Of the ledger: when a sink hears of events depends on how many fit a block. */
  readonly heard: string[] = [];
  machine: Machine | null = null;
  loop: RunLoop | null = null;

  access(stage: Stage, seq: number, a: Access): void {
    this.heard.push(`${seq} ${stage} ${JSON.stringify(a)}`);
  }
  mark(seq: number, mark: Mark): void {
    this.heard.push(`${seq} ${JSON.stringify(mark)}`);
  }

  /** Everything but scratch objects. @param also - what is there only at a rest */
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
  const create = (context: DeviceContext) => {
    let value = seed >>> 0;
    const deed = (): void => {
      side.look(`at ${name}`, false);
      if (random.below(150) !== 0) return;
      const m = side.machine as Machine;
      const { domain: d, vcpu: v } = m;
      switch (random.pick(DEEDS)) {
        case 'shutdown':
          domain_shutdown(d, SHUTDOWN_suspend);
          break;
        case 'crash':
          if (random.below(4) === 0) domain_crash(d, 'a device model says so');
          break;
        case 'raise':
          context.raiseIrq(3);
          break;
        case 'lower':
          context.lowerIrq(3);
          break;
        case 'pause':
          domain_pause(d);
          break;
        case 'unmap':
          hvm_unmap_io_range_from_ioreq_server(d, DOM0, 0, PORT_RANGE, first, first + 3);
          break;
        case 'disable':
          hvm_set_ioreq_server_state(d, DOM0, random.below(2), false);
          break;
        case 'broadcast':
          send_invalidate_req(v);
          break;
        case 'verdict':
          context.endGuest('success');
          break;
        case 'throw':
          throw new Error('a device that throws');
        case 'scribble': {
          // Another state in its own slot.
          const { bytes } = d.arch.hvm.ioreq_server[0]?.ioreq.va ?? { bytes: new Uint8Array(32) };
          bytes[30] = ((bytes[30] ?? 0) & 0xf0) | random.pick([0, 1, 3, 7]);
          break;
        }
        case 'time':
          value ^= context.nowNs();
          break;
      }
    };
    return {
      name,
      read: (offset: number, size: IoSize) => {
        deed();
        value = (Math.imul(value, 0x19660d) + 0x3c6ef35f + offset + size) >>> 0;
        return value;
      },
      write: (offset: number, size: IoSize, data: number) => {
        deed();
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
  const space = first > 0xffff ? 'mmio' : 'pio';
  return { factory, range: { space, start: first, end: first + length - 1 } };
}

/** Runs one side. @returns everything seen, and how many accesses went the short way */
export function runSide(
  seed: number,
  straight: boolean,
  withBooks: boolean,
): { seen: string[]; taken: number; strings: number } {
  const side = new Side();
  const random = new Random(seed);
  const guest = guestOf({
    name: 'random',
    unit: 'instruction',
    code: loopOf(new Random(random.next()), 20 + random.below(60)),
    roundInsns: 1,
    roundUnits: 1,
  });
  const ledger = withBooks ? new Ledger({ sinks: [side, new LiveChecker()] }) : null;
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
  ledger?.start({
    guest: 'random',
    revision: 'exact',
    seed,
    vcpus: 1,
    devices: machine.ledgerDevices,
  });
  const loop = new RunLoop(machine);
  side.machine = machine;
  side.loop = loop;
  const snapshot = new Snapshot(machine);
  let checkpoints = 0;
  for (let turn = 0; turn < 80 && machine.domain.crashed === null; turn++) {
    loop.deadline = machine.cpu.icount + 1 + random.below(120);
    try {
      side.look(loop.run(), false);
      rest(machine, random);
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
  return { seen: [...side.seen, ...side.heard], taken: way?.taken ?? 0, strings };
}

/** What the toolstack does between two runs. */
function rest(machine: Machine, random: Random): void {
  const { domain: d } = machine;
  machine.verdict = null;
  while (d.pause_count > 0) domain_unpause(d);
  for (const id of [0, 1]) hvm_set_ioreq_server_state(d, DOM0, id, true);
  hvm_map_io_range_to_ioreq_server(d, DOM0, 0, PORT_RANGE, 0x220, 0x227);
  if (random.below(6) === 0) domain_shutdown(d, SHUTDOWN_suspend);
  if (random.below(5) === 0) machine.interrupts.pulse(2);
  if (random.below(8) === 0) machine.cpu.kick();
  machine.vcpu.arch.hvm.hvm_io.suspended = random.below(2) === 0;
  for (const server of machine.servers) {
    if (server.asleep) server.wake();
    else if (random.below(40) === 0) server.sleep();
    if (random.below(25) === 0) server.event(server.connection.bufferedPort);
  }
}
