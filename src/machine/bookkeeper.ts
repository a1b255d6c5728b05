// SPDX-License-Identifier: GPL-2.0-only
// Writes the ledger: gives every request an identity when it is sent, and follows it from the device to the register.
import type { InsnCpu } from '../cpu/insn-cpu.ts';
import type { MachineCpu } from '../cpu/machine-cpu.ts';
import { type AccessEvent, CONFIG_DATA } from '../dm/request.ts';
import { type Access, createAccess, FOLD_START, foldElement } from '../ledger/events.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { vcpu } from '../xen/common/sched.ts';
import { NullTracer } from '../xen/common/trace.ts';
import { hvm_io_pending } from '../xen/hvm/ioreq.ts';
import { X86EMUL_RETRY, type x86emul_rc } from '../xen/hvm/x86_emulate.ts';
import {
  IOREQ_READ,
  IOREQ_TYPE_PCI_CONFIG,
  IOREQ_TYPE_PIO,
  type ioreq_dir,
  type ioreq_t,
  STATE_IOREQ_READY,
} from '../xen/public/hvm_ioreq.ts';
import type { GuestRegs } from './guest-regs.ts';

/**
 * One vCPU's books. `issued` is recorded when a device is really accessed, `answered` when the hypervisor takes the
 * response out of the slot, `retired` when the instruction has moved past it. An access sent again shows as issued twice.
 */
export class Bookkeeper extends NullTracer {
  /** Hears that the CPU has left the guest at the first access of an instruction, and the instruction's number. */
  onBegun: ((insn: number) => void) | null = null;
  /** Hears what became of an instruction with device accesses: past them, or to be executed again. */
  onSettled: ((retired: boolean) => void) | null = null;
  /**
   * Device models may work before hvm_send_ioreq has returned: whoever lets them calls `sending()` at the point
   * `send_filled`, and what the port says of it afterwards is no news.
   */
  early = false;
  readonly #ledger: Ledger;
  readonly #cpu: MachineCpu;
  readonly #insnCpu: InsnCpu;
  readonly #regs: GuestRegs;
  /** Requests of the instruction in progress; the first `#open` are in use, the last is in flight. */
  readonly #pieces: Access[] = [];
  #open = 0;
  #insn = 0;
  #retiredBefore = 0;
  #accesses = 0;
  #lastIndex = -1;
  #granted = false;
  #digest = FOLD_START;

  constructor(ledger: Ledger, cpu: MachineCpu, insnCpu: InsnCpu, regs: GuestRegs) {
    super();
    this.#ledger = ledger;
    this.#cpu = cpu;
    this.#insnCpu = insnCpu;
    this.#regs = regs;
  }

