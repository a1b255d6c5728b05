// SPDX-License-Identifier: GPL-2.0-only
// Two machines at the same place: is the screen the same, memory, registers, devices?
import type { Frame } from '../../dm/devices/vga/frame.ts';
import { textLines } from '../../dm/devices/vga/text.ts';
import type { Machine } from '../../machine/machine.ts';
import { hex } from '../../util/hex.ts';
import { saveRecords } from '../image/hvm-records.ts';

/** What can differ at the end. */
export type EndAspect =
  | 'stop'
  | 'screen'
  | 'memory'
  | 'registers'
  | 'devices'
  | 'output'
  | 'accesses';

export interface EndDifference {
  readonly aspect: EndAspect;
  /** The first of it, in a sentence. */
  readonly message: string;
}

/** Two machines that stand still, at the same instruction count. @param plain - the undisturbed one */
export function endDifferences(plain: Machine, here: Machine): EndDifference[] {
  for (const machine of [plain, here]) machine.regs.settle();
  const found: EndDifference[] = [];
  const look = (aspect: EndAspect, message: string | null): void => {
    if (message !== null) found.push({ aspect, message });
  };
  if (plain.pc !== null && here.pc !== null) {
    look('screen', screens(plain.pc.vga.frame(), here.pc.vga.frame()));
  }
  look('memory', memories(plain.ram.bytes, here.ram.bytes));
  look('registers', registers(plain, here));
  look('devices', devices(plain, here));
  return found;
}

function screens(plain: Frame, here: Frame): string | null {
  if (plain.kind !== here.kind) return `undisturbed ${plain.kind}, here ${here.kind}`;
  const bytes = (f: Frame): Uint8Array => (f.kind === 'text' ? f.cells : f.indices);
  const [a, b] = [bytes(plain), bytes(here)];
  const at = firstDifference(a, b);
  const colours = firstDifference(
    new Uint8Array(plain.palette.buffer),
    new Uint8Array(here.palette.buffer),
  );
  if (at < 0) return colours < 0 ? null : 'the colours of the palette differ';
  if (plain.kind === 'pixels') return `pixel ${at}: undisturbed ${a[at]}, here ${b[at]}`;
  const row = Math.floor(at / (2 * plain.columns));
  const line = (frame: Frame): string => textLines(frame)[row] ?? '';
  return `row ${row}: undisturbed '${line(plain)}', here '${line(here)}'`;
}

function memories(plain: Uint8Array, here: Uint8Array): string | null {
  const at = firstDifference(plain, here);
  if (at < 0) return null;
  let count = 0;
  for (let i = at; i < plain.length; i++) if (plain[i] !== here[i]) count++;
  return `${count} ${count === 1 ? 'byte' : 'bytes'}, the first at ${hex(at)}: undisturbed ${hex(plain[at] ?? 0)}, here ${hex(here[at] ?? 0)}`;
}

/** The records of an image: vCPU, and what a PC has inside the monitor, as Xen lays them out. */
function registers(plain: Machine, here: Machine): string | null {
  const mine = saveRecords(here);
  for (const [i, { code, instance, body }] of saveRecords(plain).entries()) {
    const other = mine[i]?.body ?? new Uint8Array();
    const at = firstDifference(body, other);
    if (at < 0) continue;
    const name = RECORDS[code] ?? `record ${code}`;
    return `${name} ${instance}, byte ${at}: undisturbed ${hex(body[at] ?? 0)}, here ${hex(other[at] ?? 0)}`;
  }
  return null;
}

const RECORDS: Readonly<Record<number, string>> = {
  2: 'vCPU',
  3: 'PIC',
  8: 'ISA interrupt lines',
  10: 'PIT',
  11: 'RTC',
};

function devices(plain: Machine, here: Machine): string | null {
  const a = devicesOf(plain);
  const b = devicesOf(here);
  for (const [name, text] of Object.entries(a)) {
    if (text === b[name]) continue;
    return `${name}: undisturbed ${shortened(text, b[name] ?? '')}, here ${shortened(b[name] ?? '', text)}`;
  }
  return null;
}

function devicesOf(machine: Machine): Record<string, string> {
  const all: Record<string, string> = {};
  for (const server of machine.servers) {
    for (const [device, state] of Object.entries(server.save().devices)) {
      for (const [field, value] of Object.entries(state)) {
        all[`${device}.${field}`] = JSON.stringify(value);
      }
    }
  }
  for (const [field, value] of Object.entries(machine.pc?.save() ?? {})) {
    all[`pc.${field}`] = JSON.stringify(value);
  }
  return all;
}

const SHOWN = 60;

/** Of a long text what surrounds the first difference. */
function shortened(text: string, other: string): string {
  if (text.length <= SHOWN) return text;
  let at = 0;
  while (at < text.length && text[at] === other[at]) at++;
  const from = Math.max(0, at - SHOWN / 2);
  return `…${text.slice(from, from + SHOWN)}…`;
}

/** -1: none. Lengths differ where the shorter one ends. */
function firstDifference(a: Uint8Array, b: Uint8Array): number {
  if (Buffer.compare(a, b) === 0) return -1;
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return at;
}
