// SPDX-License-Identifier: GPL-2.0-only
// Exhibits that no commit repaired: what is observed in Xen with every repair, and two that are not Xen's.
import type { MuseumBug } from './bug.ts';

export const OTHERS: readonly MuseumBug[] = [
  {
    id: 'rmw-repeat',
    commit: null,
    date: null,
    origin: 'open',
    title: 'The first access of a read-modify-write is repeated',
    story:
      'An instruction that reads a device and writes it back sends two requests. The deferral ends with the answer to the first; a shutdown that came during it pauses the vCPU there, and the write, sent by the same completion, is refused. What was known of the instruction is dropped, and after the resume it starts over: the device sees the read twice. Observation, by execution of 4.14.5 with the repair of b7e0d8978810: three requests where an instruction without a shutdown makes two.',
    modelled: 'Revision fixed as it is.',
    notModelled: 'Nothing is missing.',
    guest: 'rmw-ledger',
    base: 'fixed',
    change: {},
    cure: 'exact',
    invariant: 'exactly once',
    faults: {},
  },
  {
    id: 'emulated-in',
    commit: null,
    date: null,
    origin: 'open',
    title: 'IN run by the emulator never advances',
    story:
      'An IN can reach the instruction emulator without having been intercepted, behind a forced-emulation prefix for example. The completion left for it is that of an intercepted IN, which fills in the register and leaves the instruction pointer to its exit; there is none. The guest executes the IN again, for ever, with one device read each time. Observation, by execution of 4.14.5; no checkpoint is needed.',
    modelled:
      'Revision fixed as it is, with a guest all of whose IN and OUT go to vmexit_emulate instead of vmexit_pio.',
    notModelled: 'The prefix: the guest has none, and says in its manifest that it is meant.',
    guest: 'emulated-in',
    base: 'fixed',
    change: {},
    cure: 'exact',
    invariant: 'RIP once',
    faults: {},
  },
  {
    id: 'ins-mmio',
    commit: null,
    date: null,
    origin: 'open',
    title: 'INS from a device port into device memory crashes the domain',
    story:
      'INS whose destination is device memory makes a port read and then a memory write, both with an answer to wait for. When the write is answered, the instruction is run again from its start and asks for the port read first. That one is not in the cache of accesses already made, which holds memory accesses only; it meets the answer of the write, and the domain is crashed. Observation, by execution of 4.14.5; no checkpoint is needed.',
    modelled: 'Revision fixed as it is.',
    notModelled: 'Nothing is missing.',
    guest: 'ins-mmio',
    base: 'fixed',
    change: {},
    cure: 'exact',
    invariant: 'exactly once',
    faults: {},
  },
  {
    id: 'save-unpaused',
    commit: null,
    date: null,
    origin: 'elsewhere',
    title: 'Saving on the signal, without pausing the domain first',
    story:
      'A domain is called shut down when its last vCPU has ended its deferral, and in Xen that comes before the answer reaches the register. A toolstack that reads the registers at the signal, without pausing the domain, which waits for the vCPU to leave the hypervisor, gets an instruction pointer behind an IN and a register without its value. The guest restored from that has lost a value. Xen’s own toolstack pauses.',
    modelled:
      'The registers at the moment of the signal are compared with those of the paused domain.',
    notModelled:
      'The restore: that the saved state is none the guest could have been in is the finding.',
    guest: 'counter',
    base: 'fixed',
    change: {},
    cure: 'fixed',
    invariant: 'a saved state is one the guest could have been in',
    faults: { savesUnpaused: true },
  },
  {
    id: 'naive-stop',
    commit: null,
    date: null,
    origin: 'elsewhere',
    title: 'An emulator stopped inside an access makes it again',
    story:
      'The CPU emulator under Trapline can be asked to stop from within the callback of a device access. It then leaves in the middle of the instruction, with the instruction pointer at the start of its block: what went on is made again at the next start, the access included. Trapline parks the access instead and answers it later; this exhibit shows what happens when one does not.',
    modelled:
      'At each checkpoint a finished IN or OUT on which the CPU is still parked is taken back, so that the CPU is in front of it again.',
    notModelled:
      'Instructions of the same block before the access, which the emulator repeats as well.',
    guest: 'counter',
    base: 'exact',
    change: {},
    cure: 'exact',
    invariant: 'exactly once',
    faults: { stopReplays: true },
  },
];