  /** The CPU has left the guest at the first access of an instruction. */
  begin(): void {
    this.#insn = this.#cpu.icount;
    this.#retiredBefore = this.#insnCpu.retired;
    this.#open = 0;
    this.#accesses = 0;
    this.#lastIndex = -1;
    this.onBegun?.(this.#insn);
  }

  /** Whether no instruction with accesses is in progress. */
  get still(): boolean {
    return this.#open === 0;
  }

  /** Whether nobody hears of single instructions, and none is in progress: `whole()` will do. */
  get quiet(): boolean {
    return this.#open === 0 && !this.early && this.onBegun === null && this.onSettled === null;
  }

  /** The access at which the CPU stands, the only one of its instruction, was sent, served, answered and retired, with nothing in between. */
  whole(isPort: boolean, dir: ioreq_dir, addr: number, size: number, data: number): void {
    const space = isPort ? 'pio' : 'mmio';
    this.#ledger.whole(0, this.#cpu.icount, space, dir === IOREQ_READ, addr, size, data);
  }

  /** The same for an access that did not leave the guest: of an instruction before the one at which the CPU stands. */
  late(
    insn: number,
    isPort: boolean,
    dir: ioreq_dir,
    addr: number,
    size: number,
    data: number,
  ): void {
    const space = isPort ? 'pio' : 'mmio';
    this.#ledger.whole(0, insn, space, dir === IOREQ_READ, addr, size, data);
  }

  /** Forgets the instruction in progress: the machine was put back to an earlier state. */
  forget(): void {
    this.#open = 0;
    this.#lastIndex = -1;
  }

  override start_deferral(_v: vcpu, granted: boolean): void {
    this.#granted = granted;
  }

  override send(v: vcpu, _serverId: number, p: ioreq_t, rc: x86emul_rc): void {
    if (rc === X86EMUL_RETRY && this.#granted && !this.early) this.sending(v, p);
  }

  /** A request is about to be sent: from here on a device may see it. */
  sending(v: vcpu, p: ioreq_t): void {
    const a = this.#pieces[this.#open] ?? createAccess();
    this.#pieces[this.#open++] = a;
    // Pieces of one access share its index in the instruction and differ in their lane.
    const { insn } = v.arch.hvm;
    const index = insn.count - 1;
    const whole = index >= 0 ? insn.list[index] : undefined;
    if (index < 0 || index !== this.#lastIndex) this.#accesses++;
    this.#lastIndex = index;
    const split = whole !== undefined && p.count === 1 && whole.size !== p.size;
    a.vcpu = v.vcpu_id;
    a.insn = this.#insn;
    a.access = this.#accesses - 1;
    a.rep = 0;
    a.count = p.count;
    a.lane = split ? p.addr - whole.gpa : 0;
    a.whole = split ? whole.size : 0;
    // The guest reached configuration space by a port, and so does the device model.
    const configuration = p.type === IOREQ_TYPE_PCI_CONFIG;
    a.space = p.type === IOREQ_TYPE_PIO || configuration ? 'pio' : 'mmio';
    a.addr = configuration ? CONFIG_DATA + (p.addr & 3) : p.addr;
    a.size = p.size;
    a.dir = p.dir === IOREQ_READ ? 'r' : 'w';
    a.hasData = false;
    a.data = 0;
    a.data_hi = 0;
    this.#digest = FOLD_START;
  }

  /** A device was accessed: the observer of every server. */
  readonly onAccess = (event: AccessEvent): void => {
    const a = this.#pieces[this.#open - 1];
    if (this.#open === 0 || a === undefined || event.vcpu < 0) return;
    // What a device model says of another request than the one it was sent is not about this access.
    if (event.count !== a.count || (event.dir === IOREQ_READ) !== (a.dir === 'r')) return;
    if (event.count === 1) {
      a.data = event.data;
      a.data_hi = event.dataHi;
    } else {
      this.#digest = foldElement(this.#digest, event.data, event.dataHi);
      if (event.element + 1 < event.count) return;
      a.data = this.#digest;
      a.data_hi = 0;
    }
    a.hasData = event.count > 1 || a.dir === 'w';
    this.#ledger.issued(a);
  };

  override response(_v: vcpu, _serverId: number, io_req: ioreq_t): void {
    const a = this.#pieces[this.#open - 1];
    if (this.#open === 0 || a === undefined) return;
    if (a.dir === 'r' && a.count === 1) {
      a.hasData = true;
      if (io_req.state === STATE_IOREQ_READY && !io_req.data_is_ptr) {
        // What the vCPU gets, not what the device said: the two are compared.
        const mask = a.size >= 4 ? 0xffffffff : (1 << (8 * a.size)) - 1;
        a.data = (io_req.data & mask) >>> 0;
        a.data_hi = a.size === 8 ? io_req.data_hi : 0;
      }
    } else if (a.dir === 'w' && a.count === 1) a.hasData = false;
    this.#ledger.answered(a);
    if (a.dir === 'w') a.hasData = true;
  }

  /** Called before the guest goes on, and before it is captured: what has become of the instruction's accesses? */
  settle(v: vcpu): void {
    if (this.#open === 0 || hvm_io_pending(v)) return;
    if (this.#regs.pending) {
      this.#end(this.#regs.advanced);
    } else if (v.arch.hvm.insn.count === 0) {
      this.#end(this.#insnCpu.retired !== this.#retiredBefore);
    }
  }

  #end(retired: boolean): void {
    for (let i = 0; retired && i < this.#open; i++) this.#ledger.retired(this.#pieces[i] as Access);
    this.#open = 0;
    this.onSettled?.(retired);
  }
}
