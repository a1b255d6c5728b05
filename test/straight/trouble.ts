// SPDX-License-Identifier: GPL-2.0-only
// What the pairs of machines have in common: their guest, who takes notes of them, and the trouble that devices and the
// toolstack make.
import type { DeviceContext } from '../../src/dm/device.ts';
import type { Access, EventSink, Mark, Stage } from '../../src/ledger/events.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import { LiveChecker } from '../../src/ledger/live-checker.ts';
import type { LoadedGuest } from '../../src/machine/loaded-guest.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { guestOf } from '../../src/toolstack/bench/programs.ts';
import { Random } from '../../src/util/random.ts';
import { domain_shutdown } from '../../src/xen/common/domain.ts';
import { domain_pause, domain_unpause } from '../../src/xen/common/sched.ts';
import { send_invalidate_req } from '../../src/xen/hvm/ioreq.ts';
import {
  hvm_map_io_range_to_ioreq_server,
  hvm_set_ioreq_server_state,
  hvm_unmap_io_range_from_ioreq_server,
} from '../../src/xen/hvm/ioreq_server.ts';
import { SHUTDOWN_suspend } from '../../src/xen/public/sched.ts';
import { loopOf } from './guest.ts';

const PORT_RANGE = 0;
const DOM0 = 0;

export function randomGuest(random: Random): LoadedGuest {
  return guestOf({
    name: 'random',
    unit: 'instruction',
    code: loopOf(new Random(random.next()), 20 + random.below(60)),
    roundInsns: 1,
    roundUnits: 1,
  });
}

/** Where everything of one machine is noted. */
export class Notes implements EventSink {
  readonly seen: string[] = [];
  /** Of the ledger: when a sink hears of events depends on how many fit a block. */
  readonly heard: string[] = [];
  machine: Machine | null = null;

  access(stage: Stage, seq: number, a: Access): void {
    this.heard.push(`${seq} ${stage} ${JSON.stringify(a)}`);
  }
  mark(seq: number, mark: Mark): void {
    this.heard.push(`${seq} ${JSON.stringify(mark)}`);
  }
}

export function checkedLedger(notes: Notes): Ledger {
  return new Ledger({ sinks: [notes, new LiveChecker()] });
}

export function startLedger(ledger: Ledger | null, machine: Machine, seed: number): void {
  ledger?.start({
    guest: 'random',
    revision: 'exact',
    seed,
    vcpus: 1,
    devices: machine.ledgerDevices,
  });
}

/** Ports that a server has, and at times has not. */
export interface Ports {
  server: number;
  first: number;
  last: number;
}

/** What a device may do besides answering, and every machine bears. */
export type Deed =
  | 'shutdown'
  | 'raise'
  | 'lower'
  | 'pause'
  | 'unmap'
  | 'disable'
  | 'broadcast'
  | 'verdict';

/** @param someServer - the one to disable */
export function doDeed(
  deed: Deed,
  { domain: d, vcpu: v }: Machine,
  context: DeviceContext,
  { server, first, last }: Ports,
  someServer: () => number,
): void {
  switch (deed) {
    case 'shutdown':
      domain_shutdown(d, SHUTDOWN_suspend);
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
      hvm_unmap_io_range_from_ioreq_server(d, DOM0, server, PORT_RANGE, first, last);
      break;
    case 'disable':
      hvm_set_ioreq_server_state(d, DOM0, someServer(), false);
      break;
    case 'broadcast':
      send_invalidate_req(v);
      break;
    case 'verdict':
      context.endGuest('success');
      break;
  }
}

/** What the toolstack does between two runs: it mends what devices did, and makes trouble of its own. */
export function rest(machine: Machine, random: Random, { server, first, last }: Ports): void {
  const { domain: d, servers } = machine;
  machine.verdict = null;
  while (d.pause_count > 0) domain_unpause(d);
  for (const id of servers.keys()) hvm_set_ioreq_server_state(d, DOM0, id, true);
  hvm_map_io_range_to_ioreq_server(d, DOM0, server, PORT_RANGE, first, last);
  if (random.below(6) === 0) domain_shutdown(d, SHUTDOWN_suspend);
  if (random.below(5) === 0) machine.interrupts.pulse(2);
  if (random.below(8) === 0) machine.cpu.kick();
  for (const it of servers) {
    if (it.asleep) it.wake();
    else if (random.below(40) === 0) it.sleep();
    if (random.below(25) === 0) it.event(it.connection.bufferedPort);
  }
}
