// SPDX-License-Identifier: GPL-2.0-only
// The sentences of a chart of lanes: one row for each thing that can happen to an access.
import type { Lane, LaneEvent, LaneMark } from '../ledger/lanes.ts';
import { X86EMUL_NAMES, X86EMUL_RETRY } from '../xen/hvm/x86_emulate.ts';
import { IOREQ_READ } from '../xen/public/hvm_ioreq.ts';
import { type Moment, requestWords, valueWords } from './moments.ts';

/** An event without what is read off the moment: state and ledger. */
export interface Row {
  lanes: readonly [Lane, Lane | null];
  label: string;
  text: string;
  xen: string;
  mark?: LaneMark;
  parts?: NonNullable<LaneEvent['parts']>;
}

const SENT_UNNOTICED: NonNullable<LaneEvent['parts']> = {
  books: 'Nothing was sent; the instruction will run again.',
  world: 'The request is in the slot; the device model will serve it.',
};

export const DEVICE_ANSWER: Row = {
  lanes: ['device', 'vcpu'],
  label: 'RESP_READY',
  text: 'The device model puts the answer into the slot and signals the vCPU.',
  xen: '',
};
export const UNDEFER: Row = {
  lanes: ['vcpu', null],
  label: 'undefer',
  text: 'The I/O is over: the vCPU may be stopped again.',
  xen: 'vcpu_end_shutdown_deferral',
};
export const PAUSED: Row = {
  lanes: ['vcpu', null],
  label: 'paused',
  text: 'The vCPU is paused for the shutdown.',
  xen: 'vcpu_check_shutdown',
};
export const SHUT_DOWN: Row = {
  lanes: ['vcpu', 'toolstack'],
  label: 'shut down',
  text: 'Every vCPU is paused: the domain is shut down, and the toolstack is told.',
  xen: '__domain_finalise_shutdown',
};
/** Xen with the fix, a shutdown under way, and the request sent all the same. */
export const STILL_EXPECTED: Row = {
  lanes: ['vcpu', null],
  label: 'sent',
  text: 'Was this send refused? No: the answer stays expected.',
  xen: 'hvmemul_do_io',
  mark: 'decides',
};
export const FORGOTTEN: Row = {
  lanes: ['vcpu', null],
  label: 'forgotten',
  text: 'Is the domain shutting down? Yes: the send is taken for refused, and no answer is expected any more.',
  xen: 'hvmemul_do_io',
  mark: 'parts',
  parts: SENT_UNNOTICED,
};
export const RETIRED: Row = {
  lanes: ['vcpu', 'guest'],
  label: 'retired',
  text: 'The instruction is done; the guest goes on behind it.',
  xen: '',
};

export function exitRow(request: Moment | undefined, again: boolean): Row {
  const what = request === undefined ? 'a device access' : `a ${requestWords(request.p)}`;
  const once = again ? ', once more' : '';
  return {
    lanes: ['guest', 'vcpu'],
    label: 'exit',
    text: `The guest executes an instruction that makes ${what}${once}; the CPU leaves the guest.`,
    xen: 'vmx_vmexit_handler',
  };
}

export function deferralRow(granted: boolean): Row {
  const asks = 'The vCPU asks not to be stopped until its I/O is over:';
  return {
    lanes: ['vcpu', null],
    label: granted ? 'granted' : 'refused',
    text: `${asks} ${granted ? 'granted' : 'refused, a shutdown was first. Nothing is sent'}.`,
    xen: 'vcpu_start_shutdown_deferral',
  };
}

export function sendRow(request: Moment, again: boolean): Row {
  return {
    lanes: ['vcpu', 'device'],
    label: 'READY',
    text: `The request (${requestWords(request.p)}) goes into the slot, and the device model is signalled.`,
    xen: 'hvm_send_ioreq',
    mark: again ? 'again' : null,
  };
}

/** @param served - whether a device has served something of this instruction already */
export function withdrawnRow(served: boolean): Row {
  return {
    lanes: ['vcpu', null],
    label: 'withdrawn',
    text: 'Nothing was sent: the request is withdrawn, the instruction will run again.',
    xen: 'hvmemul_do_io',
    ...(served
      ? {
          mark: 'parts',
          parts: {
            books: 'The instruction has not been done; it will run again from its start.',
            world: 'A device has served an earlier access of it.',
          },
        }
      : {}),
  };
}

