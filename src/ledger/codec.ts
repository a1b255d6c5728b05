// SPDX-License-Identifier: GPL-2.0-only
// One event as one line of JSON, and back. There is exactly one spelling of each event: a line that
// reads as an event but is spelled otherwise is refused.
import { hex, hex64 } from '../util/hex.ts';
import type { Access, EndInfo, LedgerDevice, Mark, Stage, StageCounts, Witness } from './events.ts';
import { createAccess, MAX_VCPUS } from './events.ts';

const MAX_GPA = 2 ** 52;
const U16 = 0xffff;
const U32 = 0xffffffff;

/** Thrown while decoding; callers turn it into an HVM_LEDGER error or a violation. */
export class LineError extends Error {
  override readonly name = 'LineError';
}

/** A decoded line. */
export type LedgerEvent =
  | { seq: number; stage: Stage; access: Access }
  | { seq: number; stage: 'mark'; mark: Mark };

/** The line's content without hash and without line end. */
export function encodeAccess(stage: Stage, seq: number, a: Access): string {
  const data = a.hasData ? `"${hex64(a.data, a.data_hi)}"` : 'null';
  return `{"seq":${seq},"ev":"${stage}","vcpu":${a.vcpu},"insn":${a.insn},"access":${a.access},"rep":${a.rep},"count":${a.count},"lane":${a.lane},"whole":${a.whole},"space":"${a.space}","addr":"${hex(a.addr)}","size":${a.size},"dir":"${a.dir}","data":${data}}`;
}

/** As `encodeAccess`, for marks. */
export function encodeMark(seq: number, mark: Mark): string {
  if (mark.ev === 'start') {
    const { guest, revision, seed, vcpus, config } = mark;
    const devices = mark.devices.map((d) => ({
      name: d.name,
      space: d.space,
      first: hex(d.first),
      last: hex(d.last),
    }));
    return JSON.stringify({ seq, ev: 'start', guest, revision, seed, vcpus, devices, config });
  }
  if (mark.ev === 'checkpoint') {
    return JSON.stringify({ seq, ev: 'checkpoint', n: mark.n, window: mark.window });
  }
  if (mark.ev === 'resume') return JSON.stringify({ seq, ev: 'resume', n: mark.n });
  if (mark.ev === 'reset') return JSON.stringify({ seq, ev: 'reset', vcpu: mark.vcpu });
  const { stop, reason, instructions, checkpoints, resumes } = mark;
  const totals = countsOf(mark.totals);
  const witnesses = Object.fromEntries(
    Object.entries(mark.witnesses).map(([name, w]) => [name, { reads: w.reads, writes: w.writes }]),
  );
  return JSON.stringify({
    seq,
    ev: 'end',
    stop,
    reason,
    totals,
    checkpoints,
    resumes,
    witnesses,
    instructions,
  });
}

function countsOf(t: StageCounts): StageCounts {
  return { issued: t.issued, answered: t.answered, retired: t.retired };
}

/**
 * Reads one line's content.
 * @throws LineError saying which field is wrong and what was expected
 */
export function decodeEvent(body: string): LedgerEvent {
  const o = asObject(parseJson(body), 'the line');
  const seq = integer(o, 'seq', 0, Number.MAX_SAFE_INTEGER);
  const { ev } = o;
  const event: LedgerEvent =
    ev === 'issued' || ev === 'answered' || ev === 'retired'
      ? { seq, stage: ev, access: decodeAccess(o, ev) }
      : { seq, stage: 'mark', mark: decodeMark(o) };
  const again =
    event.stage === 'mark'
      ? encodeMark(seq, event.mark)
      : encodeAccess(event.stage, seq, event.access);
  if (again !== body) throw new LineError('not spelled as a ledger spells it: fields or order');
  return event;
}

/** @throws LineError when `text` is not JSON */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new LineError('not JSON', { cause });
  }
}

/** @throws LineError when `value` is not a JSON object */
export function asObject(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new LineError(`${what}: expected an object, got ${show(value)}`);
  }
  return value as Record<string, unknown>;
}

/** @throws LineError when `o[name]` is not an integer in [min, max] */
export function integer(
  o: Record<string, unknown>,
  name: string,
  min: number,
  max: number,
): number {
  const value = o[name];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
    throw new LineError(`"${name}": expected an integer from ${min} to ${max}, got ${show(value)}`);
  }
  return value;
}

/** @throws LineError when `o[name]` is not a string */
export function text(o: Record<string, unknown>, name: string): string {
  const value = o[name];
  if (typeof value !== 'string') {
    throw new LineError(`"${name}": expected a string, got ${show(value)}`);
  }
  return value;
}

function choice<T extends string>(
  o: Record<string, unknown>,
  name: string,
  values: readonly T[],
): T {
  const found = values.find((value) => value === o[name]);
  if (found === undefined) {
    throw new LineError(`"${name}": expected ${values.join(' or ')}, got ${show(o[name])}`);
  }
  return found;
}

function address(o: Record<string, unknown>, name: string, max: number): number {
  const value = text(o, name);
  const number = /^0x[0-9a-f]{1,14}$/.test(value) ? Number(value) : Number.NaN;
  if (!(number <= max)) {
    throw new LineError(`"${name}": expected 0x0 to ${hex(max)}, got ${show(value)}`);
  }
  return number;
}

/** What was found, short enough for one line. */
function show(value: unknown): string {
  const json = JSON.stringify(value) ?? 'nothing';
  return json.length <= 40 ? json : `${json.slice(0, 37)}...`;
}

