// SPDX-License-Identifier: GPL-2.0-only
// Every record of an image with its offset and what it means, up to where it can be read.
import type { StreamHeaders } from '../../image/headers.ts';
import { decodeHvmContext, HVM_CPU, HVM_ENTRIES } from '../../image/hvm-context.ts';
import { CPU_DOUBLES, CPU_QUADS, decodeHvmCpu, HVM_CPU_BYTES } from '../../image/hvm-cpu.ts';
import {
  REC_HVM_CONTEXT,
  REC_HVM_PARAMS,
  REC_PAGE_DATA,
  REC_X86_CPUID_POLICY,
  REC_X86_MSR_POLICY,
  REC_X86_TSC_INFO,
  RECORD_HEADER_BYTES,
  recordName,
} from '../../image/layout.ts';
import { decodeOwnPart } from '../../image/own-part.ts';
import { decodePageData } from '../../image/page-data.ts';
import { type StreamListener, StreamReader, type StreamRecord } from '../../image/reader.ts';
import {
  checkPolicy,
  decodeHvmParams,
  decodeTscInfo,
  PARAM_NAMES,
} from '../../image/small-records.ts';
import { isHvmError } from '../../util/errors.ts';
import type { ImageSource } from './read.ts';

/** One entry of an HVM context, or our own part behind it. */
export interface InspectedEntry {
  /** From the start of the stream. */
  offset: number;
  type: string;
  instance: number;
  bytes: number;
  /** Registers by name, as hexadecimal numbers; of CPU entries only. */
  registers?: Record<string, string>;
  /** Our own state. */
  state?: unknown;
}

export interface InspectedRecord {
  record: number;
  /** Of its header. */
  offset: number;
  type: string;
  /** Of its body. */
  bytes: number;
  meaning: string;
  entries?: InspectedEntry[];
}

export interface Inspection {
  headers: StreamHeaders | null;
  records: InspectedRecord[];
  /** Bytes that were whole and in order. */
  bytes: number;
  /** Why it could not be read to its end; null: it could. */
  damage: string | null;
}

class Inspector implements StreamListener {
  readonly result: Inspection = { headers: null, records: [], bytes: 0, damage: null };

  headers(headers: StreamHeaders): void {
    this.result.headers = headers;
  }

  record(record: StreamRecord): void {
    const { type, place, body } = record;
    const entry: InspectedRecord = {
      record: place.record,
      offset: place.offset - RECORD_HEADER_BYTES,
      type: recordName(type),
      bytes: body.length,
      meaning: meaningOf(record),
    };
    if (type === REC_HVM_CONTEXT) entry.entries = entriesOf(record);
    this.result.records.push(entry);
  }
}

function meaningOf({ type, place, body }: StreamRecord): string {
  switch (type) {
    case REC_PAGE_DATA:
      return pagesMeaning(decodePageData(body, place));
    case REC_X86_TSC_INFO: {
      const { mode, khz, nsec } = decodeTscInfo(body, place);
      return `mode ${mode}, ${khz} kHz, ${nsec} ns`;
    }
    case REC_HVM_PARAMS:
      return decodeHvmParams(body, place)
        .map(({ index, value }) => `${PARAM_NAMES[index] ?? index} = 0x${value.toString(16)}`)
        .join(', ');
    case REC_X86_CPUID_POLICY:
      return `${checkPolicy(body, 24, place)} leaves`;
    case REC_X86_MSR_POLICY:
      return `${checkPolicy(body, 16, place)} registers`;
    case REC_HVM_CONTEXT:
      return 'CPU, devices that Xen has a record for, and our own state';
    default:
      return MEANINGS[recordName(type)] ?? '';
  }
}

const MEANINGS: Readonly<Record<string, string>> = {
  END: 'the stream is whole',
  CHECKPOINT: 'everything before is one consistent state',
  STATIC_DATA_END: 'what never changes ends here',
  VERIFY: 'pages from here on are compared, not loaded',
};

/** `0x0-0x9f, 0xd3-0xff; not present 0xd2`. */
function pagesMeaning(pages: readonly { pfn: number; data: Uint8Array | null }[]): string {
  const present = ranges(pages.filter((p) => p.data !== null).map((p) => p.pfn));
  const absent = ranges(pages.filter((p) => p.data === null).map((p) => p.pfn));
  return `pages ${present || 'none'}${absent === '' ? '' : `; not present ${absent}`}`;
}

function ranges(numbers: readonly number[]): string {
  const texts: string[] = [];
  for (let i = 0; i < numbers.length; ) {
    let last = i;
    while (numbers[last + 1] === (numbers[last] ?? 0) + 1) last++;
    const [a, b] = [numbers[i] ?? 0, numbers[last] ?? 0];
    texts.push(a === b ? `0x${a.toString(16)}` : `0x${a.toString(16)}-0x${b.toString(16)}`);
    i = last + 1;
  }
  return texts.join(', ');
}

function entriesOf({ place, body }: StreamRecord): InspectedEntry[] {
  const { entries, end } = decodeHvmContext(body, place);
  const all: InspectedEntry[] = entries.map(({ code, instance, offset, body: bytes }) => ({
    offset: place.offset + offset,
    type: HVM_ENTRIES[code]?.[0] ?? String(code),
    instance,
    bytes: bytes.length,
    ...(code === HVM_CPU && bytes.length === HVM_CPU_BYTES
      ? { registers: registersOf(bytes) }
      : {}),
  }));
  all.push({ offset: place.offset + end - 8, type: 'END', instance: 0, bytes: 0 });
  const own = decodeOwnPart(body.subarray(end), { ...place, offset: place.offset + end });
  if (own !== null) {
    const bytes = body.length - end;
    all.push({
      offset: place.offset + end,
      type: 'TRAPLINE',
      instance: 0,
      bytes,
      state: own.state,
    });
  }
  return all;
}

/** The named fields of a CPU record, as hexadecimal numbers. */
export function registersOf(body: Uint8Array): Record<string, string> {
  const { quads, doubles, fpu } = decodeHvmCpu(body).cpu;
  const registers: Record<string, string> = {};
  for (const name of CPU_QUADS) registers[name] = `0x${quads[name].toString(16)}`;
  for (const name of CPU_DOUBLES) registers[name] = `0x${doubles[name].toString(16)}`;
  registers.fpu =
    Buffer.from(fpu)
      .toString('hex')
      .replace(/(00)+$/, '') || '00';
  return registers;
}

/** Reads as far as it goes: damage is part of the result. @throws HvmError when nothing at all can be read */
export async function inspectImage(source: ImageSource): Promise<Inspection> {
  const inspector = new Inspector();
  const reader = new StreamReader(inspector);
  const { result } = inspector;
  try {
    for await (const chunk of source.bytes) reader.push(chunk);
    reader.finish();
  } catch (error) {
    if (!isHvmError(error) || result.headers === null) throw error;
    result.damage = error.message;
  }
  result.bytes = reader.offset;
  return result;
}
