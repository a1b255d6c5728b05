// SPDX-License-Identifier: GPL-2.0-only
// The state of what a PC has inside the monitor, as an image holds it: fields, and the bounds that keep them possible.
import { z } from 'zod';
import { typistStateSchema } from './script.ts';

const int = (max: number) => z.int().min(0).max(max);
const byte = int(0xff);
/** ns of guest time. */
const time = z.int().min(0);
const flag = z.boolean();

const vpicSchema = z.strictObject({
  irr: byte,
  imr: byte,
  isr: byte,
  irq_base: byte,
  init_state: int(15),
  priority_add: int(7),
  readsel_isr: flag,
  poll: flag,
  auto_eoi: flag,
  rotate_on_auto_eoi: flag,
  special_fully_nested_mode: flag,
  special_mask_mode: flag,
  is_master: flag,
  elcr: byte,
  int_output: flag,
});

const channelSchema = z.strictObject({
  count: z.int().min(1).max(0x10000),
  latched_count: int(0xffff),
  count_latched: int(4),
  status_latched: flag,
  status: byte,
  read_state: int(4),
  write_state: int(4),
  write_latch: byte,
  rw_mode: int(3),
  mode: int(5),
  bcd: int(1),
  gate: int(1),
  count_load_time: z.int(),
  count_stop_time: time,
  stopped_time: time,
  count_register: z.int().min(1).max(0x10000),
  null_count: flag,
  stopped: flag,
  triggered: flag,
  next_load_time: z.int().min(-1),
});

export const pcStateSchema = z.strictObject({
  irq: z.strictObject({
    vpic: z
      .tuple([vpicSchema, vpicSchema])
      .refine(([one, two]) => one.is_master && !two.is_master, 'expected master and slave')
      .readonly(),
    isa_irq: int(0xffff),
  }),
  pit: z.strictObject({
    channels: z.tuple([channelSchema, channelSchema, channelSchema]).readonly(),
    speaker_data_on: int(1),
    next_ns: z.int().min(-1),
  }),
  rtc: z.strictObject({
    cmos_data: z.array(byte).length(14),
    cmos_index: int(0x7f),
    time_offset_seconds: z.int(),
    checked_ns: time,
  }),
  a20: flag,
  typist: typistStateSchema,
  /** What the guest wanted that is not there, and how often. */
  missing: z.record(z.string(), z.int().min(1)),
  /** A BIOS has begun to boot: what it looked for before is forgotten. */
  booted: flag,
});

/** Everything of the platform that is neither RAM nor a device of an ioreq server. */
export type PcState = z.infer<typeof pcStateSchema>;
