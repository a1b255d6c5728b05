// SPDX-License-Identifier: GPL-2.0-only
// fdc: an 82077AA floppy controller with two drives: ports 3F0-3F5 and 3F7, interrupt line 6, DMA channel 2.
//
// Data sheet: Intel 82077AA CHMOS single-chip floppy disk controller, order number 290166-007.
// A command takes effect at once when its time is over: seeks 1 ms and 0.2 ms a track, sectors 0.2 ms each. Data moves
// by DMA only. SCAN commands are answered as invalid; sectors have 512 bytes; deleted data marks do not exist.
// Until a data rate is chosen any floppy is read, and transfers seek by themselves unless CONFIGURE says otherwise: as on
// Bochs and QEMU, whose firmware chooses no rate and does not seek. The chip starts with 250 kbit/s and without.
import type { DeviceContext, DeviceState, DeviceWitness, IoSize } from '../device.ts';
import { RegisterDevice } from '../device.ts';
import { type PortDevice, readBytes, type Timed, writeBytes } from './board.ts';
import { durationOf, LENGTHS } from './fdc-commands.ts';
import { ANY_RATE, FloppyDrive } from './fdc-drive.ts';
import { FloppyTransfer, type TransferEnd } from './fdc-transfer.ts';
import type { DmaChannel } from './i8237.ts';
import type { ImageSource } from './medium.ts';

const IRQ = 6;
const DOR_RUN = 0x04;
const DOR_DMA = 0x08;
const MSR_READY = 0x80;
const MSR_TO_HOST = 0x40;
const MSR_BUSY = 0x10;
const RESET_NS = 100_000;
const ST0_ABNORMAL = 0x40;
const ST0_INVALID = 0x80;
const ST0_CHANGED = 0xc0;
const ST0_SEEK_END = 0x20;
const LONGEST = 9;
/** EIS of CONFIGURE: transfers seek. */
const IMPLIED_SEEK = 0x40;
const CONFIGURED: readonly number[] = [IMPLIED_SEEK, 0];

interface State {
  dor: number;
  rate: number;
  tape: number;
  /** Bytes of the command so far; of the result that have not been read. */
  command: number[];
  result: number[];
  /** A command is being carried out until `doneAt`, ns of guest time; 0: none. */
  doneAt: number;
  /** ST0 of ended seeks that nobody has asked for, by drive; -1: none. Four of them after a reset. */
  ended: number[];
  line: boolean;
  /** Set by SPECIFY, CONFIGURE, PERPENDICULAR, LOCK: kept for DUMPREG. */
  specify: number[];
  configure: number[];
  perpendicular: number;
  locked: boolean;
  /** Heads and disk change lines, by drive. */
  cylinders: number[];
  changed: number[];
  sectorsRead: number;
  sectorsWritten: number;
}

const POWER_ON: State = {
  dor: 0,
  rate: ANY_RATE,
  tape: 0,
  command: [],
  result: [],
  doneAt: 0,
  ended: [-1, -1, -1, -1],
  line: false,
  specify: [0, 0],
  configure: [...CONFIGURED],
  perpendicular: 0,
  locked: false,
  cylinders: [0, 0],
  changed: [1, 1],
  sectorsRead: 0,
  sectorsWritten: 0,
};

export class Fdc extends RegisterDevice<State> implements PortDevice, Timed {
  readonly drives: readonly [FloppyDrive, FloppyDrive];
  readonly #context: DeviceContext;
  readonly #transfer: FloppyTransfer;
  /** Commands that are answered as invalid, by first byte: what a guest wanted that is not there. */
  readonly invalid = new Map<number, number>();

  /** @param images - of drives A and B; null: empty */
  constructor(context: DeviceContext, dma: DmaChannel, images: readonly (ImageSource | null)[]) {
    super('fdc', POWER_ON);
    this.#context = context;
    this.#transfer = new FloppyTransfer(dma);
    this.drives = [new FloppyDrive(images[0] ?? null), new FloppyDrive(images[1] ?? null)];
  }

