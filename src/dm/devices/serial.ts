// SPDX-License-Identifier: GPL-2.0-only
// serial: a 16550A UART at COM1, interrupt line 4.
//
// Data sheet: National Semiconductor PC16550D, June 1995. The line is infinitely fast: a byte
// written is sent at once, so the transmitter is always empty; input is taken from the source when the
// receiver has room, so only the loopback can overrun. Baud rate, parity and stop bits are kept and
// have no effect. The interrupt output is gated by OUT2, as PC boards wire it.
import {
  type DeviceContext,
  type DeviceWitness,
  type IoSize,
  NO_INPUT,
  RegisterDevice,
} from '../device.ts';
import type { DeviceFactory } from '../factory.ts';

const COM1_IRQ = 4;
const FIFO_BYTES = 16;
/** Bytes in the receiver that raise "data available", by FCR bits 7-6. */
const TRIGGER = [1, 4, 8, 14] as const;

const LCR_DLAB = 0x80;
const LSR_DR = 0x01;
const LSR_OE = 0x02;
const LSR_THRE_TEMT = 0x60;
const IER_RDA = 0x01;
const IER_THRE = 0x02;
const IER_RLS = 0x04;
const IER_MS = 0x08;
const IIR_NONE = 0x01;
const IIR_MS = 0x00;
const IIR_THRE = 0x02;
const IIR_RDA = 0x04;
const IIR_RLS = 0x06;
const IIR_TIMEOUT = 0x0c;
const IIR_FIFOS = 0xc0;
const FCR_ENABLE = 0x01;
const FCR_CLEAR_RX = 0x02;
const MCR_OUT2 = 0x08;
const MCR_LOOP = 0x10;
/** Nobody is connected but us: CTS, DSR and DCD asserted, RI not. */
const MSR_LINES = 0xb0;
const MSR_RI = 0x40;
/** Delta bits 0, 1, 3 follow lines 4, 5, 7; bit 2 marks the trailing edge of RI. */
const MSR_PLAIN_DELTAS = 0x0b;
const MSR_TERI = 0x04;

interface SerialState {
  ier: number;
  fcr: number;
  lcr: number;
  mcr: number;
  scr: number;
  dll: number;
  dlm: number;
  /** Delta bits 0-3 of MSR; the lines above them follow from MCR. */
  msrDelta: number;
  overrun: boolean;
  /** The transmitter has become empty and nobody has been told. */
  threPending: boolean;
  /** The receiver, oldest byte first: at most 16 with FIFOs on, else 1. */
  received: number[];
  sent: number;
  taken: number;
}

const POWER_ON: SerialState = {
  ier: 0,
  fcr: 0,
  lcr: 0,
  mcr: 0,
  scr: 0,
  dll: 1,
  dlm: 0,
  msrDelta: 0,
  overrun: false,
  threPending: false,
  received: [],
  sent: 0,
  taken: 0,
};

export class Serial extends RegisterDevice<SerialState> {
  readonly #context: DeviceContext;
  readonly #irq: number;
  #line = false;

  /** @param irq - interrupt line */
  constructor(context: DeviceContext, irq: number = COM1_IRQ) {
    super('serial', POWER_ON);
    this.#context = context;
    this.#irq = irq;
  }

  /** Wider accesses are byte accesses to neighbouring registers, lowest first, as on the ISA bus. */
  read(offset: number, size: IoSize): number {
    let value = 0;
    for (let i = 0; i < size && i < 4; i++) {
      value |= (offset + i < 8 ? this.#readByte(offset + i) : 0xff) << (8 * i);
    }
    return value >>> 0;
  }

  write(offset: number, size: IoSize, value: number): void {
    for (let i = 0; i < size && i < 4; i++) {
      if (offset + i < 8) this.#writeByte(offset + i, (value >>> (8 * i)) & 0xff);
    }
  }

  inputArrived(): void {
    this.#takeInput();
    this.#updateLine();
  }

  override reset(): void {
    super.reset();
    this.#updateLine();
  }

  override wake(): void {
    super.wake();
    this.#updateLine();
  }

  override restore(...args: Parameters<RegisterDevice<SerialState>['restore']>): void {
    super.restore(...args);
    this.#updateLine();
  }

  override witness(): DeviceWitness {
    return { bytesSent: this.state.sent, bytesTaken: this.state.taken };
  }

  #readByte(register: number): number {
    const state = this.state;
    const dlab = (state.lcr & LCR_DLAB) !== 0;
    let value = 0;
    this.#takeInput();
    switch (register) {
      case 0:
        value = dlab ? state.dll : (state.received.shift() ?? 0);
        break;
      case 1:
        value = dlab ? state.dlm : state.ier;
        break;
      case 2:
        value = this.#source();
        // Reading IIR acknowledges the empty transmitter, if that is what it reported.
        if (value === IIR_THRE) state.threPending = false;
        if (this.#fifos()) value |= IIR_FIFOS;
        break;
      case 3:
        value = state.lcr;
        break;
      case 4:
        value = state.mcr;
        break;
      case 5:
        value =
          LSR_THRE_TEMT | (state.received.length > 0 ? LSR_DR : 0) | (state.overrun ? LSR_OE : 0);
        state.overrun = false;
        break;
      case 6:
        value = lines(state.mcr) | state.msrDelta;
        state.msrDelta = 0;
        break;
      default:
        value = state.scr;
    }
    this.#updateLine();
    return value;
  }

  #writeByte(register: number, value: number): void {
    const state = this.state;
    const dlab = (state.lcr & LCR_DLAB) !== 0;
    switch (register) {
      case 0:
        if (dlab) state.dll = value;
        else this.#transmit(value);
        break;
      case 1:
        if (dlab) state.dlm = value;
        else {
          // Switching the interrupt on while the transmitter is empty reports it at once.
          if ((value & ~state.ier & IER_THRE) !== 0) state.threPending = true;
          state.ier = value & 0x0f;
        }
        break;
      case 2:
        this.#control(value);
        break;
      case 3:
        state.lcr = value;
        break;
      case 4: {
        const before = lines(state.mcr);
        state.mcr = value & 0x1f;
        state.msrDelta |= deltas(before, lines(state.mcr));
        break;
      }
      case 7:
        state.scr = value;
        break;
      default: // LSR and MSR are read-only outside factory tests
    }
    this.#updateLine();
  }

