// SPDX-License-Identifier: GPL-2.0-only
// The MC146818 clock inside the monitor: ports 70h and 71h, registers 0 to 13. The RAM behind them is a device model's.
// Behaviour of Xen 4.14.5 xen/arch/x86/hvm/rtc.c.
// Differences: flags of register C are worked out when somebody looks, or when an interrupt is due; no wall clock.
// Data sheet: Motorola MC146818A, 1984.
import type { domain } from '../common/sched.ts';
import { IOREQ_WRITE } from '../public/hvm_ioreq.ts';
import { calendarOf, dayNumber } from './calendar.ts';
import { register_portio_handler } from './io_handler.ts';
import { type hvm_irq, hvm_isa_irq_assert, hvm_isa_irq_deassert } from './vpic.ts';
import { X86EMUL_OKAY, X86EMUL_UNHANDLEABLE } from './x86_emulate.ts';

export const RTC_CMOS_SIZE = 14;
const RTC_IRQ = 8;
const RTC_SECONDS = 0;
const RTC_SECONDS_ALARM = 1;
const RTC_MINUTES = 2;
const RTC_MINUTES_ALARM = 3;
const RTC_HOURS = 4;
const RTC_HOURS_ALARM = 5;
const RTC_DAY_OF_WEEK = 6;
const RTC_DAY_OF_MONTH = 7;
const RTC_MONTH = 8;
const RTC_YEAR = 9;
const RTC_REG_A = 10;
const RTC_REG_B = 11;
const RTC_REG_C = 12;
const RTC_REG_D = 13;
const RTC_UIP = 0x80;
const RTC_SET = 0x80;
const RTC_PIE = 0x40;
const RTC_AIE = 0x20;
const RTC_UIE = 0x10;
const RTC_BINARY = 0x04;
const RTC_24H = 0x02;
const RTC_IRQF = 0x80;
const RTC_PF = 0x40;
const RTC_AF = 0x20;
const RTC_UF = 0x10;
const RTC_VRT = 0x80;
const SECOND_NS = 1e9;
/** The update takes the last so many ns of a second. */
const UPDATE_NS = 244_000;
const DAY_SECONDS = 86400;

/** The fields of struct hvm_hw_rtc, and Xen's offset of the guest's local time. */
export interface RTCState {
  cmos_data: number[];
  cmos_index: number;
  /** Local time when the guest started, seconds since 1970. */
  time_offset_seconds: number;
  /** Guest time in ns up to which the flags of register C are complete. */
  checked_ns: number;
}

function reg(s: RTCState, index: number): number {
  return s.cmos_data[index] ?? 0;
}

function to_bcd(s: RTCState, a: number): number {
  return (reg(s, RTC_REG_B) & RTC_BINARY) !== 0 ? a : (Math.floor(a / 10) << 4) | (a % 10);
}

function from_bcd(s: RTCState, a: number): number {
  return (reg(s, RTC_REG_B) & RTC_BINARY) !== 0 ? a : (a >>> 4) * 10 + (a & 15);
}

/** An hour register as 0 to 23. */
function convert_hour(s: RTCState, value: number): number {
  const hour = from_bcd(s, value & 0x7f);
  if ((reg(s, RTC_REG_B) & RTC_24H) !== 0) return hour;
  return (hour % 12) + ((value & 0x80) !== 0 ? 12 : 0);
}

/** Whole seconds of local time. */
function localtime(s: RTCState, now: number): number {
  return s.time_offset_seconds + Math.floor(now / SECOND_NS);
}

function rtc_copy_date(s: RTCState, now: number): void {
  const seconds = localtime(s, now);
  const { year, month, day, weekday } = calendarOf(Math.floor(seconds / DAY_SECONDS));
  const inDay = ((seconds % DAY_SECONDS) + DAY_SECONDS) % DAY_SECONDS;
  const hour = Math.floor(inDay / 3600);
  const data = s.cmos_data;
  data[RTC_SECONDS] = to_bcd(s, inDay % 60);
  data[RTC_MINUTES] = to_bcd(s, Math.floor(inDay / 60) % 60);
  data[RTC_HOURS] =
    (reg(s, RTC_REG_B) & RTC_24H) !== 0
      ? to_bcd(s, hour)
      : to_bcd(s, hour % 12 || 12) | (hour >= 12 ? 0x80 : 0);
  data[RTC_DAY_OF_WEEK] = to_bcd(s, weekday);
  data[RTC_DAY_OF_MONTH] = to_bcd(s, day);
  data[RTC_MONTH] = to_bcd(s, month);
  data[RTC_YEAR] = to_bcd(s, year % 100);
}