  read(port: number, size: IoSize): number {
    return readBytes(size, (i) => this.#readByte(port + i));
  }

  write(port: number, size: IoSize, value: number): void {
    writeBytes(size, value, (i, byte) => this.#writeByte(port + i, byte));
  }

  nextEventNs(): number {
    return this.state.doneAt === 0 ? Number.POSITIVE_INFINITY : this.state.doneAt;
  }

  advance(nowNs: number): void {
    const { state } = this;
    if (state.doneAt === 0 || nowNs < state.doneAt) return;
    state.doneAt = 0;
    if (state.command.length === 0) this.#resetDone();
    else this.#execute();
  }

  override witness(): DeviceWitness {
    const { sectorsRead, sectorsWritten } = this.state;
    return { sectorsRead, sectorsWritten };
  }

  override reset(): void {
    super.reset();
    this.#drivesFollow();
    this.#drive(false);
  }

  override save(): DeviceState {
    for (const [i, drive] of this.drives.entries()) {
      this.state.cylinders[i] = drive.cylinder;
      this.state.changed[i] = Number(drive.changed);
    }
    const media: DeviceState = {};
    for (const [i, { medium }] of this.drives.entries()) media[`medium${i}`] = medium?.save() ?? '';
    return { ...super.save(), ...media };
  }

  override restore(saved: DeviceState): void {
    const { medium0, medium1, ...own } = saved ?? {};
    const written = [medium0, medium1].map((text) => (typeof text === 'string' ? text : '!'));
    const before = super.save();
    super.restore(saved === null ? saved : own);
    try {
      // Judged before anything is put in place.
      this.drives.forEach(({ medium }, i) => {
        const text = written[i] ?? '';
        if (medium !== null) medium.restore(text);
        else if (text !== '') super.restore({ medium: text });
      });
    } catch (error) {
      super.restore(before);
      throw error;
    }
    this.#drivesFollow();
    this.#drive(this.state.line);
  }

  #drivesFollow(): void {
    for (const [i, drive] of this.drives.entries()) {
      drive.cylinder = this.state.cylinders[i] ?? 0;
      drive.changed = this.state.changed[i] === 1;
    }
  }

  #readByte(port: number): number {
    const { state } = this;
    switch (port) {
      case 0x3f0:
      case 0x3f1:
        return 0;
      case 0x3f2:
        return state.dor;
      case 0x3f3:
        return state.tape;
      case 0x3f4:
        return this.#status();
      case 0x3f5:
        return this.#readResult();
      case 0x3f7: {
        const drive = this.drives[state.dor & 3];
        const on = (state.dor & (0x10 << (state.dor & 3))) !== 0;
        return on && drive?.changed === true ? 0x80 : 0;
      }
      default:
        return 0xff;
    }
  }

