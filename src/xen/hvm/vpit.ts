// SPDX-License-Identifier: GPL-2.0-only
// The 8254 interval timer inside the monitor, and port 61h: ports 40h to 43h, 61h.
// Behaviour of Xen 4.14.5 xen/arch/x86/hvm/i8254.c.
// Differences: ticks that nobody took are not made up for; the refresh clock follows guest time; mode 0 of counter 0
// interrupts at its terminal count; a counter of modes 2 and 3 goes on across a save exactly; wide accesses are bytes.
// Data sheet: Intel 8254, order number 231164-005.
import type { domain } from '../common/sched.ts';
import { register_byte_ports } from './byte_ports.ts';
import { type hvm_irq, hvm_isa_irq_assert, hvm_isa_irq_deassert } from './vpic.ts';

/** Hz. */
export const PIT_FREQ = 1193182;
const SYSTEM_TIME_HZ = 1e9;

const RW_STATE_MSB = 2;
const RW_STATE_WORD0 = 3;
const RW_STATE_WORD1 = 4;

/** One counter: the fields of struct hvm_hw_pit_channel, and Xen's times of it in ns. */
export interface pit_channel {
  /** 1 to 65536. */
  count: number;
  latched_count: number;
  count_latched: number;
  status_latched: boolean;
  status: number;
  read_state: number;
  write_state: number;
  write_latch: number;
  rw_mode: number;
  mode: number;
  bcd: number;
  gate: number;
  count_load_time: number;
  count_stop_time: number;
  stopped_time: number;
}

export interface PITState {
  readonly channels: readonly [pit_channel, pit_channel, pit_channel];
  speaker_data_on: number;
  /** Counter 0's next interrupt, ns of guest time; -1: none. And the time between two; 0: it comes once. */
  next_ns: number;
  period_ns: number;
}

function newChannel(gate: number): pit_channel {
  return {
    count: 0x10000,
    latched_count: 0,
    count_latched: 0,
    status_latched: false,
    status: 0,
    read_state: 0,
    write_state: 0,
    write_latch: 0,
    rw_mode: 0,
    mode: 3,
    bcd: 0,
    gate,
    count_load_time: 0,
    count_stop_time: 0,
    stopped_time: 0,
  };
}

/** `ns` in ticks of the counter, rounded down; exact where the product would not be. */
function ticks(ns: number): number {
  const seconds = Math.floor(ns / SYSTEM_TIME_HZ);
  const rest = ns - seconds * SYSTEM_TIME_HZ;
  return seconds * PIT_FREQ + Math.floor((rest * PIT_FREQ) / SYSTEM_TIME_HZ);
}

/** ns that `n` ticks take, rounded up. */
function nsOf(n: number): number {
  return Math.ceil((n * SYSTEM_TIME_HZ) / PIT_FREQ);
}

/** Ticks since the count was loaded. */
function get_count(c: pit_channel, now: number): number {
  const d = c.gate !== 0 || (c.mode & 3) === 1 ? now : c.count_stop_time;
  return ticks(Math.max(0, d - c.count_load_time - c.stopped_time));
}

function to_bcd(value: number): number {
  const v = value % 10000;
  return (
    (Math.floor(v / 1000) << 12) |
    ((Math.floor(v / 100) % 10) << 8) |
    ((Math.floor(v / 10) % 10) << 4) |
    (v % 10)
  );
}

function from_bcd(value: number): number {
  return (
    (value >>> 12) * 1000 + ((value >>> 8) & 15) * 100 + ((value >>> 4) & 15) * 10 + (value & 15)
  );
}

function pit_get_count(c: pit_channel, now: number): number {
  const d = get_count(c, now);
  const round = c.bcd === 0 ? 0x10000 : 10000;
  let counter: number;
  switch (c.mode) {
    case 0:
    case 1:
    case 4:
    case 5:
      counter = (((c.count - d) % round) + round) % round;
      break;
    case 3:
      counter = c.count - ((2 * d) % c.count);
      break;
    default:
      counter = c.count - (d % c.count);
  }
  return c.bcd === 0 ? counter & 0xffff : to_bcd(counter);
}

function pit_get_out(c: pit_channel, now: number): number {
  const d = get_count(c, now);
  switch (c.mode) {
    case 1:
      return Number(d < c.count);
    case 2:
      return Number(d % c.count !== c.count - 1);
    case 3:
      return Number(d % c.count < (c.count + 1) >> 1);
    case 4:
    case 5:
      return Number(d !== c.count);
    default:
      return Number(d >= c.count);
  }
}

