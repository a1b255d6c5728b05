// SPDX-License-Identifier: GPL-2.0-only
// A guest goes into memory, and a vCPU before its first instruction.
import {
  RAX,
  RBX,
  RDX,
  RSP,
  SEG_CS,
  SEG_DS,
  SEG_ES,
  SEG_FS,
  SEG_GS,
  SEG_SS,
} from '../cpu/backend.ts';
import type { GuestRam } from '../mem/guest-ram.ts';
import type { LoadedGuest } from './loaded-guest.ts';
import type { VcpuParts } from './vcpu-parts.ts';

export function placeGuest(
  ram: GuestRam,
  { pieces, entry, pc }: LoadedGuest,
  { cpu, vcpu }: VcpuParts,
): void {
  for (const { gpa, bytes } of pieces) ram.writeBytes(gpa, bytes);
  // A PC starts at its reset vector, as it stands after power-on.
  if (pc !== null) return;
  const { regs } = cpu;
  const segment = (index: number, selector: number, code: boolean): void =>
    regs.setSegment(index, {
      selector,
      base: selector << 4,
      limit: 0xffff,
      attributes: code ? 0x9b00 : 0x9300,
    });
  segment(SEG_CS, entry.cs, true);
  segment(SEG_DS, entry.ds, false);
  segment(SEG_ES, entry.es, false);
  segment(SEG_SS, entry.ss, false);
  segment(SEG_FS, 0, false);
  segment(SEG_GS, 0, false);
  regs.setGpr(RAX, entry.ax);
  regs.setGpr(RDX, entry.dx);
  regs.setGpr(RBX, vcpu.vcpu_id);
  regs.setGpr(RSP, entry.sp);
  regs.rip = entry.ip;
  regs.rflags = entry.flags | 2;
}