  #writeByte(port: number, value: number): void {
    const { state } = this;
    switch (port) {
      case 0x3f2:
        this.#writeDor(value);
        break;
      case 0x3f3:
        state.tape = value & 3;
        break;
      case 0x3f4:
        state.rate = value & 3;
        if ((value & 0x80) !== 0) this.#beginReset();
        break;
      case 0x3f5:
        this.#writeCommand(value);
        break;
      case 0x3f7:
        state.rate = value & 3;
        break;
      default:
    }
  }

  #status(): number {
    const { dor, command, result, doneAt } = this.state;
    if ((dor & DOR_RUN) === 0 || (command.length === 0 && doneAt !== 0)) return 0;
    if (doneAt !== 0) return MSR_BUSY;
    if (result.length > 0) return MSR_READY | MSR_TO_HOST | MSR_BUSY;
    return MSR_READY | (command.length > 0 ? MSR_BUSY : 0);
  }

  #writeDor(value: number): void {
    const { state } = this;
    const was = state.dor;
    state.dor = value;
    if ((value & DOR_RUN) === 0) {
      state.command.length = 0;
      state.result.length = 0;
      state.doneAt = 0;
      this.#drive(false);
    } else if ((was & DOR_RUN) === 0) this.#beginReset();
  }

  #beginReset(): void {
    const { state } = this;
    state.command.length = 0;
    state.result.length = 0;
    state.ended = [-1, -1, -1, -1];
    if (!state.locked) state.configure = [...CONFIGURED];
    this.#drive(false);
    state.doneAt = this.#context.nowNs() + RESET_NS;
  }

  /** The controller polls its drives and finds each of them changed. */
  #resetDone(): void {
    this.state.ended = [0, 1, 2, 3].map((drive) => ST0_CHANGED | drive);
    this.#drive(true);
  }

  #drive(line: boolean): void {
    const { state } = this;
    state.line = line;
    if (line && (state.dor & DOR_DMA) !== 0) this.#context.raiseIrq(IRQ);
    else this.#context.lowerIrq(IRQ);
  }

  #readResult(): number {
    const { state } = this;
    if (state.doneAt !== 0) return 0;
    const byte = state.result.shift();
    if (byte === undefined) return 0;
    this.#drive(false);
    return byte;
  }

  #writeCommand(value: number): void {
    const { state } = this;
    if ((state.dor & DOR_RUN) === 0 || state.doneAt !== 0 || state.result.length > 0) return;
    const { command } = state;
    if (command.length < LONGEST) command.push(value);
    const first = command[0] ?? 0;
    const length = LENGTHS[first & 0x1f];
    if (length === undefined) {
      this.invalid.set(first, (this.invalid.get(first) ?? 0) + 1);
      this.#finish([ST0_INVALID], false);
    } else if (command.length >= length) {
      const drive = this.drives[(command[1] ?? 0) & 3];
      const takes = durationOf(command, drive?.cylinder ?? 0, this.#seeks);
      if (takes === 0) this.#execute();
      else state.doneAt = this.#context.nowNs() + takes;
    }
  }

  get #seeks(): boolean {
    return ((this.state.configure[0] ?? 0) & IMPLIED_SEEK) !== 0;
  }

  /** The command is over. @param result - to be read; @param interrupt - when there is something to read or to ask */
  #finish(result: readonly number[], interrupt: boolean): void {
    this.state.command.length = 0;
    this.state.result = [...result];
    if (interrupt) this.#drive(true);
  }

  #execute(): void {
    const { state } = this;
    const { command } = state;
    const first = command[0] ?? 0;
    const selected = (command[1] ?? 0) & 3;
    switch (first & 0x1f) {
      case 0x03:
        state.specify = command.slice(1, 3);
        this.#finish([], false);
        break;
      case 0x04:
        this.#finish([this.#st3(command[1] ?? 0)], false);
        break;
      case 0x07:
        this.#seek(selected, 0);
        break;
      case 0x08:
        this.#senseInterrupt();
        break;
      case 0x0a:
        this.#result(this.#transfer.readId(state, this.drives[selected]));
        break;
      case 0x0d:
        this.#result(this.#transfer.formatTrack(state, this.drives[selected]));
        break;
      case 0x0e:
        this.#dumpRegisters();
        break;
      case 0x0f:
        this.#seek(selected, this.#target(first, selected, command[2] ?? 0));
        break;
      case 0x10: // 82077AA
        this.#finish([0x90], false);
        break;
      case 0x12:
        state.perpendicular = command[1] ?? 0;
        this.#finish([], false);
        break;
      case 0x13:
        state.configure = command.slice(2, 4);
        this.#finish([], false);
        break;
      case 0x14:
        state.locked = (first & 0x80) !== 0;
        this.#finish([state.locked ? 0x10 : 0], false);
        break;
      default:
        this.#result(this.#transfer.move(state, this.drives[selected], this.#seeks));
    }
  }

  #st3(byte: number): number {
    const drive = this.drives[byte & 3];
    const ready = drive === undefined ? 0 : 0x28;
    const twoSided = drive?.format?.heads === 2 ? 0x08 : 0;
    return (byte & 7) | (ready & 0x20) | twoSided | (drive?.cylinder === 0 ? 0x10 : 0);
  }

  /** SEEK, or RELATIVE SEEK by so many cylinders up or down. */
  #target(first: number, selected: number, operand: number): number {
    if ((first & 0x80) === 0) return operand;
    const at = this.drives[selected]?.cylinder ?? 0;
    return (first & 0x40) !== 0 ? at + operand : at - operand;
  }

  #seek(selected: number, cylinder: number): void {
    const drive = this.drives[selected];
    drive?.seek(cylinder);
    // Track 0 never comes by in a drive that is not there.
    const st0 = drive === undefined ? ST0_ABNORMAL | ST0_SEEK_END | 0x10 : ST0_SEEK_END;
    this.state.ended[selected] = st0 | selected;
    this.#finish([], true);
  }

  #senseInterrupt(): void {
    const { ended } = this.state;
    const index = ended.findIndex((st0) => st0 >= 0);
    if (index < 0) {
      this.#finish([ST0_INVALID], false);
      return;
    }
    const st0 = ended[index] ?? 0;
    ended[index] = -1;
    this.#drive(false);
    this.#finish([st0, this.drives[index]?.cylinder ?? 0], false);
  }

  #dumpRegisters(): void {
    const { state } = this;
    const [a = 0, b = 0] = state.specify;
    const [c = 0, d = 0] = state.configure;
    const at = state.cylinders;
    const lock = (state.locked ? 0x80 : 0) | state.perpendicular;
    this.#finish([at[0] ?? 0, at[1] ?? 0, 0, 0, a, b, 0, lock, c, d], false);
  }

  #result({ fault, chrn }: TransferEnd): void {
    const select = (this.state.command[1] ?? 0) & 7;
    const st0 = (fault === null ? 0 : ST0_ABNORMAL) | select;
    this.#finish([st0, fault?.st1 ?? 0, fault?.st2 ?? 0, ...chrn], true);
  }
}
