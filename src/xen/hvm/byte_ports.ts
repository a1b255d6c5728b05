// SPDX-License-Identifier: GPL-2.0-only
// Registers of one byte behind the 8-bit bus of an AT: a wider access is made of its bytes, lowest first.
// Xen has no counterpart: its vpic.c, i8254.c and rtc.c drop accesses of another width, which programs of that age make.
// Source: IBM PC/AT Technical Reference, March 1986, "System bus": the board converts 16-bit cycles to 8-bit devices.
import type { domain } from '../common/sched.ts';
import { IOREQ_WRITE } from '../public/hvm_ioreq.ts';
import { register_portio_handler } from './io_handler.ts';
import { X86EMUL_OKAY, X86EMUL_UNHANDLEABLE } from './x86_emulate.ts';

export interface byte_ports {
  read(port: number): number;
  write(port: number, value: number): void;
}

/** Ports that an access of four bytes reaches behind the one it begins at. */
const REACH = 3;

/**
 * Serves `size` ports from `first`. An access that begins there and reaches beyond them finds nobody in the rest: all
 * ones, or dropped.
 * @param beyond - how far it may reach: no other handler's port, nor a device model's
 */
export function register_byte_ports(
  d: domain,
  first: number,
  size: number,
  ports: byte_ports,
  beyond: number = REACH,
): void {
  const end = first + size;
  register_portio_handler(d, first, size + beyond, (_curr, dir, port, bytes, val) => {
    if (port >= end) return X86EMUL_UNHANDLEABLE;
    const here = Math.min(bytes, end - port);
    if (dir === IOREQ_WRITE) {
      for (let i = 0; i < here; i++) ports.write(port + i, (val.data >>> (8 * i)) & 0xff);
      return X86EMUL_OKAY;
    }
    let data = 0xffffffff;
    for (let i = 0; i < here; i++) {
      data = (data & ~(0xff << (8 * i))) | ((ports.read(port + i) & 0xff) << (8 * i));
    }
    val.data = data >>> 0;
    return X86EMUL_OKAY;
  });
}
