// SPDX-License-Identifier: GPL-2.0-only
// One counter of the 8254: what it counts, and its output. Behaviour of Xen 4.14.5 xen/arch/x86/hvm/i8254.c as far as the
// data sheet agrees. By the data sheet, and unlike Xen: no counting between a control word and a count; a new count in
// modes 2 and 3 waits for the end of the (half) period, in modes 1 and 5 for the gate; the first of two bytes stops mode 0;
// odd counts in mode 3; the null count bit. A count is there at once, not a clock later: an access takes no time here.
// Data sheet: Intel 8254, order number 231164-005, "Operational Description" and "Mode Definitions".

/** Hz. */
export const PIT_FREQ = 1193182;
const SYSTEM_TIME_HZ = 1e9;

/** One counter: the fields of struct hvm_hw_pit_channel, and Xen's times of it in ns. */
export interface pit_channel {
  /** What it counts from, 1 to 65536. */
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
  /** When `count` was loaded; of a half period in mode 3, when its whole one would have begun. */
  count_load_time: number;
  count_stop_time: number;
  stopped_time: number;
  /** The count register, 1 to 65536: what is loaded next. */
  count_register: number;
  /** Something written is not loaded yet. */
  null_count: boolean;
  /** Waits for a count, or for its second byte; the output is what the control word made it. */
  stopped: boolean;
  /** The gate has loaded it, in modes 1 and 5. */
  triggered: boolean;
  /** When `count_register` is loaded in modes 2 and 3; -1: nothing waits. */
  next_load_time: number;
}

/** @param gate - its level at power-on */
export function newChannel(gate: number): pit_channel {
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
    count_register: 0x10000,
    null_count: false,
    stopped: false,
    triggered: false,
    next_load_time: -1,
  };
}

/** `ns` in ticks of the counter, rounded down; exact where the product would not be. */
function ticks(ns: number): number {
  const seconds = Math.floor(ns / SYSTEM_TIME_HZ);
  const rest = ns - seconds * SYSTEM_TIME_HZ;
  return seconds * PIT_FREQ + Math.floor((rest * PIT_FREQ) / SYSTEM_TIME_HZ);
}

/** ns that `n` ticks take, rounded up: `ticks(nsOf(n))` is `n`. */
function nsOf(n: number): number {
  const seconds = Math.floor(n / PIT_FREQ);
  const rest = n - seconds * PIT_FREQ;
  return seconds * SYSTEM_TIME_HZ + Math.ceil((rest * SYSTEM_TIME_HZ) / PIT_FREQ);
}

/** A square wave is high for the first half of its period; of an odd count that is the longer one. */
const highHalf = (count: number): number => (count + 1) >> 1;

function isPeriodic({ mode }: pit_channel): boolean {
  return mode === 2 || mode === 3;
}

/** The gate's edge loads them; its level stops the others. */
function isTriggered({ mode }: pit_channel): boolean {
  return mode === 1 || mode === 5;
}

/** Ticks since the count was loaded. */
function get_count(c: pit_channel, now: number): number {
  const counts = !c.stopped && (c.gate !== 0 || isTriggered(c));
  const d = counts ? now : c.count_stop_time;
  return ticks(Math.max(0, d - c.count_load_time - c.stopped_time));
}

function load(c: pit_channel, at: number): void {
  c.count = c.count_register;
  c.count_load_time = at;
  c.count_stop_time = at;
  c.stopped_time = 0;
  c.null_count = false;
  c.next_load_time = -1;
}

/** The waiting count begins with the low half of its square wave. */
function loadsAtHalf(c: pit_channel): boolean {
  return get_count(c, c.next_load_time) % c.count !== 0;
}

