// SPDX-License-Identifier: GPL-2.0-only
// The 8254 interval timer inside the monitor, and port 61h: ports 40h to 43h, 61h.
// Behaviour of Xen 4.14.5 xen/arch/x86/hvm/i8254.c.
// Differences: ticks that nobody took are not made up for; the refresh clock follows guest time; mode 0 of counter 0
// interrupts at its terminal count, modes 1 and 5 never, for its gate has no edge; a counter goes on across a save exactly;
// wide accesses are bytes; counters follow the data sheet (vpit_counter.ts).
// Data sheet: Intel 8254, order number 231164-005.
import type { domain } from '../common/sched.ts';
import { register_byte_ports } from './byte_ports.ts';
import { type hvm_irq, hvm_isa_irq_assert, hvm_isa_irq_deassert } from './vpic.ts';
import {
  newChannel,
  type pit_channel,
  pit_first_byte,
  pit_get_count,
  pit_get_out,
  pit_load_count,
  pit_next_rise,
  pit_set_gate,
  pit_set_mode,
  pit_settle,
} from './vpit_counter.ts';

const RW_STATE_MSB = 2;
const RW_STATE_WORD0 = 3;
const RW_STATE_WORD1 = 4;

export interface PITState {
  readonly channels: readonly [pit_channel, pit_channel, pit_channel];
  speaker_data_on: number;
  /** Counter 0's next interrupt, ns of guest time; -1: none. */
  next_ns: number;
}

/** Counter 0's output is the interrupt line; its gate is always high. */
function schedule(pit: PITState, now: number): void {
  pit.next_ns = pit_next_rise(pit.channels[0], now);
}

function latch_count(c: pit_channel, now: number): void {
  if (c.count_latched !== 0) return;
  c.latched_count = pit_get_count(c, now);
  c.count_latched = c.rw_mode;
}

function latch_status(c: pit_channel, now: number): void {
  if (c.status_latched) return;
  const state = (pit_get_out(c, now) << 7) | (Number(c.null_count) << 6);
  c.status = state | (c.rw_mode << 4) | (c.mode << 1) | c.bcd;
  c.status_latched = true;
}

function write_control(pit: PITState, val: number, now: number): void {
  const channel = val >>> 6;
  if (channel === 3) {
    pit.channels.forEach((c, i) => {
      if ((val & (2 << i)) === 0) return;
      if ((val & 0x20) === 0) latch_count(c, now);
      if ((val & 0x10) === 0) latch_status(c, now);
    });
    return;
  }
  const c = pit.channels[channel] as pit_channel;
  if ((val & 0x30) === 0) {
    latch_count(c, now);
    return;
  }
  pit_set_mode(c, val, now);
  if (channel === 0) schedule(pit, now);
}

/** A byte to ports 40h to 43h. */
export function pit_ioport_write(pit: PITState, addr: number, val: number, now: number): void {
  settle(pit, now);
  if (addr === 3) {
    write_control(pit, val, now);
    return;
  }
  write_count(pit.channels[addr] as pit_channel, val, now);
  // What is due already is not taken back.
  if (addr === 0 && (pit.next_ns < 0 || pit.next_ns > now)) schedule(pit, now);
}

function settle(pit: PITState, now: number): void {
  for (const c of pit.channels) pit_settle(c, now);
}

function write_count(c: pit_channel, val: number, now: number): void {
  switch (c.write_state) {
    case RW_STATE_MSB:
      pit_load_count(c, val << 8, now);
      break;
    case RW_STATE_WORD0:
      c.write_latch = val;
      c.write_state = RW_STATE_WORD1;
      pit_first_byte(c, now);
      break;
    case RW_STATE_WORD1:
      pit_load_count(c, c.write_latch | (val << 8), now);
      c.write_state = RW_STATE_WORD0;
      break;
    default:
      pit_load_count(c, val, now);
  }
}

function read_latched(c: pit_channel): number {
  switch (c.count_latched) {
    case RW_STATE_MSB:
      c.count_latched = 0;
      return c.latched_count >>> 8;
    case RW_STATE_WORD0:
      c.count_latched = RW_STATE_MSB;
      return c.latched_count & 0xff;
    default:
      c.count_latched = 0;
      return c.latched_count & 0xff;
  }
}

/** A byte from ports 40h to 42h; 43h is written only. */
export function pit_ioport_read(pit: PITState, addr: number, now: number): number {
  if (addr === 3) return 0xff;
  settle(pit, now);
  const c = pit.channels[addr] as pit_channel;
  if (c.status_latched) {
    c.status_latched = false;
    return c.status;
  }
  if (c.count_latched !== 0) return read_latched(c);
  const count = pit_get_count(c, now);
  switch (c.read_state) {
    case RW_STATE_MSB:
      return count >>> 8;
    case RW_STATE_WORD0:
      c.read_state = RW_STATE_WORD1;
      return count & 0xff;
    case RW_STATE_WORD1:
      c.read_state = RW_STATE_WORD0;
      return count >>> 8;
    default:
      return count & 0xff;
  }
}

/** Bit 0: gate of counter 2. Bit 1: speaker. Bit 4 toggles as memory is refreshed. Bit 5: output of counter 2. */
export function speaker_ioport_read(pit: PITState, now: number): number {
  settle(pit, now);
  const [, , c] = pit.channels;
  const refresh_clock = Math.floor(now / 2 ** 14) & 1;
  return (pit.speaker_data_on << 1) | c.gate | (pit_get_out(c, now) << 5) | (refresh_clock << 4);
}

/** A byte to port 61h. */
export function speaker_ioport_write(pit: PITState, val: number, now: number): void {
  settle(pit, now);
  pit.speaker_data_on = (val >>> 1) & 1;
  pit_set_gate(pit.channels[2], val & 1, now);
}

/** The timer after power-on: nothing is due, counter 2 has no gate. */
export function pit_reset(): PITState {
  return {
    channels: [newChannel(1), newChannel(1), newChannel(0)],
    speaker_data_on: 0,
    next_ns: -1,
  };
}

/** Puts the timer into the domain. */
export function pit_init(d: domain): PITState {
  const pit = pit_reset();
  const now = (): number => d.host.hvm_get_guest_time(d);
  register_byte_ports(d, 0x40, 4, {
    read: (port) => pit_ioport_read(pit, port & 3, now()),
    write: (port, value) => pit_ioport_write(pit, port & 3, value, now()),
  });
  register_byte_ports(
    d,
    0x61,
    1,
    {
      read: () => speaker_ioport_read(pit, now()),
      write: (_port, value) => speaker_ioport_write(pit, value, now()),
    },
    // 64h is the keyboard controller's.
    2,
  );
  return pit;
}

/** Guest time in ns at which counter 0 next interrupts. */
export function pit_next_event(pit: PITState): number {
  return pit.next_ns < 0 ? Number.POSITIVE_INFINITY : pit.next_ns;
}

/** Time has come to `now`: counter 0 interrupts if it was due. */
export function pit_advance(pit: PITState, irq: hvm_irq, now: number): void {
  if (pit.next_ns < 0 || now < pit.next_ns) return;
  settle(pit, now);
  schedule(pit, now);
  hvm_isa_irq_deassert(irq, 0);
  hvm_isa_irq_assert(irq, 0);
}