/** The registers become local time: the domain's offset follows. Years 70 to 99 are of the last century. */
function rtc_set_time(s: RTCState, now: number): void {
  const year = from_bcd(s, reg(s, RTC_YEAR));
  const days = dayNumber(
    year + (year < 70 ? 2000 : 1900),
    from_bcd(s, reg(s, RTC_MONTH)),
    from_bcd(s, reg(s, RTC_DAY_OF_MONTH)),
  );
  const after =
    days * DAY_SECONDS +
    convert_hour(s, reg(s, RTC_HOURS)) * 3600 +
    from_bcd(s, reg(s, RTC_MINUTES)) * 60 +
    from_bcd(s, reg(s, RTC_SECONDS));
  s.time_offset_seconds += after - localtime(s, now);
}

/** ns between two periodic interrupts, 0 for none. */
function period(s: RTCState): number {
  let code = reg(s, RTC_REG_A) & 15;
  if (code === 0) return 0;
  if (code <= 2) code += 7;
  return Math.round((2 ** (code - 1) * SECOND_NS) / 32768);
}

/** Whether the alarm registers name the second `seconds`; two high bits set in one mean any. */
function alarm_at(s: RTCState, seconds: number): boolean {
  const inDay = ((seconds % DAY_SECONDS) + DAY_SECONDS) % DAY_SECONDS;
  const fits = (index: number, value: number, hour = false): boolean => {
    const want = reg(s, index);
    if ((want & 0xc0) === 0xc0) return true;
    return (hour ? convert_hour(s, want) : from_bcd(s, want)) === value;
  };
  return (
    fits(RTC_SECONDS_ALARM, inDay % 60) &&
    fits(RTC_MINUTES_ALARM, Math.floor(inDay / 60) % 60) &&
    fits(RTC_HOURS_ALARM, Math.floor(inDay / 3600), true)
  );
}

/** Sets the flags that came due since the last look, and the interrupt if one of them is wanted. */
function catch_up(s: RTCState, irq: hvm_irq, now: number): void {
  const from = s.checked_ns;
  if (now <= from) return;
  s.checked_ns = now;
  let flags = 0;
  const every = period(s);
  if (every > 0 && Math.floor(now / every) > Math.floor(from / every)) flags |= RTC_PF;
  if ((reg(s, RTC_REG_B) & RTC_SET) === 0) {
    const last = localtime(s, now);
    const first = Math.max(localtime(s, from) + 1, last - DAY_SECONDS + 1);
    if (first <= last) flags |= RTC_UF;
    for (let second = first; second <= last && (flags & RTC_AF) === 0; second++) {
      if (alarm_at(s, second)) flags |= RTC_AF;
    }
  }
  set_flags(s, irq, flags);
}

// The enable bits of register B stand where the flags of register C do.
function set_flags(s: RTCState, irq: hvm_irq, flags: number): void {
  s.cmos_data[RTC_REG_C] = reg(s, RTC_REG_C) | flags;
  if ((flags & reg(s, RTC_REG_B) & (RTC_PIE | RTC_AIE | RTC_UIE)) === 0) return;
  s.cmos_data[RTC_REG_C] = reg(s, RTC_REG_C) | RTC_IRQF;
  hvm_isa_irq_deassert(irq, RTC_IRQ);
  hvm_isa_irq_assert(irq, RTC_IRQ);
}

