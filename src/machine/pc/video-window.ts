// SPDX-License-Identifier: GPL-2.0-only
// The pages A0000-BFFFF: which of them are plain RAM and which exit to the VGA, for the CPU and for the port alike.
import type { MachineCpu } from '../../cpu/machine-cpu.ts';
import { APERTURE, APERTURE_BYTES } from '../../dm/devices/vga/memory.ts';
import type { VideoWindow } from '../../dm/devices/vga/vga.ts';
import type { domain } from '../../xen/common/sched.ts';
import { type p2m_domain, p2m_mmio_dm, p2m_ram_rw } from '../../xen/hvm/p2m.ts';

const PAGE = 4096;

export class PcVideoWindow implements VideoWindow {
  readonly ram: Uint8Array;
  readonly #p2m: p2m_domain;
  readonly #cpu: MachineCpu;

  constructor(d: domain, cpu: MachineCpu) {
    this.#p2m = d.arch.hvm.p2m;
    this.#cpu = cpu;
    this.ram = this.#p2m.ram.bytes.subarray(APERTURE, APERTURE + APERTURE_BYTES);
  }

  map(base: number, bytes: number): void {
    this.#set(0, APERTURE_BYTES, true);
    if (bytes > 0) this.#set(base, bytes, false);
  }

  wrote(base: number, bytes: number): void {
    this.#cpu.hostWrote(APERTURE + base, bytes);
  }

  #set(base: number, bytes: number, device: boolean): void {
    const first = APERTURE + base;
    this.#cpu.setDevice(first, bytes, device);
    this.#p2m.set_type(first / PAGE, bytes / PAGE, device ? p2m_mmio_dm : p2m_ram_rw);
  }
}
