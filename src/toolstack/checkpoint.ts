// SPDX-License-Identifier: GPL-2.0-only
// One checkpoint: pause for real, check that nothing is in flight, capture, resume.
import type { Machine } from '../machine/machine.ts';
import type { VcpuParts } from '../machine/vcpu-parts.ts';
import { BugError } from '../util/errors.ts';
import { domain_resume } from '../xen/common/domain.ts';
import { domain_pause, domain_unpause, type vcpu } from '../xen/common/sched.ts';
import { HVMIO_no_completion } from '../xen/hvm/state.ts';
import { STATE_IOREQ_NONE } from '../xen/public/hvm_ioreq.ts';
import type { Snapshot } from './snapshot.ts';

/**
 * Everything that must be true of a vCPU, vCPU 0 unless given, before a domain that is shut down may be saved; a sentence
 * each, none: all is well.
 */
export function inFlight(machine: Machine, parts: VcpuParts = machine): string[] {
  const { domain: d, servers, remote } = machine;
  const { vcpu: v, insnCpu, regs } = parts;
  const found: string[] = [];
  const want = (condition: boolean, what: string): void => {
    if (!condition) found.push(what);
  };
  const { hvm_io: vio, insn } = v.arch.hvm;
  want(d.is_shut_down, 'the domain is not shut down');
  want(v.paused_for_shutdown, 'the vCPU is not paused for the shutdown');
  want(!v.defer_shutdown, 'the vCPU still defers the shutdown');
  want(vio.io_req.state === STATE_IOREQ_NONE, 'a request is latched');
  want(vio.io_completion === HVMIO_no_completion, 'a completion is outstanding');
  want(insn.count === 0 && !insnCpu.begun, 'an instruction is half executed');
  want(!regs.pending, 'an IN or OUT is half executed');
  for (const s of d.arch.hvm.ioreq_server) {
    if (s === null || s === undefined) continue;
    want(!(s.sv[v.vcpu_id]?.pending ?? false), `server ${s.id} has a request outstanding`);
  }
  // In another thread a device model may have written anything there, at any time.
  if (remote === null) found.push(...pagesInUse(machine, v).map(({ why }) => why));
  for (const server of servers) want(!server.busy, `device model '${server.name}' is busy`);
  return found;
}

/** Shared pages that a device model has not left as one does that sleeps. */
export function pagesInUse(
  machine: Machine,
  v: vcpu = machine.vcpu,
): { server: number; why: string }[] {
  const { domain: d } = machine;
  const found: { server: number; why: string }[] = [];
  for (const s of d.arch.hvm.ioreq_server) {
    if (s === null || s === undefined || !s.enabled) continue;
    const state = s.ioreq.va?.slot(v.vcpu_id).state() ?? STATE_IOREQ_NONE;
    if (state !== STATE_IOREQ_NONE) {
      found.push({ server: s.id, why: `slot of server ${s.id} is in use (state ${state})` });
    }
    const ring = s.bufioreq.va;
    if (ring !== null && ring.read_pointer() !== ring.write_pointer()) {
      found.push({ server: s.id, why: `ring of server ${s.id} is not drained` });
    }
  }
  return found;
}

/** What an exhibit of the bug museum does wrong at a checkpoint. */
export interface CheckpointFaults {
  /** An IN or OUT that the CPU is parked on is made again, whatever became of it. */
  readonly stopReplays: boolean;
  /** Not null: a machine in motion is expected, told here, and not captured. */
  readonly inMotion: ((problems: readonly string[]) => void) | null;
}

const NO_FAULTS: CheckpointFaults = { stopReplays: false, inMotion: null };

/**
 * Captures a machine whose domain has been shut down and lets it go on.
 * @param whilePaused - runs between capture and resume: with everything standing still
 * @param faults - of an exhibit of the bug museum
 * @throws BugError when something is in flight: the capture would not be a state the guest could have been in
 */
export function checkpoint(
  machine: Machine,
  snapshot: Snapshot,
  whilePaused: () => void,
  faults: CheckpointFaults = NO_FAULTS,
): void {
  const { domain: d, servers } = machine;
  // "Shut down" is said before the registers are complete (in Xen's revisions): stop everything first.
  domain_pause(d);
  if (faults.stopReplays && machine.regs.pending) machine.regs.forget();
  machine.regs.settle();
  for (const server of servers) {
    server.drainBufferedNow();
    server.sleep();
  }
  const problems = inFlight(machine);
  if (problems.length === 0) {
    snapshot.capture(machine);
    whilePaused();
  } else if (faults.inMotion === null) {
    throw new BugError(`checkpoint of a machine in motion: ${problems.join('; ')}`);
  } else faults.inMotion(problems);
  for (const server of servers) server.wake();
  domain_resume(d);
  domain_unpause(d);
}
