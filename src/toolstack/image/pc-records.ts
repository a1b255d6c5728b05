// SPDX-License-Identifier: GPL-2.0-only
// PIC, ISA_IRQ, PIT and RTC of an HVM context, as Xen lays them out. Our own state restores a PC, for Xen's records do not
// hold times; its records say the same by name, and are held against it.
import type { PcState } from '../../machine/pc/state.ts';
import type { HvmRecord, HvmRecordCodec } from './record-codec.ts';

const HVM_PIC = 3;
const HVM_ISA_IRQ = 8;
const HVM_PIT = 10;
const HVM_RTC = 11;
const CHANNEL_BYTES = 16;

function bits(...flags: boolean[]): number {
  return flags.reduce((value, flag, i) => value | (flag ? 1 << i : 0), 0);
}

function encodePic(s: PcState['irq']['vpic'][number]): Uint8Array {
  return Uint8Array.of(
    s.irr,
    s.imr,
    s.isr,
    s.irq_base,
    s.init_state | (s.priority_add << 4),
    bits(
      s.readsel_isr,
      s.poll,
      s.auto_eoi,
      s.rotate_on_auto_eoi,
      s.special_fully_nested_mode,
      s.special_mask_mode,
      s.is_master,
    ),
    s.elcr,
    Number(s.int_output),
  );
}

function encodePit(pit: PcState['pit']): Uint8Array {
  const body = new Uint8Array(3 * CHANNEL_BYTES + 8);
  const v = new DataView(body.buffer);
  pit.channels.forEach((c, i) => {
    const at = i * CHANNEL_BYTES;
    v.setUint32(at, c.count, true);
    v.setUint16(at + 4, c.latched_count, true);
    const { count_latched, status, read_state, write_state, write_latch, rw_mode } = c;
    const rest = [count_latched, Number(c.status_latched), status, read_state, write_state];
    body.set([...rest, write_latch, rw_mode, c.mode, c.bcd, c.gate], at + 6);
  });
  v.setUint32(3 * CHANNEL_BYTES, pit.speaker_data_on, true);
  return body;
}

function encodeRtc(rtc: PcState['rtc']): Uint8Array {
  const body = new Uint8Array(24);
  body.set(rtc.cmos_data);
  body[14] = rtc.cmos_index;
  new DataView(body.buffer).setBigInt64(16, BigInt(rtc.time_offset_seconds), true);
  return body;
}

function encodeIsa(irq: PcState['irq']): Uint8Array {
  return Uint8Array.of(irq.isa_irq & 0xff, irq.isa_irq >>> 8, 0, 0, 0, 0, 0, 0);
}

function codec(
  code: number,
  name: string,
  bytes: number,
  bodies: (state: PcState) => Uint8Array[],
): HvmRecordCodec {
  const records = (state: PcState | undefined): HvmRecord[] =>
    state === undefined ? [] : bodies(state).map((body, instance) => ({ code, instance, body }));
  return {
    code,
    save: (machine) => records(machine.pc?.save()),
    problem: (body) =>
      body.length === bytes ? null : `${body.length} bytes of ${name}: expected ${bytes}`,
    restore: (machine, saved) => {
      const mine = records(machine.pc?.save());
      const same =
        mine.length === saved.length &&
        mine.every((m) =>
          saved.some((s) => s.instance === m.instance && Buffer.compare(s.body, m.body) === 0),
        );
      return same ? null : `the ${name} record and the saved platform are not of the same moment`;
    },
  };
}

/** By number, as they are written. */
export const PC_RECORDS: readonly HvmRecordCodec[] = [
  codec(HVM_PIC, 'PIC', 8, ({ irq }) => irq.vpic.map(encodePic)),
  codec(HVM_ISA_IRQ, 'ISA_IRQ', 8, ({ irq }) => [encodeIsa(irq)]),
  codec(HVM_PIT, 'PIT', 56, ({ pit }) => [encodePit(pit)]),
  codec(HVM_RTC, 'RTC', 24, ({ rtc }) => [encodeRtc(rtc)]),
];