  #transmit(byte: number): void {
    const state = this.state;
    if ((state.mcr & MCR_LOOP) !== 0) this.#receive(byte);
    else {
      this.#context.output(byte);
      state.sent++;
    }
    state.threPending = true;
  }

  #control(value: number): void {
    const state = this.state;
    const toggled = ((value ^ state.fcr) & FCR_ENABLE) !== 0;
    // Switching FIFOs on or off empties them; the other bits count only with bit 0 set.
    if (toggled || (value & (FCR_ENABLE | FCR_CLEAR_RX)) === (FCR_ENABLE | FCR_CLEAR_RX)) {
      state.received.length = 0;
    }
    state.fcr = (value & FCR_ENABLE) === 0 ? 0 : value & 0xc9;
  }

  #receive(byte: number): void {
    const state = this.state;
    if (state.received.length < this.#room()) {
      state.received.push(byte);
      return;
    }
    // With FIFOs the newcomer is lost; without, it replaces the byte nobody read.
    state.overrun = true;
    if (!this.#fifos()) state.received[0] = byte;
  }

  #takeInput(): void {
    const state = this.state;
    if (this.asleep || (state.mcr & MCR_LOOP) !== 0) return;
    while (state.received.length < this.#room()) {
      const byte = this.#context.input.take();
      if (byte === NO_INPUT) return;
      state.received.push(byte & 0xff);
      state.taken++;
    }
  }

  #fifos(): boolean {
    return (this.state.fcr & FCR_ENABLE) !== 0;
  }

  #room(): number {
    return this.#fifos() ? FIFO_BYTES : 1;
  }

  /** The pending interrupt of highest priority, as IIR reports it. */
  #source(): number {
    const { ier, received, fcr, overrun, threPending, msrDelta } = this.state;
    if ((ier & IER_RLS) !== 0 && overrun) return IIR_RLS;
    if ((ier & IER_RDA) !== 0 && received.length > 0) {
      // Time does not pass between bytes here: less than the trigger level is a timeout at once.
      const level = this.#fifos() ? (TRIGGER[fcr >>> 6] ?? 1) : 1;
      return received.length >= level ? IIR_RDA : IIR_TIMEOUT;
    }
    if ((ier & IER_THRE) !== 0 && threPending) return IIR_THRE;
    if ((ier & IER_MS) !== 0 && msrDelta !== 0) return IIR_MS;
    return IIR_NONE;
  }

  #updateLine(): void {
    const wanted = (this.state.mcr & MCR_OUT2) !== 0 && this.#source() !== IIR_NONE;
    if (wanted === this.#line) return;
    this.#line = wanted;
    if (wanted) this.#context.raiseIrq(this.#irq);
    else this.#context.lowerIrq(this.#irq);
  }
}

/** MSR bits 7-4. In loopback: CTS from RTS, DSR from DTR, RI from OUT1, DCD from OUT2. */
function lines(mcr: number): number {
  if ((mcr & MCR_LOOP) === 0) return MSR_LINES;
  return ((mcr & 0x02) << 3) | ((mcr & 0x01) << 5) | ((mcr & 0x04) << 4) | ((mcr & 0x08) << 4);
}

function deltas(before: number, after: number): number {
  const plain = ((before ^ after) >>> 4) & MSR_PLAIN_DELTAS;
  return plain | ((before & ~after & MSR_RI) !== 0 ? MSR_TERI : 0);
}

export const serial: DeviceFactory = {
  name: 'serial',
  summary: '16550A UART: output to the terminal, input from it, interrupt line 4',
  defaultRange: '0x3f8-0x3ff',
  create: (context) => new Serial(context),
};
