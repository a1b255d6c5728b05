// SPDX-License-Identifier: GPL-2.0-only
// The devices of the matrix: they answer by position, so that a lost or repeated access changes every later value.
import {
  type Device,
  type DeviceSpec,
  type DeviceState,
  type HighWord,
  type IoRange,
  type IoSize,
  type OffsetRange,
  PublishedRegister,
  RegisterDevice,
} from '../../dm/index.ts';
import {
  answerTo,
  type Cell,
  DEVICES_END,
  ECHO,
  FIRST_DEVICE,
  PORT_DX,
  PORT_ECHO,
  PORT_IMM,
  SECOND_DEVICE,
} from './cell.ts';

/** Three registers: low and high word of what was written last, and how often was written. */
const ECHO_BYTES = 12;

interface PositionState {
  reads: number;
  writes: number;
  /** Of every access so far, in order. */
  digest: number;
  /** What was written last. */
  last: number;
  lastHigh: number;
}

/** Hears each access as it reaches a device: direction, width, place, data. */
export type AccessLog = (text: string) => void;

/** Low and high word of a device's answer to its read number `n`. @param answers - of the cell */
export function positionAnswer(answers: Cell['answers'], n: number): readonly [number, number] {
  return [answers?.[n] ?? answerTo(n), (0x8899aabb + n * 0x01010101) >>> 0];
}

class PositionDevice extends RegisterDevice<PositionState> {
  readonly #answers: readonly number[];
  readonly #log: AccessLog;
  readonly #echo: number;
  readonly posted: readonly OffsetRange[];
  readonly published: readonly PublishedRegister[];

  /** @param bytes - how much of it takes writes late and publishes what it tells; 0: nothing */
  constructor(
    name: string,
    answers: readonly number[],
    echo: number,
    log: AccessLog,
    bytes: number,
  ) {
    super(name, { reads: 0, writes: 0, digest: 0, last: 0, lastHigh: 0 });
    this.#answers = answers;
    this.#echo = echo;
    this.#log = log;
    this.posted = bytes === 0 ? [] : [{ first: 0, last: bytes - 1 }];
    const registers = [0, 4, 8].map((at) => new PublishedRegister(echo + at, 4, 0));
    this.published = registers.filter(({ offset }) => offset + 4 <= bytes);
  }
  override reset(): void {
    super.reset();
    this.#publish();
  }
  override restore(saved: DeviceState): void {
    super.restore(saved);
    this.#publish();
  }
  writeMany(offset: number, size: IoSize, from: Uint8Array): void {
    const view = new DataView(from.buffer, from.byteOffset, from.length);
    for (let at = 0; at < from.length; at += size) {
      const value = size === 1 ? view.getUint8(at) : size === 2 ? view.getUint16(at, true) : 0;
      this.write(offset, size, size === 4 ? view.getUint32(at, true) : value, 0);
    }
  }
  read(offset: number, size: IoSize, high: HighWord): number {
    if (offset >= this.#echo && offset < this.#echo + ECHO_BYTES) return this.#tell(offset, size);
    const n = this.state.reads++;
    this.#note(`r${size}@${this.name}+${offset.toString(16)}`, n);
    const [low, hi] = positionAnswer(this.#answers, n);
    if (size === 8) high.hi = hi;
    return low;
  }
  write(offset: number, size: IoSize, value: number, valueHigh: number): void {
    this.state.writes++;
    this.state.last = value;
    this.state.lastHigh = valueHigh;
    this.#publish();
    const data = `${valueHigh.toString(16)}:${value.toString(16)}`;
    this.#note(`w${size}@${this.name}+${offset.toString(16)}=${data}`, value ^ valueHigh);
  }
  // What the guest finds there tells it what has arrived.
  #tell(offset: number, size: IoSize): number {
    // For what is published nobody need be asked.
    if (this.published.length === 0) this.#note(`r${size}@${this.name}+${offset.toString(16)}`, 0);
    return this.#told(offset);
  }
  #told(offset: number): number {
    const { last, lastHigh, writes } = this.state;
    return [last, lastHigh, writes][(offset - this.#echo) >> 2] ?? 0;
  }
  #publish(): void {
    for (const register of this.published) {
      register.value = this.#told(register.offset);
    }
  }
  #note(text: string, data: number): void {
    const { state } = this;
    const key = text.charCodeAt(0) * 65536 + text.length;
    state.digest = (Math.imul(state.digest ^ key, 0x01000193) + data) >>> 0;
    this.#log(text);
  }
}

/**
 * The four devices of a cell's machine.
 * @param wrap - puts itself around each: for seeded faults
 * @param staying - they take writes late and publish what they tell
 */
export function devicesFor(
  cell: Cell,
  log: AccessLog,
  wrap: (device: Device) => Device,
  staying = false,
): DeviceSpec[] {
  const spec = (name: string, space: IoRange['space'], start: number, end: number): DeviceSpec => ({
    factory: {
      name,
      summary: '',
      defaultRange: '0x0',
      create: () => {
        const echo = space === 'pio' ? PORT_ECHO : ECHO;
        const bytes = staying ? end - start + 1 : 0;
        return wrap(new PositionDevice(name, cell.answers ?? [], echo, log, bytes));
      },
    },
    range: { space, start, end },
  });
  return [
    spec('port-imm', 'pio', PORT_IMM, PORT_IMM + 7),
    spec('port-dx', 'pio', PORT_DX, PORT_DX + 7),
    spec('memory-1', 'mmio', FIRST_DEVICE, SECOND_DEVICE - 1),
    spec('memory-2', 'mmio', SECOND_DEVICE, DEVICES_END - 1),
  ];
}
