// SPDX-License-Identifier: GPL-2.0-only
// ata: an ATA channel with up to two disks, programmed I/O: ports 1F0-1F7 and 3F6, interrupt line 14.
//
// Definition: ATA/ATAPI-4 (T13/1153D revision 18), register delivered commands of the general feature set, PIO data
// transfers. No DMA, no packets: those commands are aborted. A command is over as soon as it is written.
import type { DeviceContext, DeviceState, DeviceWitness, IoSize } from '../device.ts';
import { RegisterDevice } from '../device.ts';
import { identify } from './ata-identify.ts';
import type { PortDevice } from './board.ts';
import { type ImageSource, Medium, SECTOR_BYTES } from './medium.ts';

const IRQ = 14;
const DATA = 0x1f0;
const CONTROL = 0x3f6;
const BUSY_NOT = 0x50; // ready, seek complete
const STATUS_DRQ = 0x08;
const STATUS_ERROR = 0x01;
const ERROR_ABORT = 0x04;
const ERROR_NOT_FOUND = 0x10;
const CONTROL_NO_IRQ = 0x02;
const CONTROL_RESET = 0x04;
const SELECT_LBA = 0x40;
const SELECT_SLAVE = 0x10;
const POWER_ACTIVE = 0xff;
/** Of SET FEATURES: write cache, transfer mode, look-ahead, defaults at a reset; on and off. */
const FEATURES = [0x02, 0x82, 0x03, 0xaa, 0x55, 0xcc, 0x66];
const HEADS = 16;
const SECTORS = 63;

interface State {
  error: number;
  feature: number;
  count: number;
  sector: number;
  low: number;
  high: number;
  select: number;
  status: number;
  control: number;
  /** Heads and sectors per track that INITIALIZE DEVICE PARAMETERS has set, by disk. */
  heads: number[];
  sectors: number[];
  /** Sectors per interrupt of the MULTIPLE commands, by disk. */
  multiple: number[];
  /** Command in progress: 0 none, 1 reads, 2 writes. */
  moving: number;
  /** Sectors to go, and of this block; where the next one is. */
  left: number;
  block: number;
  next: number;
  /** The block, and how many bytes of it have been moved. */
  buffer: number[];
  at: number;
  line: boolean;
  sectorsRead: number;
  sectorsWritten: number;
}

const POWER_ON: State = {
  error: 1,
  feature: 0,
  count: 1,
  sector: 1,
  low: 0,
  high: 0,
  select: 0xa0,
  status: BUSY_NOT,
  control: 0,
  heads: [HEADS, HEADS],
  sectors: [SECTORS, SECTORS],
  multiple: [1, 1],
  moving: 0,
  left: 0,
  block: 1,
  next: 0,
  buffer: [],
  at: 0,
  line: false,
  sectorsRead: 0,
  sectorsWritten: 0,
};

export class Ata extends RegisterDevice<State> implements PortDevice {
  readonly disks: readonly Medium[];
  /** Commands that are aborted because they are not there, by number. */
  readonly invalid = new Map<number, number>();
  readonly #context: DeviceContext;
  readonly #sector = new Uint8Array(SECTOR_BYTES);

  constructor(context: DeviceContext, images: readonly ImageSource[]) {
    super('ata', POWER_ON);
    this.#context = context;
    this.disks = images.map((image) => new Medium(image, Math.floor(image.bytes / SECTOR_BYTES)));
  }