export function accessRow(m: Moment, again: boolean): Row {
  const read = m.p.dir === IOREQ_READ;
  const value = valueWords(m);
  const times = m.lastElement > m.element ? ` (${m.lastElement - m.element + 1} elements)` : '';
  const twice = again ? ': the same access, for another time' : '';
  return {
    lanes: ['device', null],
    label: read ? `gives ${value}` : `takes ${value}`,
    text: `Device ${m.name} ${read ? 'is read and gives' : 'is written'} ${value}${times}${twice}.`,
    xen: '',
    mark: again ? 'again' : null,
  };
}

/** @param lost - the value that nobody will see; null: none */
export function responseRow(m: Moment, thrown: boolean, lost: string | null): Row {
  const what = m.p.dir === IOREQ_READ ? 'The answer' : 'The word that the write is done';
  const gone = lost === null ? '' : `, and ${lost} is lost`;
  return {
    lanes: ['vcpu', null],
    label: thrown ? 'thrown away' : 'taken',
    text: thrown
      ? `${what} is taken out of the slot. Nobody expects it: it is thrown away${gone}.`
      : `${what} is taken out of the slot.`,
    xen: 'hvm_wait_for_io',
    mark: lost === null ? null : 'lost',
  };
}

export function registerRow(value: string): Row {
  return {
    lanes: ['vcpu', 'guest'],
    label: `EAX = ${value}`,
    text: 'The completion writes the answer into the register.',
    xen: 'handle_pio',
  };
}

export function resultRow(m: Moment): Row {
  return {
    lanes: ['vcpu', null],
    label: X86EMUL_NAMES[m.rc],
    text:
      m.rc === X86EMUL_RETRY
        ? 'The result is RETRY: sent, an answer is to come; or not sent, run again. The caller has to know which.'
        : `The result is ${X86EMUL_NAMES[m.rc]}.`,
    xen: 'hvmemul_do_pio_buffer',
  };
}

/** What `handle_pio` makes of RETRY while a shutdown is under way. */
export function decisionRow(moved: boolean, asksForRefusal: boolean): Row {
  const text = asksForRefusal
    ? `Was this send refused? ${moved ? 'No: RIP moves on, the answer will follow' : 'Yes: RIP stays at the instruction'}.`
    : `Is the domain shutting down? Yes: the send is taken for refused, and RIP ${moved ? 'moves on' : 'stays at the instruction'}.`;
  return {
    lanes: ['vcpu', 'guest'],
    label: moved ? 'RIP moves on' : 'RIP stays',
    text,
    xen: 'handle_pio',
    ...(moved ? { mark: 'decides' } : { mark: 'parts', parts: SENT_UNNOTICED }),
  };
}

export function shutdownRow(m: Moment): Row {
  const at = m.where === '' ? '' : ` (${m.where})`;
  const defers = m.deferring
    ? 'The vCPU defers, so it is not stopped yet.'
    : 'The vCPU does not defer.';
  return {
    lanes: ['toolstack', 'vcpu'],
    label: 'suspend',
    text: `The toolstack asks the domain to shut down, for checkpoint ${m.n}; it lands in window '${m.name}'${at}. ${defers}`,
    xen: 'domain_shutdown',
    mark: 'shutdown',
  };
}

export function resumeRow(m: Moment): Row {
  return {
    lanes: ['toolstack', 'vcpu'],
    label: 'resume',
    text: `Checkpoint ${m.n} is captured, and the domain goes on.`,
    xen: 'domain_resume',
    mark: 'checkpoint',
  };
}

export function notDoneRow(lost: string | null): Row {
  const gone = lost === null ? '' : `, and the ${lost} it has read is lost`;
  return {
    lanes: ['vcpu', 'guest'],
    label: 'not done',
    text: `RIP is still at the instruction: it will be executed again${gone}.`,
    xen: '',
    mark: lost === null ? null : 'lost',
  };
}
