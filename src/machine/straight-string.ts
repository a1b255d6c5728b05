// SPDX-License-Identifier: GPL-2.0-only
// A REP INS or OUTS through an ioreq server on the vCPU's thread, without a step in between that nobody can look at. Only
// the usual kind: upwards, all of it in one request, its memory within one page of RAM. All else is left to the ordinary way.
import type { InsnCpu } from '../cpu/insn-cpu.ts';
import type { MachineCpu } from '../cpu/machine-cpu.ts';
import { newStringWords } from '../cpu/string-words.ts';
import type { IoSize } from '../dm/device.ts';
import { readElements, writeElements } from '../dm/elements.ts';
import type { InlineServer } from '../dm/inline-server.ts';
import type { GuestRam } from '../mem/guest-ram.ts';
import type { vcpu } from '../xen/common/sched.ts';
import { string_reps } from '../xen/hvm/emulate_rep.ts';
import { p2m_ram_rw } from '../xen/hvm/p2m.ts';
import { straight_complete, straight_send_string } from '../xen/hvm/straight.ts';
import { IOREQ_READ, IOREQ_WRITE } from '../xen/public/hvm_ioreq.ts';
import type { Target } from './straight-places.ts';

/** Nothing was done. */
export const STRING_ORDINARY = 0;
/** All of it was done: the guest goes on behind it. */
export const STRING_DONE = 1;
/** The device model has answered, and something happened meanwhile: on in the ordinary way. */
export const STRING_STIRRED = 2;

const PAGE = 4096;
/** The most elements of one request. */
const MOST = 4096;

/** What is joined here. */
export interface StraightStringParts {
  readonly vcpu: vcpu;
  readonly cpu: MachineCpu;
  readonly insnCpu: InsnCpu;
  readonly ram: GuestRam;
  /** Where an access of ports goes. */
  readonly targetOf: (isPort: boolean, addr: number, size: number) => Target | null;
  /** The vCPU waits for a device model that has accessed its device. */
  readonly goOnOrdinarily: (model: InlineServer, data: number) => void;
}

export class StraightString {
  readonly #parts: StraightStringParts;
  readonly #op = newStringWords();
  /** Of the last instruction: guests use a buffer many times. */
  #bytes: Uint8Array = new Uint8Array(0);
  #from = -1;

  constructor(parts: StraightStringParts) {
    this.#parts = parts;
  }

  /** The CPU has left the guest at the first element of an INS or OUTS; nothing is in flight, and no access is recorded. */
  take(): 0 | 1 | 2 {
    const { vcpu: v, cpu, insnCpu, ram } = this.#parts;
    const { hvm } = v.domain.arch;
    const { strings } = cpu;
    const op = this.#op;
    if (strings === null || !strings.read(op)) return STRING_ORDINARY;
    const { size, count, port } = op;
    const dir = op.op === 'ins' ? IOREQ_READ : IOREQ_WRITE;
    const gpa = dir === IOREQ_READ ? op.dstBase + op.dstIndex : op.srcBase + op.srcIndex;
    const length = count * size;
    if (!op.rep || op.df || count < 2 || count > MOST || string_reps(op) !== count) {
      return STRING_ORDINARY;
    }
    if ((gpa % PAGE) + length > PAGE || !ram.contains(gpa, length)) return STRING_ORDINARY;
    if (hvm.p2m.type_at(gpa) !== p2m_ram_rw) return STRING_ORDINARY;
    const target = this.#parts.targetOf(true, port, size);
    if (target === null) return STRING_ORDINARY;
    const { sv, slot, device, model } = target;
    if (!slot.isFree(sv.ioreq_evtchn)) return STRING_ORDINARY;

    const { stirs } = hvm;
    straight_send_string(v, sv, slot, port, size, count, dir, gpa);
    // As Xen: such a request needs no completion, so the instruction is over before the device model has it.
    strings.done();
    insnCpu.retired++;
    // Each repetition, and the look at the count that ends them.
    cpu.charge(count + 1);
    const bytes = this.#view(gpa, length);
    try {
      const offset = port - target.start;
      if (dir === IOREQ_READ) readElements(device, offset, size as IoSize, bytes);
      else writeElements(device, offset, size as IoSize, bytes);
    } finally {
      if (dir === IOREQ_READ) ram.onHostWrite?.(gpa, length);
    }
    if (hvm.stirs !== stirs || !slot.isInProcess(sv.ioreq_evtchn)) {
      this.#parts.goOnOrdinarily(model, gpa);
      return STRING_STIRRED;
    }
    model.served++;
    straight_complete(v, sv, slot, dir, gpa);
    return STRING_DONE;
  }

  #view(gpa: number, length: number): Uint8Array {
    if (this.#from !== gpa || this.#bytes.length !== length) {
      this.#from = gpa;
      this.#bytes = this.#parts.ram.bytes.subarray(gpa, gpa + length);
    }
    return this.#bytes;
  }
}
