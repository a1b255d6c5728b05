// SPDX-License-Identifier: GPL-2.0-only
// i8042: keyboard controller and keyboard: ports 60h and 64h, interrupt line 1, address line 20, CPU reset.
//
// Data sheets: Intel 8042; IBM PC/AT Technical Reference, March 1986, "Keyboard Controller" and "Keyboard".
// There is no mouse: its port answers as one with nothing behind it. A byte follows the one before it after a
// millisecond, as on the wire: programs read the same byte twice and get it twice.
import type { DeviceContext, IoSize } from '../device.ts';
import { RegisterDevice } from '../device.ts';
import { type Board, type PortDevice, readBytes, type Timed, writeBytes } from './board.ts';
import { toSet2 } from './scan-codes.ts';

const DATA = 0x60;
const COMMAND = 0x64;
const FLOATING = 0xff;
const IRQ = 1;
/** The keyboard's own buffer. */
const FIFO = 16;
/** Between two bytes on the wire. */
const BYTE_NS = 1_000_000;
const STATUS_OUTPUT_FULL = 0x01;
const STATUS_SYSTEM = 0x04;
const STATUS_COMMAND = 0x08;
const STATUS_UNLOCKED = 0x10;
const STATUS_AUX_FULL = 0x20;
const MODE_IRQ = 0x01;
const MODE_SYSTEM = 0x04;
const MODE_DISABLE = 0x10;
const MODE_DISABLE_AUX = 0x20;
const MODE_TRANSLATE = 0x40;
const ACK = 0xfa;
const RESEND = 0xfe;
/** Which answers wait for a byte at port 60h, by controller command. */
const TAKES_A_BYTE = [0x60, 0xd1, 0xd2, 0xd3, 0xd4];
/** Commands of the keyboard that a second byte follows: LEDs, scan code set, typematic. */
/** The number of a scan code set, as the controller translates it like a scan code. */
const SET_TRANSLATED = [0, 0x43, 0x41, 0x3f];
const KEYBOARD_TAKES_A_BYTE = [0xed, 0xf0, 0xf3];

interface State {
  mode: number;
  /** Last byte written to port 64h: 1, to port 60h: 0. */
  command: number;
  /** Controller command that waits for its byte; 0: none. The same of the keyboard. */
  pending: number;
  keyboardPending: number;
  /** The output buffer, and whether it is full or holds the second port's byte. */
  output: number;
  full: boolean;
  aux: boolean;
  /** Answers of the controller, oldest first: they come before keys. */
  answers: number[];
  /** Of the keyboard, oldest first: already translated, or not, as the mode was when they came. */
  keys: number[];
  /** Guest time in ns before which the wire brings nothing. */
  quietUntil: number;
  scanning: boolean;
  leds: number;
  set: number;
  /** Keys that came while there was no room. */
  lost: number;
}

const POWER_ON: State = {
  mode: MODE_IRQ | MODE_TRANSLATE | MODE_SYSTEM,
  command: 0,
  pending: 0,
  keyboardPending: 0,
  output: 0,
  full: false,
  aux: false,
  answers: [],
  keys: [],
  quietUntil: 0,
  scanning: true,
  leds: 0,
  set: 2,
  lost: 0,
};

export class I8042 extends RegisterDevice<State> implements PortDevice, Timed {
  readonly #context: DeviceContext;
  readonly #board: Board;
  #line = false;

  constructor(context: DeviceContext, board: Board) {
    super('i8042', POWER_ON);
    this.#context = context;
    this.#board = board;
  }

  /** A byte of scan code set 1, as it is to be seen at port 60h. Dropped when there is no room. */
  key(byte: number): void {
    if (!this.state.scanning) return;
    if (this.room() <= 0) this.state.lost++;
    else this.#send(...this.#coded(byte));
    this.#fill(this.#context.nowNs());
  }

  /** How many bytes the keyboard still takes. */
  room(): number {
    return FIFO - this.state.keys.length;
  }

  /** Whether everything it had to say has been read. */
  get idle(): boolean {
    return !this.state.full && this.state.keys.length === 0;
  }

  /** Bit 0 scroll lock, 1 num lock, 2 caps lock. */
  get leds(): number {
    return this.state.leds;
  }

  read(port: number, size: IoSize): number {
    return readBytes(size, (i) => {
      if (port + i === DATA) return this.#readData();
      return port + i === COMMAND ? this.#status() : FLOATING;
    });
  }

  write(port: number, size: IoSize, value: number): void {
    writeBytes(size, value, (i, byte) => {
      if (port + i === DATA) this.#writeData(byte);
      else if (port + i === COMMAND) this.#writeCommand(byte);
      this.#fill(this.#context.nowNs());
    });
  }

  nextEventNs(): number {
    const { full, answers, keys, mode, quietUntil } = this.state;
    if (full) return Number.POSITIVE_INFINITY;
    if (answers.length > 0) return 0;
    if (keys.length === 0 || (mode & MODE_DISABLE) !== 0) return Number.POSITIVE_INFINITY;
    return quietUntil;
  }

  advance(nowNs: number): void {
    this.#fill(nowNs);
  }

  override reset(): void {
    super.reset();
    this.#updateLine();
  }

  override restore(...args: Parameters<RegisterDevice<State>['restore']>): void {
    super.restore(...args);
    this.#updateLine();
  }

