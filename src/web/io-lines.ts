// SPDX-License-Identifier: GPL-2.0-only
// The guest's accesses as lines for people, as the port tells of them.
import type { vcpu } from '../xen/common/sched.ts';
import { NullTracer } from '../xen/common/trace.ts';
import type { x86emul_rc } from '../xen/hvm/x86_emulate.ts';
import { IOREQ_TYPE_PIO, IOREQ_WRITE, type ioreq_t } from '../xen/public/hvm_ioreq.ts';

/** So many are kept from one look to the next. */
const MOST = 200;

export class IoLines extends NullTracer {
  readonly #lines: string[] = [];
  #left = 0;

  override send(_v: vcpu, _serverId: number, p: ioreq_t): void {
    if (p.dir === IOREQ_WRITE) this.#add(p, p.data, '');
  }
  override response(_v: vcpu, _serverId: number, p: ioreq_t): void {
    if (p.dir !== IOREQ_WRITE) this.#add(p, p.data, '');
  }
  override internal(_v: vcpu, p: ioreq_t, handled: boolean, _rc: x86emul_rc): void {
    this.#add(p, p.data, handled ? '' : '  nobody there');
  }

  /** The lines since the last call; what there was no room for is counted. */
  take(): string[] {
    const lines = this.#lines.splice(0);
    if (this.#left > 0) lines.push(`… ${this.#left} more`);
    this.#left = 0;
    return lines;
  }

  #add(p: ioreq_t, data: number, note: string): void {
    if (this.#lines.length >= MOST) {
      this.#left++;
      return;
    }
    const port = p.type === IOREQ_TYPE_PIO;
    const verb = p.dir === IOREQ_WRITE ? (port ? 'out' : 'write') : port ? 'in ' : 'read ';
    const value = (data >>> 0).toString(16).padStart(2 * p.size, '0');
    const times = p.count > 1 ? ` x${p.count}` : '';
    this.#lines.push(`${verb} ${p.addr.toString(16).padStart(3, '0')}  ${value}${times}${note}`);
  }
}