/** Counter 0's interrupt follows from its mode and the time at which it was loaded. */
function start_timer(pit: PITState, now: number): void {
  const [c] = pit.channels;
  const period = nsOf(c.count);
  switch (c.mode) {
    case 2:
    case 3:
      pit.period_ns = period;
      pit.next_ns = now + period;
      break;
    default:
      pit.period_ns = 0;
      pit.next_ns = now + period;
  }
}

function stop_timer(pit: PITState): void {
  pit.next_ns = -1;
  pit.period_ns = 0;
}

function pit_load_count(pit: PITState, channel: number, val: number, now: number): void {
  const c = pit.channels[channel] as pit_channel;
  c.count_load_time = now;
  c.count_stop_time = now;
  c.stopped_time = 0;
  c.count = (c.bcd === 0 ? val : from_bcd(val)) || (c.bcd === 0 ? 0x10000 : 10000);
  if (channel === 0) start_timer(pit, now);
}

function pit_set_gate(pit: PITState, channel: number, val: number, now: number): void {
  const c = pit.channels[channel] as pit_channel;
  if (c.gate > val && (c.mode & 3) !== 1) {
    if (channel === 0) stop_timer(pit);
    c.count_stop_time = now;
  }
  if (c.gate < val) {
    if (c.mode === 0 || c.mode === 4) c.stopped_time += now - c.count_stop_time;
    else {
      // A rising edge starts the count anew.
      c.count_load_time = now;
      c.count_stop_time = now;
      c.stopped_time = 0;
    }
  }
  c.gate = val;
}

function latch_count(c: pit_channel, now: number): void {
  if (c.count_latched !== 0) return;
  c.latched_count = pit_get_count(c, now);
  c.count_latched = c.rw_mode;
}

function latch_status(c: pit_channel, now: number): void {
  if (c.status_latched) return;
  c.status = (pit_get_out(c, now) << 7) | (c.rw_mode << 4) | (c.mode << 1) | c.bcd;
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
  const access = (val >>> 4) & 3;
  if (access === 0) {
    latch_count(c, now);
    return;
  }
  c.rw_mode = access;
  c.read_state = access;
  c.write_state = access;
  c.mode = (val >>> 1) & 7;
  if (c.mode > 5) c.mode -= 4;
  c.bcd = val & 1;
  c.count_latched = 0;
  if (channel === 0) stop_timer(pit);
}

function ioport_write(pit: PITState, addr: number, val: number, now: number): void {
  if (addr === 3) {
    write_control(pit, val, now);
    return;
  }
  const c = pit.channels[addr] as pit_channel;
  switch (c.write_state) {
    case RW_STATE_MSB:
      pit_load_count(pit, addr, val << 8, now);
      break;
    case RW_STATE_WORD0:
      c.write_latch = val;
      c.write_state = RW_STATE_WORD1;
      break;
    case RW_STATE_WORD1:
      pit_load_count(pit, addr, c.write_latch | (val << 8), now);
      c.write_state = RW_STATE_WORD0;
      break;
    default:
      pit_load_count(pit, addr, val, now);
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

function ioport_read(pit: PITState, addr: number, now: number): number {
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
function speaker_ioport_read(pit: PITState, now: number): number {
  const [, , c] = pit.channels;
  const refresh_clock = Math.floor(now / 2 ** 14) & 1;
  return (pit.speaker_data_on << 1) | c.gate | (pit_get_out(c, now) << 5) | (refresh_clock << 4);
}

/** Puts the timer into the domain. */
export function pit_init(d: domain): PITState {
  const pit: PITState = {
    channels: [newChannel(1), newChannel(1), newChannel(0)],
    speaker_data_on: 0,
    next_ns: -1,
    period_ns: 0,
  };
  const now = (): number => d.host.hvm_get_guest_time(d);
  register_byte_ports(d, 0x40, 4, {
    read: (port) => ((port & 3) === 3 ? 0xff : ioport_read(pit, port & 3, now())),
    write: (port, value) => ioport_write(pit, port & 3, value, now()),
  });
  register_byte_ports(
    d,
    0x61,
    1,
    {
      read: () => speaker_ioport_read(pit, now()),
      write(_port, value) {
        pit.speaker_data_on = (value >>> 1) & 1;
        pit_set_gate(pit, 2, value & 1, now());
      },
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
  const { period_ns } = pit;
  if (period_ns === 0) pit.next_ns = -1;
  else pit.next_ns += period_ns * (1 + Math.floor((now - pit.next_ns) / period_ns));
  hvm_isa_irq_deassert(irq, 0);
  hvm_isa_irq_assert(irq, 0);
}