  read(port: number, size: IoSize): number {
    if (port === DATA) return this.#readData(size);
    const { state } = this;
    if (this.#disk === undefined && port !== 0x1f6) return 0;
    switch (port) {
      case 0x1f1:
        return state.error;
      case 0x1f2:
        return state.count;
      case 0x1f3:
        return state.sector;
      case 0x1f4:
        return state.low;
      case 0x1f5:
        return state.high;
      case 0x1f6:
        return state.select;
      case 0x1f7:
        this.#drive(false);
        return state.status;
      default:
        return state.status;
    }
  }

  write(port: number, size: IoSize, value: number): void {
    const { state } = this;
    const byte = value & 0xff;
    switch (port) {
      case DATA:
        this.#writeData(size, value);
        break;
      case 0x1f1:
        state.feature = byte;
        break;
      case 0x1f2:
        state.count = byte;
        break;
      case 0x1f3:
        state.sector = byte;
        break;
      case 0x1f4:
        state.low = byte;
        break;
      case 0x1f5:
        state.high = byte;
        break;
      case 0x1f6:
        state.select = byte | 0xa0;
        break;
      case 0x1f7:
        if (this.#disk !== undefined) this.#command(byte);
        break;
      case CONTROL:
        if ((byte & CONTROL_RESET) !== 0) this.#softReset();
        state.control = byte;
        this.#drive(state.line);
        break;
      default:
    }
  }

  override witness(): DeviceWitness {
    const { sectorsRead, sectorsWritten } = this.state;
    return { sectorsRead, sectorsWritten };
  }

  override reset(): void {
    super.reset();
    this.#drive(false);
  }

  override save(): DeviceState {
    const media: DeviceState = {};
    for (const [i, medium] of this.disks.entries()) media[`medium${i}`] = medium.save();
    return { ...super.save(), ...media };
  }

  override restore(saved: DeviceState): void {
    const own: DeviceState = { ...saved };
    const written = this.disks.map((_medium, i) => {
      const text = own[`medium${i}`];
      delete own[`medium${i}`];
      return typeof text === 'string' ? text : '!';
    });
    const before = super.save();
    super.restore(saved === null ? saved : own);
    try {
      for (const [i, medium] of this.disks.entries()) medium.restore(written[i] ?? '!');
    } catch (error) {
      super.restore(before);
      throw error;
    }
    this.#drive(this.state.line);
  }

  get #index(): number {
    return (this.state.select & SELECT_SLAVE) === 0 ? 0 : 1;
  }

  get #disk(): Medium | undefined {
    return this.disks[this.#index];
  }

  #drive(line: boolean): void {
    const { state } = this;
    state.line = line;
    if (line && (state.control & CONTROL_NO_IRQ) === 0) this.#context.raiseIrq(IRQ);
    else this.#context.lowerIrq(IRQ);
  }

