// SPDX-License-Identifier: GPL-2.0-only
// The pair of 8259A interrupt controllers inside the monitor: ports 20h, 21h, A0h, A1h, 4D0h, 4D1h.
// Behaviour of Xen 4.14.5 xen/arch/x86/hvm/vpic.c, and of irq.c as far as ISA lines go.
// Differences: the CPU is asked for an interrupt window instead of being kicked; no lock, no local APIC; wide accesses are bytes;
// a poll is answered by one controller alone, and bit 7 says whether there is a request.
// Data sheet: Intel 8259A, order number 231468-003.
import type { domain } from '../common/sched.ts';
import { register_byte_ports } from './byte_ports.ts';

/** One controller: the fields of struct hvm_hw_vpic. */
export interface vpic {
  /** Interrupt request, mask and in-service registers. */
  irr: number;
  imr: number;
  isr: number;
  /** Vector of line 0. */
  irq_base: number;
  /** Bits 0 to 1: ICW expected next, less one; bit 2: ICW4 follows; bit 3: no ICW3. */
  init_state: number;
  /** Line of highest priority. */
  priority_add: number;
  readsel_isr: boolean;
  poll: boolean;
  auto_eoi: boolean;
  rotate_on_auto_eoi: boolean;
  special_fully_nested_mode: boolean;
  special_mask_mode: boolean;
  readonly is_master: boolean;
  /** Edge or level, by line. */
  elcr: number;
  /** The INT pin. */
  int_output: boolean;
}

/** Both controllers and the lines of the ISA bus. */
export interface hvm_irq {
  readonly vpic: readonly [vpic, vpic];
  /** Lines that a device drives high, by bit. */
  isa_irq: number;
}

const VPIC_PRIO_NONE = 8;

function newVpic(is_master: boolean): vpic {
  return {
    irr: 0,
    imr: 0,
    isr: 0,
    irq_base: 0,
    init_state: 0,
    priority_add: 0,
    readsel_isr: false,
    poll: false,
    auto_eoi: false,
    rotate_on_auto_eoi: false,
    special_fully_nested_mode: false,
    special_mask_mode: false,
    is_master,
    elcr: is_master ? 1 << 2 : 0,
    int_output: false,
  };
}

function elcr_mask(s: vpic): number {
  return s.is_master ? 0xf8 : 0xde;
}

/** The place in the order of priority of the most urgent line in `mask`, 8 if there is none. */
function get_priority(s: vpic, mask: number): number {
  for (let prio = 0; prio < VPIC_PRIO_NONE; prio++) {
    if ((mask & (1 << ((prio + s.priority_add) & 7))) !== 0) return prio;
  }
  return VPIC_PRIO_NONE;
}

/** The line to interrupt for, -1 if there is none. */
function get_highest_priority_irq(s: vpic): number {
  const priority = get_priority(s, s.irr & ~s.imr);
  if (priority === VPIC_PRIO_NONE) return -1;
  const irq = (priority + s.priority_add) & 7;
  let mask = s.isr;
  // What is in service of the slave does not hold off the slave's own, more urgent lines.
  if (s.special_fully_nested_mode && s.is_master && irq === 2) mask &= ~(1 << 2);
  if (s.special_mask_mode) mask &= ~s.imr;
  return priority < get_priority(s, mask) ? irq : -1;
}

function update_int_output(irq: hvm_irq, s: vpic): void {
  const output = get_highest_priority_irq(s) >= 0;
  if (s.int_output === output) return;
  s.int_output = output;
  if (s.is_master) return;
  const [master] = irq.vpic;
  if (output) master.irr |= 1 << 2;
  else master.irr &= ~(1 << 2);
  update_int_output(irq, master);
}

function intack_line(irq: hvm_irq, s: vpic, line: number): void {
  const mask = 1 << line;
  // An edge is forgotten once taken.
  if ((s.elcr & mask) === 0) s.irr &= ~mask;
  if (!s.auto_eoi) s.isr |= mask;
  else if (s.rotate_on_auto_eoi) s.priority_add = (line + 1) & 7;
  update_int_output(irq, s);
}

/** The CPU acknowledges. @returns the line, 0 to 15, or -1 */
function intack(irq: hvm_irq, s: vpic): number {
  if (!s.int_output) return -1;
  const line = get_highest_priority_irq(s);
  if (line < 0) return -1;
  intack_line(irq, s, line);
  if (line !== 2 || !s.is_master) return line;
  const [, slave] = irq.vpic;
  const behind = get_highest_priority_irq(slave);
  if (behind < 0) return line;
  intack_line(irq, slave, behind);
  return 8 + behind;
}

function ocw2(s: vpic, val: number): void {
  const cmd = val >>> 5;
  switch (cmd) {
    case 0:
    case 4:
      s.rotate_on_auto_eoi = cmd === 4;
      break;
    case 1:
    case 5: {
      const priority = get_priority(s, s.special_mask_mode ? s.isr & ~s.imr : s.isr);
      if (priority === VPIC_PRIO_NONE) break;
      const line = (priority + s.priority_add) & 7;
      s.isr &= ~(1 << line);
      if (cmd === 5) s.priority_add = (line + 1) & 7;
      break;
    }
    case 3:
    case 7:
      s.isr &= ~(1 << (val & 7));
      if (cmd === 7) s.priority_add = (val + 1) & 7;
      break;
    case 6:
      s.priority_add = (val + 1) & 7;
      break;
    default:
  }
}

