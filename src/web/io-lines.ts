// SPDX-License-Identifier: GPL-2.0-only
// The guest's accesses as lines for people, as the port tells of them.
import { memoryName, portName } from '../machine/pc/port-names.ts';
import type { vcpu } from '../xen/common/sched.ts';
import { NullTracer } from '../xen/common/trace.ts';
import type { x86emul_rc } from '../xen/hvm/x86_emulate.ts';
import { IOREQ_TYPE_PIO, IOREQ_WRITE, type ioreq_t } from '../xen/public/hvm_ioreq.ts';

/** So many are kept from one look to the next. */
const MOST = 200;

/** One access, or several with the same outcome one after another. */
export interface IoLine {
  verb: 'in' | 'out' | 'read' | 'write';
  /** Port or guest-physical address, hexadecimal. */
  at: string;
  /** What is there on a PC; empty: nothing known. */
  name: string;
  /** As many digits as the access is wide; a batch's address in memory behind an @. */
  value: string;
  times: number;
  /** Nobody claims it. */
  nobody: boolean;
}

export class IoLines extends NullTracer {
  #lines: IoLine[] = [];
  #left = 0;

  override send(_v: vcpu, _serverId: number, p: ioreq_t): void {
    if (p.dir === IOREQ_WRITE) this.#add(p, false);
  }
  override response(_v: vcpu, _serverId: number, p: ioreq_t): void {
    if (p.dir !== IOREQ_WRITE) this.#add(p, false);
  }
  override internal(_v: vcpu, p: ioreq_t, handled: boolean, _rc: x86emul_rc): void {
    this.#add(p, !handled);
  }

  /** What there was since the last call. `left`: accesses that there was no room for. */
  take(): { lines: IoLine[]; left: number } {
    const taken = { lines: this.#lines, left: this.#left };
    this.#lines = [];
    this.#left = 0;
    return taken;
  }

  #add(p: ioreq_t, nobody: boolean): void {
    const port = p.type === IOREQ_TYPE_PIO;
    const verb = p.dir === IOREQ_WRITE ? (port ? 'out' : 'write') : port ? 'in' : 'read';
    const at = p.addr.toString(16).padStart(port ? 3 : 5, '0');
    const data = (p.data >>> 0).toString(16);
    // Of a batch between memory and device the request holds where in memory.
    const value = p.data_is_ptr ? `@${data}` : data.padStart(2 * p.size, '0');
    const times = Math.max(1, p.count);
    const last = this.#lines.at(-1);
    if (last?.verb === verb && last.at === at && last.value === value && last.nobody === nobody) {
      last.times += times;
      return;
    }
    if (this.#lines.length >= MOST) {
      this.#left += times;
      return;
    }
    const name = port ? portName(p.addr) : memoryName(p.addr);
    this.#lines.push({ verb, at, name, value, times, nobody });
  }
}