/** A count that waited for the end of its period is loaded if that has come by `now`. Before anything else is asked. */
export function pit_settle(c: pit_channel, now: number): void {
  const at = c.next_load_time;
  if (at < 0 || now < at) return;
  const half = loadsAtHalf(c);
  load(c, at);
  if (half) c.count_load_time = at - nsOf(highHalf(c.count));
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

function counting(c: pit_channel, now: number): number {
  const d = get_count(c, now);
  const round = c.bcd === 0 ? 0x10000 : 10000;
  if (c.mode === 2) return c.count - (d % c.count);
  if (c.mode !== 3) return (((c.count - d) % round) + round) % round;
  // By twos, from an even number, twice a period.
  const high = highHalf(c.count);
  const inPeriod = d % c.count;
  return c.count - (c.count & 1) - 2 * (inPeriod < high ? inPeriod : inPeriod - high);
}

/** The counting element as it is read. */
export function pit_get_count(c: pit_channel, now: number): number {
  const counter = counting(c, now);
  return c.bcd === 0 ? counter & 0xffff : to_bcd(counter);
}

/** The output, 0 or 1. */
export function pit_get_out(c: pit_channel, now: number): number {
  if (c.stopped) return Number(c.mode !== 0);
  const d = get_count(c, now);
  switch (c.mode) {
    case 1:
      return Number(!c.triggered || d >= c.count);
    case 2:
      return Number(c.gate === 0 || d % c.count !== c.count - 1);
    case 3:
      return Number(c.gate === 0 || d % c.count < highHalf(c.count));
    case 4:
      return Number(d !== c.count);
    case 5:
      return Number(!c.triggered || d !== c.count);
    default:
      return Number(d >= c.count);
  }
}

/** It keeps what it has counted to, and waits. */
function freeze(c: pit_channel, now: number): void {
  c.count = counting(c, now) || (c.bcd === 0 ? 0x10000 : 10000);
  c.count_load_time = now;
  c.count_stop_time = now;
  c.stopped_time = 0;
  c.next_load_time = -1;
  c.stopped = true;
  c.null_count = true;
}

/** A control word for this counter, not a latch command. */
export function pit_set_mode(c: pit_channel, val: number, now: number): void {
  freeze(c, now);
  const access = (val >>> 4) & 3;
  c.rw_mode = access;
  c.read_state = access;
  c.write_state = access;
  c.mode = (val >>> 1) & 7;
  if (c.mode > 5) c.mode -= 4;
  c.bcd = val & 1;
  c.count_latched = 0;
  c.triggered = false;
}

/** The first of two bytes of a count. */
export function pit_first_byte(c: pit_channel, now: number): void {
  if (c.mode === 0) freeze(c, now);
}

/** A whole count is written. */
export function pit_load_count(c: pit_channel, val: number, now: number): void {
  c.count_register = (c.bcd === 0 ? val : from_bcd(val)) || (c.bcd === 0 ? 0x10000 : 10000);
  c.null_count = true;
  const first = c.stopped;
  if (first) {
    c.stopped = false;
    // Until the gate loads it, it counts on from what it had come to.
    c.stopped_time = now - c.count_load_time;
  }
  if (isTriggered(c)) return;
  if (first || !isPeriodic(c)) load(c, now);
  else if (c.gate !== 0 && c.next_load_time < 0) c.next_load_time = periodEnd(c, now);
}

/** Where the output next changes after the strobe, or at the end of half a square wave. */
function periodEnd(c: pit_channel, now: number): number {
  const d = get_count(c, now);
  const inPeriod = d % c.count;
  const high = highHalf(c.count);
  const end = c.mode === 3 && inPeriod < high ? high : c.count;
  return c.count_load_time + c.stopped_time + nsOf(d - inPeriod + end);
}

export function pit_set_gate(c: pit_channel, val: number, now: number): void {
  if (c.gate > val && !isTriggered(c) && !c.stopped) {
    c.count_stop_time = now;
    c.next_load_time = -1;
  }
  if (c.gate < val && !c.stopped) {
    if (isPeriodic(c)) load(c, now);
    else if (isTriggered(c)) {
      load(c, now);
      c.triggered = true;
    } else c.stopped_time += now - c.count_stop_time;
  }
  c.gate = val;
}

/** Guest time in ns at which the output next rises by counting, -1: never. */
export function pit_next_rise(c: pit_channel, now: number): number {
  if (c.stopped || c.gate === 0) return -1;
  if (c.next_load_time >= 0) {
    const next = c.count_register;
    return c.next_load_time + (loadsAtHalf(c) ? nsOf(next - highHalf(next)) : 0);
  }
  const at = (n: number): number => c.count_load_time + c.stopped_time + nsOf(n);
  const d = get_count(c, now);
  switch (c.mode) {
    case 0:
      return d < c.count ? at(c.count) : -1;
    case 2:
    case 3:
      return at(c.count * (Math.floor(d / c.count) + 1));
    case 4:
      return d <= c.count ? at(c.count + 1) : -1;
    default:
      return -1;
  }
}