function icw1(s: vpic, val: number): void {
  s.irr &= s.elcr;
  s.imr = 0;
  s.isr = 0;
  s.priority_add = 0;
  s.rotate_on_auto_eoi = false;
  s.special_mask_mode = false;
  s.readsel_isr = false;
  s.poll = false;
  if ((val & 1) === 0) {
    s.auto_eoi = false;
    s.special_fully_nested_mode = false;
  }
  s.init_state = ((val & 3) << 2) | 1;
}

function ocw3(s: vpic, val: number): void {
  if ((val & 0x04) !== 0) s.poll = true;
  if ((val & 0x02) !== 0) s.readsel_isr = (val & 1) !== 0;
  if ((val & 0x40) !== 0) s.special_mask_mode = (val & 0x20) !== 0;
}

/** ICW2 to ICW4 while the controller is being set up, else the mask. */
function write_data(s: vpic, val: number): void {
  switch (s.init_state & 3) {
    case 0:
      s.imr = val;
      break;
    case 1:
      s.irq_base = val & 0xf8;
      s.init_state++;
      // With one controller alone there is no ICW3.
      if ((s.init_state & 8) !== 0) after_icw3(s);
      break;
    case 2:
      after_icw3(s);
      break;
    default:
      s.special_fully_nested_mode = (val & 0x10) !== 0;
      s.auto_eoi = (val & 0x02) !== 0;
      s.init_state = 0;
  }
}

function after_icw3(s: vpic): void {
  s.init_state++;
  if ((s.init_state & 4) === 0) s.init_state = 0;
}

function ioport_write(irq: hvm_irq, s: vpic, addr: number, val: number): void {
  if ((addr & 1) !== 0) write_data(s, val);
  else if ((val & 0x10) !== 0) icw1(s, val);
  else if ((val & 0x08) !== 0) ocw3(s, val);
  else ocw2(s, val);
  update_int_output(irq, s);
}

/** One controller alone acknowledges: bit 7, and the line, if there is a request. */
function poll(irq: hvm_irq, s: vpic): number {
  const line = get_highest_priority_irq(s);
  if (line < 0) return 0;
  intack_line(irq, s, line);
  return 0x80 | line;
}

function ioport_read(irq: hvm_irq, s: vpic, addr: number): number {
  if (s.poll) {
    s.poll = false;
    return poll(irq, s);
  }
  if ((addr & 1) !== 0) return s.imr;
  return s.readsel_isr ? s.isr : s.irr;
}

/** Both controllers after power-on, no line driven. */
export function vpic_power_on(): hvm_irq {
  return { vpic: [newVpic(true), newVpic(false)], isa_irq: 0 };
}

/** A byte to port 20h, 21h, A0h or A1h. */
export function vpic_ioport_write(irq: hvm_irq, port: number, val: number): void {
  ioport_write(irq, irq.vpic[port < 0xa0 ? 0 : 1], port, val);
}

/** A byte from one of them. */
export function vpic_ioport_read(irq: hvm_irq, port: number): number {
  return ioport_read(irq, irq.vpic[port < 0xa0 ? 0 : 1], port);
}

/** Puts both controllers into the domain. */
export function vpic_init(d: domain): hvm_irq {
  const irq = vpic_power_on();
  for (const first of [0x20, 0xa0]) {
    register_byte_ports(d, first, 2, {
      read: (port) => vpic_ioport_read(irq, port),
      write: (port, value) => vpic_ioport_write(irq, port, value),
    });
  }
  register_byte_ports(d, 0x4d0, 2, {
    read(port) {
      const s = irq.vpic[port === 0x4d0 ? 0 : 1];
      return s.elcr & elcr_mask(s);
    },
    write(port, value) {
      const s = irq.vpic[port === 0x4d0 ? 0 : 1];
      s.elcr = (value & elcr_mask(s)) | (s.is_master ? 1 << 2 : 0);
    },
  });
  return irq;
}

/** To the state after power-on; lines stay as they are driven. */
export function vpic_reset(irq: hvm_irq): void {
  for (const s of irq.vpic) Object.assign(s, newVpic(s.is_master));
}

/** A device drives an ISA line high. Idempotent. */
export function hvm_isa_irq_assert(irq: hvm_irq, isa_irq: number): void {
  const bit = 1 << isa_irq;
  if ((irq.isa_irq & bit) !== 0) return;
  irq.isa_irq |= bit;
  if (isa_irq === 2) return;
  const s = irq.vpic[isa_irq < 8 ? 0 : 1];
  s.irr |= 1 << (isa_irq & 7);
  update_int_output(irq, s);
}

/** It drives it low: a request nobody has taken is withdrawn. */
export function hvm_isa_irq_deassert(irq: hvm_irq, isa_irq: number): void {
  const bit = 1 << isa_irq;
  if ((irq.isa_irq & bit) === 0) return;
  irq.isa_irq &= ~bit;
  if (isa_irq === 2) return;
  const s = irq.vpic[isa_irq < 8 ? 0 : 1];
  s.irr &= ~(1 << (isa_irq & 7));
  update_int_output(irq, s);
}

/** Whether the master's INT pin is high. */
export function vpic_pending(irq: hvm_irq): boolean {
  return irq.vpic[0].int_output;
}

/** The CPU takes the most urgent interrupt. @returns its vector, or -1 when there is none any more */
export function vpic_ack_pending_irq(irq: hvm_irq): number {
  const line = intack(irq, irq.vpic[0]);
  if (line < 0) return -1;
  return (irq.vpic[line < 8 ? 0 : 1].irq_base + (line & 7)) & 0xff;
}