function decodeAccess(o: Record<string, unknown>, stage: Stage): Access {
  const a = createAccess();
  a.vcpu = integer(o, 'vcpu', 0, MAX_VCPUS - 1);
  a.insn = integer(o, 'insn', 0, Number.MAX_SAFE_INTEGER);
  a.access = integer(o, 'access', 0, U16);
  a.rep = integer(o, 'rep', 0, U32);
  a.count = integer(o, 'count', 1, U32);
  a.size = integer(o, 'size', 1, U16);
  a.lane = integer(o, 'lane', 0, U16);
  a.whole = integer(o, 'whole', 1, U16);
  a.space = choice(o, 'space', ['pio', 'mmio']);
  a.addr = address(o, 'addr', a.space === 'pio' ? U16 : MAX_GPA);
  a.dir = choice(o, 'dir', ['r', 'w']);
  decodeData(o, a);
  if (a.hasData && stage === 'issued' && a.dir === 'r') {
    throw new LineError(`"data": expected null, a read has no value yet, got ${show(o.data)}`);
  }
  return a;
}

function decodeData(o: Record<string, unknown>, a: Access): void {
  const { data } = o;
  if (data === null) return;
  const digits = a.count > 1 ? 16 : Math.min(2 * a.size, 16);
  if (typeof data !== 'string' || !/^0x(0|[1-9a-f][0-9a-f]{0,15})$/.test(data)) {
    throw new LineError(`"data": expected null or hex digits, got ${show(data)}`);
  }
  const value = data.slice(2);
  if (value.length > digits) {
    throw new LineError(`"data": expected at most ${digits} hex digits, got ${show(data)}`);
  }
  a.hasData = true;
  a.data = Number.parseInt(value.slice(-8), 16);
  a.data_hi = value.length > 8 ? Number.parseInt(value.slice(0, -8), 16) : 0;
}

function decodeMark(o: Record<string, unknown>): Mark {
  const max = Number.MAX_SAFE_INTEGER;
  switch (o.ev) {
    case 'start':
      return decodeStart(o);
    case 'checkpoint':
      return { ev: 'checkpoint', n: integer(o, 'n', 1, max), window: text(o, 'window') };
    case 'resume':
      return { ev: 'resume', n: integer(o, 'n', 1, max) };
    case 'reset':
      return { ev: 'reset', vcpu: integer(o, 'vcpu', 0, MAX_VCPUS - 1) };
    case 'end':
      return decodeEnd(o);
    default:
      throw new LineError(
        `"ev": expected issued, answered, retired, start, checkpoint, resume, reset or end, got ${show(o.ev)}`,
      );
  }
}

function decodeStart(o: Record<string, unknown>): Mark {
  const { seed, devices, config } = o;
  if (typeof seed !== 'number' && typeof seed !== 'string') {
    throw new LineError(`"seed": expected a number or a string, got ${show(seed)}`);
  }
  if (!Array.isArray(devices)) {
    throw new LineError(`"devices": expected a list, got ${show(devices)}`);
  }
  return {
    ev: 'start',
    guest: text(o, 'guest'),
    revision: text(o, 'revision'),
    seed,
    vcpus: integer(o, 'vcpus', 1, MAX_VCPUS),
    devices: devices.map(decodeDevice),
    ...(config === undefined ? {} : { config: asObject(config, '"config"') }),
  };
}

function decodeDevice(value: unknown): LedgerDevice {
  const o = asObject(value, 'a device');
  const space = choice(o, 'space', ['pio', 'mmio']);
  const max = space === 'pio' ? U16 : MAX_GPA;
  return {
    name: text(o, 'name'),
    space,
    first: address(o, 'first', max),
    last: address(o, 'last', max),
  };
}

function decodeEnd(o: Record<string, unknown>): Mark {
  const max = Number.MAX_SAFE_INTEGER;
  const { instructions } = o;
  const witnesses = new Map<string, Witness>();
  for (const [name, value] of Object.entries(asObject(o.witnesses, '"witnesses"'))) {
    const w = asObject(value, `witness "${name.slice(0, 40)}"`);
    witnesses.set(name, {
      reads: integer(w, 'reads', 0, max),
      writes: integer(w, 'writes', 0, max),
    });
  }
  const end: EndInfo = {
    stop: choice(o, 'stop', ['boundary', 'midway']),
    reason: text(o, 'reason'),
    witnesses: Object.fromEntries(witnesses),
    ...(instructions === undefined ? {} : { instructions: decodeInstructions(instructions) }),
  };
  return {
    ev: 'end',
    ...end,
    totals: decodeCounts(asObject(o.totals, '"totals"')),
    checkpoints: integer(o, 'checkpoints', 0, max),
    resumes: integer(o, 'resumes', 0, max),
  };
}

function decodeInstructions(value: unknown): number[] {
  if (!Array.isArray(value) || value.length > MAX_VCPUS) {
    throw new LineError(
      `"instructions": expected a list of at most ${MAX_VCPUS}, got ${show(value)}`,
    );
  }
  return value.map((count: unknown) => integer({ count }, 'count', 0, Number.MAX_SAFE_INTEGER));
}

/** @throws LineError unless `o` holds the three counts */
export function decodeCounts(o: Record<string, unknown>): StageCounts {
  const max = Number.MAX_SAFE_INTEGER;
  return {
    issued: integer(o, 'issued', 0, max),
    answered: integer(o, 'answered', 0, max),
    retired: integer(o, 'retired', 0, max),
  };
}
