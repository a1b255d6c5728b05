// SPDX-License-Identifier: GPL-2.0-only
// The machine of a scenario: with the real CPU, or with a scripted one in its place.
import type { ScriptInsn } from '../cpu/script.ts';
import { ScriptedCpu } from '../cpu/scripted.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { chooseDevices } from '../machine/choose-devices.ts';
import type { LoadedGuest } from '../machine/loaded-guest.ts';
import { loadGuest } from '../machine/loader.ts';
import { Machine } from '../machine/machine.ts';
import { revisionOf } from '../toolstack/museum/index.ts';
import { HvmError } from '../util/errors.ts';
import type { Points } from '../xen/common/points.ts';
import type { Tracer } from '../xen/common/trace.ts';
import { p2m_ram_rw } from '../xen/hvm/p2m.ts';
import { extrasOf, MOST_SERVERS, type Scenario } from './scenario.ts';

/** The interrupt source stands where the guest's timer would. */
function withoutTimer(guest: LoadedGuest): LoadedGuest {
  const { timer: _, ...manifest } = guest.manifest;
  return { ...guest, manifest };
}

/**
 * @param scripts - by vCPU, for a scenario with scripted CPUs; null: the CPU is the real one
 * @throws HvmError for a guest or devices that cannot be, or that cannot be explored
 */
export function explorableMachine(
  scenario: Scenario,
  scripts: readonly (readonly ScriptInsn[])[] | null,
  listeners: { ledger: Ledger; points: Points; trace: Tracer },
): Machine {
  const { vcpus, irqs } = extrasOf(scenario);
  const loaded = loadGuest(scenario.guest, { iterations: 0, ...scenario.load });
  const guest = irqs > 0 ? withoutTimer(loaded) : loaded;
  const scripted = scenario.cpu === 'scripted' && scripts !== null;
  const isDevice = (gpa: number): boolean =>
    machine.domain.arch.hvm.p2m.type_at(gpa) !== p2m_ram_rw;
  const machine = new Machine({
    ...(scripted ? { cpu: (ram, id) => new ScriptedCpu(scripts[id] ?? [], ram, isDevice) } : {}),
    guest,
    devices: chooseDevices(guest, scenario.devices),
    revision: scenario.bug ? revisionOf(scenario.bug) : scenario.revision,
    vcpus,
    ...listeners,
  });
  try {
    checkSize(machine, vcpus, irqs);
  } catch (error) {
    machine[Symbol.dispose]();
    throw error;
  }
  return machine;
}

function checkSize({ servers, pc, guest }: Machine, vcpus: number, irqs: number): void {
  if (servers.length > MOST_SERVERS) {
    throw new HvmError(
      'HVM_USAGE',
      `${servers.length} device models: at most ${MOST_SERVERS} can be explored`,
    );
  }
  if (pc !== null && (vcpus > 1 || irqs > 0)) {
    throw new HvmError(
      'HVM_USAGE',
      `guest '${guest.name}' runs on a PC, which has interrupts and one vCPU of its own: expected no --vcpus and no --interrupts`,
    );
  }
}