function write_register(s: RTCState, irq: hvm_irq, data: number, now: number): void {
  const index = s.cmos_index;
  const set = (reg(s, RTC_REG_B) & RTC_SET) !== 0;
  switch (index) {
    case RTC_SECONDS_ALARM:
    case RTC_MINUTES_ALARM:
    case RTC_HOURS_ALARM:
      s.cmos_data[index] = data;
      break;
    case RTC_REG_A:
      s.cmos_data[index] = data & ~RTC_UIP;
      break;
    case RTC_REG_B: {
      if ((data & RTC_SET) !== 0 && !set) rtc_copy_date(s, now);
      if ((data & RTC_SET) === 0 && set) rtc_set_time(s, now);
      const raised = data & ~reg(s, RTC_REG_B) & reg(s, RTC_REG_C);
      s.cmos_data[index] = data;
      // What has happened already interrupts as soon as it may.
      set_flags(s, irq, raised & (RTC_PF | RTC_AF | RTC_UF));
      break;
    }
    case RTC_REG_C:
    case RTC_REG_D:
      break;
    default:
      if (!set) rtc_copy_date(s, now);
      s.cmos_data[index] = data;
      if (!set) rtc_set_time(s, now);
  }
}

function read_register(s: RTCState, irq: hvm_irq, now: number): number {
  const index = s.cmos_index;
  const set = (reg(s, RTC_REG_B) & RTC_SET) !== 0;
  switch (index) {
    case RTC_REG_A:
      return reg(s, index) | (!set && now % SECOND_NS >= SECOND_NS - UPDATE_NS ? RTC_UIP : 0);
    case RTC_REG_C: {
      const flags = reg(s, index);
      s.cmos_data[index] = 0;
      hvm_isa_irq_deassert(irq, RTC_IRQ);
      return flags;
    }
    default:
      if (!set) rtc_copy_date(s, now);
      return reg(s, index);
  }
}

/**
 * Puts the clock into the domain.
 * @param time_offset_seconds - local time now, seconds since 1970
 */
export function rtc_init(d: domain, irq: hvm_irq, time_offset_seconds: number): RTCState {
  const s: RTCState = {
    cmos_data: new Array<number>(RTC_CMOS_SIZE).fill(0),
    cmos_index: 0,
    time_offset_seconds,
    checked_ns: 0,
  };
  s.cmos_data[RTC_REG_A] = 0x26; // 32 kHz, an interrupt every 976 us
  s.cmos_data[RTC_REG_B] = RTC_24H;
  s.cmos_data[RTC_REG_D] = RTC_VRT;
  rtc_copy_date(s, 0);
  register_portio_handler(d, 0x70, 2, (_curr, dir, port, size, val) => {
    const write = dir === IOREQ_WRITE;
    const given = val.data;
    if ((port & 1) === 0) {
      if (write) s.cmos_index = given & 0x7f;
      if (size === 1) {
        val.data = 0xff;
        // The RAM's own latch has to hear of its registers.
        return write && s.cmos_index >= RTC_CMOS_SIZE ? X86EMUL_UNHANDLEABLE : X86EMUL_OKAY;
      }
    }
    // A word at 70h is both ports, as on an 8-bit bus; the RAM takes it in the same way.
    if (s.cmos_index >= RTC_CMOS_SIZE) return X86EMUL_UNHANDLEABLE;
    const at = port & 1 ? 0 : 8;
    const now = d.host.hvm_get_guest_time(d);
    catch_up(s, irq, now);
    if (write) write_register(s, irq, (given >>> at) & 0xff, now);
    else val.data = ((read_register(s, irq, now) << at) | (at === 0 ? 0 : 0xffff00ff)) >>> 0;
    return X86EMUL_OKAY;
  });
  return s;
}

/** Guest time in ns at which the clock next wants to interrupt. */
export function rtc_next_event(s: RTCState): number {
  const enabled = reg(s, RTC_REG_B);
  let next = Number.POSITIVE_INFINITY;
  const after = (step: number): number => (Math.floor(s.checked_ns / step) + 1) * step;
  const every = period(s);
  if ((enabled & RTC_PIE) !== 0 && every > 0) next = after(every);
  if ((enabled & RTC_SET) === 0 && (enabled & (RTC_AIE | RTC_UIE)) !== 0) {
    next = Math.min(next, after(SECOND_NS));
  }
  return next;
}

/** Time has come to `now`. */
export function rtc_advance(s: RTCState, irq: hvm_irq, now: number): void {
  if (rtc_next_event(s) <= now) catch_up(s, irq, now);
}
