// SPDX-License-Identifier: GPL-2.0-only
// What a guest asks of the monitor besides devices: small stand-ins for parts of Xen that the port leaves out.
import type { Device, HighWord, IoSize } from '../dm/device.ts';
import type { domain } from '../xen/common/sched.ts';
import { register_mmio_handler, register_portio_handler } from '../xen/hvm/io_handler.ts';
import { hvm_select_ioreq_server, hvm_send_ioreq, send_invalidate_req } from '../xen/hvm/ioreq.ts';
import { p2m_ram_rw } from '../xen/hvm/p2m.ts';
import { X86EMUL_OKAY, X86EMUL_UNHANDLEABLE } from '../xen/hvm/x86_emulate.ts';
import { IOREQ_TYPE_COPY, IOREQ_WRITE, newIoreq } from '../xen/public/hvm_ioreq.ts';
import type { MonitorFixtures } from './guest-manifest.ts';

const PAGE = 4096;

/** Whether `addr` lies on the page at `page`. */
export function onPage(addr: number, page: number): boolean {
  return addr >= page && addr < page + PAGE;
}

/** Adds the handlers inside the monitor that `fixtures` names. */
export function addFixtures(d: domain, fixtures: MonitorFixtures): void {
  const { invalidatePort, postedPage } = fixtures;
  if (invalidatePort !== undefined) {
    // In Xen the end of a memory hypercall of the guest does this.
    register_portio_handler(d, invalidatePort, 1, (curr, dir) => {
      if (dir === IOREQ_WRITE) send_invalidate_req(curr);
      return X86EMUL_OKAY;
    });
  }
  if (postedPage !== undefined) addPostedPage(d, postedPage);
}

/** Writes to the page are posted: into the ring of its server if they can be, as Xen's VGA handler does. */
function addPostedPage(d: domain, page: number): void {
  const p = newIoreq();
  register_mmio_handler(d, {
    check: (_curr, addr) => onPage(addr, page),
    read: () => X86EMUL_UNHANDLEABLE,
    write: (curr, addr, size, data) => {
      p.type = IOREQ_TYPE_COPY;
      p.addr = addr;
      p.size = size;
      p.count = 1;
      p.dir = IOREQ_WRITE;
      p.data = data.data;
      p.data_hi = data.data_hi;
      const s = hvm_select_ioreq_server(d, p);
      return s === null ? X86EMUL_UNHANDLEABLE : hvm_send_ioreq(curr, s, p, true);
    },
  });
}

/** `device`, whose first write turns the page at `gpa` into RAM before it is answered. */
export function ramAfterWrite(device: Device, d: domain, gpa: number): Device {
  return {
    name: device.name,
    read: (offset: number, size: IoSize, high: HighWord) => device.read(offset, size, high),
    write: (offset, size, value, valueHigh) => {
      device.write(offset, size, value, valueHigh);
      d.arch.hvm.p2m.set_type(Math.floor(gpa / PAGE), 1, p2m_ram_rw);
    },
    reset: () => device.reset(),
    sleep: () => device.sleep(),
    wake: () => device.wake(),
    save: () => device.save(),
    restore: (state) => device.restore(state),
    witness: () => device.witness(),
  };
}