  #softReset(): void {
    const { control, heads, sectors, sectorsRead, sectorsWritten } = this.state;
    this.state = structuredClone(POWER_ON);
    Object.assign(this.state, { control, heads, sectors, sectorsRead, sectorsWritten });
    this.#drive(false);
  }

  /** The command is over. @param error - 0: it went well */
  #end(error = 0): void {
    const { state } = this;
    state.error = error;
    state.status = BUSY_NOT | (error === 0 ? 0 : STATUS_ERROR);
    state.moving = 0;
    state.buffer = [];
    state.at = 0;
    this.#drive(true);
  }

  #command(command: number): void {
    const { state } = this;
    const index = this.#index;
    state.error = 0;
    switch (command) {
      case 0x20:
      case 0x21:
        this.#begin(1, 1);
        break;
      case 0x30:
      case 0x31:
        this.#begin(2, 1);
        break;
      case 0xc4:
        this.#begin(1, state.multiple[index] ?? 1);
        break;
      case 0xc5:
        this.#begin(2, state.multiple[index] ?? 1);
        break;
      case 0x40:
      case 0x41: {
        const at = this.#address();
        const good = at >= 0 && at + (state.count || 256) <= (this.#disk?.sectors ?? 0);
        this.#end(good ? 0 : ERROR_NOT_FOUND);
        break;
      }
      case 0x90:
        this.#softReset();
        this.#drive(true);
        break;
      case 0x91:
        state.heads[index] = (state.select & 15) + 1;
        state.sectors[index] = state.count;
        this.#end();
        break;
      case 0xc6:
        if (state.count <= 16 && (state.count & (state.count - 1)) === 0 && state.count > 0) {
          state.multiple[index] = state.count;
          this.#end();
        } else this.#end(ERROR_ABORT);
        break;
      case 0xec:
        state.left = 0;
        state.moving = 1;
        this.#offer([...identify(this.#disk?.sectors ?? 0, state.multiple[index] ?? 1)]);
        break;
      case 0x70:
      case 0xe0:
      case 0xe1:
      case 0xe2:
      case 0xe3:
      case 0xe6:
      case 0xe7:
        this.#end();
        break;
      case 0xe5: // never in standby
        state.count = POWER_ACTIVE;
        this.#end();
        break;
      case 0xef:
        this.#end(FEATURES.includes(state.feature) ? 0 : ERROR_ABORT);
        break;
      default:
        if (command >>> 4 === 1) this.#end();
        else {
          this.invalid.set(command, (this.invalid.get(command) ?? 0) + 1);
          this.#end(ERROR_ABORT);
        }
    }
  }

  /** The sector that the registers name, or -1. */
  #address(): number {
    const { sector, low, high, select, heads, sectors } = this.state;
    const head = select & 15;
    if ((select & SELECT_LBA) !== 0) return sector | (low << 8) | (high << 16) | (head << 24);
    const perTrack = sectors[this.#index] ?? SECTORS;
    const sides = heads[this.#index] ?? HEADS;
    if (sector < 1 || sector > perTrack || head >= sides) return -1;
    return ((low | (high << 8)) * sides + head) * perTrack + sector - 1;
  }

  #begin(moving: number, block: number): void {
    const { state } = this;
    const at = this.#address();
    if (at < 0 || at >= (this.#disk?.sectors ?? 0)) {
      this.#end(ERROR_NOT_FOUND);
      return;
    }
    state.next = at;
    state.left = state.count || 256;
    state.block = block;
    state.moving = moving;
    if (moving === 1) this.#readBlock();
    else this.#takeBlock();
  }

  #readBlock(): void {
    const { state } = this;
    const bytes: number[] = [];
    const n = Math.min(state.block, state.left);
    for (let i = 0; i < n; i++) {
      if (this.#disk?.read(state.next, this.#sector) !== true) {
        this.#end(ERROR_NOT_FOUND);
        return;
      }
      bytes.push(...this.#sector);
      state.next++;
      state.sectorsRead++;
    }
    state.left -= n;
    this.#offer(bytes);
  }

  #offer(bytes: number[]): void {
    const { state } = this;
    state.buffer = bytes;
    state.at = 0;
    state.status = BUSY_NOT | STATUS_DRQ;
    this.#drive(true);
  }

  /** Room for the next block of a write. */
  #takeBlock(): void {
    const { state } = this;
    state.buffer = new Array<number>(Math.min(state.block, state.left) * SECTOR_BYTES).fill(0);
    state.at = 0;
    state.status = BUSY_NOT | STATUS_DRQ;
  }

  #readData(size: number): number {
    const { state } = this;
    if (state.moving !== 1 || state.buffer.length === 0) return 0;
    let value = 0;
    for (let i = 0; i < size && i < 4; i++) value |= (state.buffer[state.at++] ?? 0) << (8 * i);
    if (state.at >= state.buffer.length) {
      state.buffer = [];
      state.status = BUSY_NOT;
      if (state.left > 0) this.#readBlock();
      else state.moving = 0;
    }
    return value >>> 0;
  }

  #writeData(size: number, value: number): void {
    const { state } = this;
    if (state.moving !== 2 || state.buffer.length === 0) return;
    for (let i = 0; i < size && i < 4 && state.at < state.buffer.length; i++) {
      state.buffer[state.at++] = (value >>> (8 * i)) & 0xff;
    }
    if (state.at >= state.buffer.length) this.#writeBlock();
  }

  #writeBlock(): void {
    const { state } = this;
    const n = state.buffer.length / SECTOR_BYTES;
    for (let i = 0; i < n; i++) {
      this.#sector.set(state.buffer.slice(i * SECTOR_BYTES, (i + 1) * SECTOR_BYTES));
      if (this.#disk?.write(state.next, this.#sector) !== true) {
        this.#end(ERROR_NOT_FOUND);
        return;
      }
      state.next++;
      state.sectorsWritten++;
    }
    state.left -= n;
    if (state.left === 0) this.#end();
    else {
      this.#takeBlock();
      this.#drive(true);
    }
  }
}