  /** A byte of set 1 as the keyboard is to send it now. */
  #coded(byte: number): number[] {
    return (this.state.mode & MODE_TRANSLATE) !== 0 || this.state.set === 1 ? [byte] : toSet2(byte);
  }

  get #translates(): boolean {
    return (this.state.mode & MODE_TRANSLATE) !== 0;
  }

  /** Answers of the keyboard are never translated. A guest that never reads them loses those beyond its buffer. */
  #send(...bytes: number[]): void {
    if (this.room() < bytes.length) this.state.lost++;
    else this.state.keys.push(...bytes);
  }

  #status(): number {
    const { full, aux, command } = this.state;
    return (
      (full ? STATUS_OUTPUT_FULL : 0) |
      (this.state.mode & STATUS_SYSTEM) |
      (command !== 0 ? STATUS_COMMAND : 0) |
      STATUS_UNLOCKED |
      (full && aux ? STATUS_AUX_FULL : 0)
    );
  }

  #readData(): number {
    const { state } = this;
    if (!state.full) return state.output;
    state.full = false;
    state.quietUntil = this.#context.nowNs() + BYTE_NS;
    this.#fill(this.#context.nowNs());
    return state.output;
  }

  /** Moves the next byte into the output buffer, if it is empty. */
  #fill(nowNs: number): void {
    const { state } = this;
    if (!state.full) {
      const keysMayCome = (state.mode & MODE_DISABLE) === 0 && nowNs >= state.quietUntil;
      const next = state.answers.shift() ?? (keysMayCome ? state.keys.shift() : undefined);
      if (next !== undefined) {
        state.output = next & 0xff;
        state.aux = next > 0xff;
        state.full = true;
      }
    }
    this.#updateLine();
  }

  #updateLine(): void {
    const { full, aux, mode } = this.state;
    const wanted = full && !aux && (mode & MODE_IRQ) !== 0;
    if (wanted === this.#line) return;
    this.#line = wanted;
    if (wanted) this.#context.raiseIrq(IRQ);
    else this.#context.lowerIrq(IRQ);
  }

  #writeCommand(command: number): void {
    const { state } = this;
    state.command = 1;
    state.pending = TAKES_A_BYTE.includes(command) ? command : 0;
    if (state.pending !== 0) return;
    // Pulse of output lines, low where the bit is 0: line 0 is the CPU's reset.
    if (command >= 0xf0) {
      if ((command & 1) === 0) this.#board.resetCpu();
      return;
    }
    switch (command) {
      case 0x20:
        this.#answer(state.mode);
        break;
      case 0xa7:
        state.mode |= MODE_DISABLE_AUX;
        break;
      case 0xa8:
        state.mode &= ~MODE_DISABLE_AUX;
        break;
      case 0xa9: // the second port: its clock line is stuck low
        this.#answer(0x01);
        break;
      case 0xaa:
        state.mode |= MODE_SYSTEM;
        this.#answer(0x55);
        break;
      case 0xab:
        this.#answer(0x00);
        break;
      case 0xad:
        state.mode |= MODE_DISABLE;
        break;
      case 0xae:
        state.mode &= ~MODE_DISABLE;
        break;
      case 0xc0: // not locked, colour display, 256 KiB or more on the board
        this.#answer(0xa0);
        break;
      case 0xd0:
        this.#answer(this.#outputPort());
        break;
      case 0xdd:
        this.#board.setA20(false);
        break;
      case 0xdf:
        this.#board.setA20(true);
        break;
      default:
    }
  }

  #outputPort(): number {
    const { full, aux } = this.state;
    return 0x01 | (this.#board.a20 ? 0x02 : 0) | (full ? (aux ? 0x20 : 0x10) : 0) | 0xc0;
  }

  #answer(byte: number): void {
    if (this.state.answers.length < FIFO) this.state.answers.push(byte);
  }

  #writeData(byte: number): void {
    const { state } = this;
    const command = state.pending;
    state.command = 0;
    state.pending = 0;
    switch (command) {
      case 0x60:
        state.mode = byte;
        break;
      case 0xd1:
        this.#board.setA20((byte & 2) !== 0);
        if ((byte & 1) === 0) this.#board.resetCpu();
        break;
      case 0xd2:
        this.#answer(byte);
        break;
      case 0xd3:
        this.#answer(0x100 | byte);
        break;
      case 0xd4: // nobody there
        break;
      default:
        state.mode &= ~MODE_DISABLE;
        this.#toKeyboard(byte);
    }
  }

  #toKeyboard(byte: number): void {
    const { state } = this;
    const command = state.keyboardPending;
    state.keyboardPending = 0;
    if (command !== 0 && byte < 0xed) {
      this.#send(ACK);
      if (command === 0xed) state.leds = byte & 7;
      else if (command === 0xf0 && byte === 0)
        this.#send(this.#translates ? (SET_TRANSLATED[state.set] ?? 0) : state.set);
      else if (command === 0xf0 && byte <= 3) state.set = byte;
      return;
    }
    if (KEYBOARD_TAKES_A_BYTE.includes(byte)) {
      state.keyboardPending = byte;
      this.#send(ACK);
      return;
    }
    switch (byte) {
      case 0xee:
        this.#send(0xee);
        break;
      case 0xf2: // the second byte is translated where the others are
        this.#send(ACK, 0xab, this.#translates ? 0x41 : 0x83);
        break;
      case 0xf4:
        state.scanning = true;
        this.#send(ACK);
        break;
      case 0xf5:
      case 0xf6:
        state.scanning = byte === 0xf6;
        state.keys.length = 0;
        this.#send(ACK);
        break;
      case 0xff:
        state.keys.length = 0;
        state.scanning = true;
        state.leds = 0;
        state.set = 2;
        this.#send(ACK, 0xaa);
        break;
      default:
        this.#send(byte >= 0xed ? ACK : RESEND);
    }
  }
}
