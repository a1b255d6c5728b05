// SPDX-License-Identifier: GPL-2.0-only
// A device model's side of the protocol: serves what the monitor sends with devices that know nothing of it.
// Knows no socket.
import {
  type buf_ioreq_t,
  IOREQ_READ,
  IOREQ_TYPE_COPY,
  IOREQ_TYPE_PIO,
  IOREQ_WRITE,
  type ioreq_t,
  newIoreq,
  STATE_IORESP_READY,
} from '../../xen/public/hvm_ioreq.ts';
import { Bus } from '../bus.ts';
import {
  type Device,
  type DeviceContext,
  type DeviceState,
  type IoSize,
  NO_INPUT,
  VERDICTS,
} from '../device.ts';
import type { DeviceFactory } from '../factory.ts';
import type { IoRange, IoSpace } from '../range.ts';
import { type DeviceReportEntry, readSetUp, readState, type SetUp } from './documents.ts';
import {
  BUFFERED,
  DONE,
  encodeFrame,
  FAIL,
  FROM_MONITOR,
  type Frame,
  FrameReader,
  HELLO,
  jsonBytes,
  LINE,
  OUTPUT,
  PROTOCOL,
  PROTOCOL_VERSION,
  ProtocolError,
  REPORT,
  REQUEST,
  REQUEST_BYTES,
  RESET,
  RESTORE,
  SAVE,
  SETUP,
  SLEEP,
  STOP,
  TAKEN,
  VERDICT,
  WAKE,
} from './frames.ts';
import { decodeBuffered, decodeRequest, encodeAnswer } from './messages.ts';

/** What a server is joined to. */
export interface ClientServerOptions {
  /** One of them is asked for by name. */
  devices: readonly DeviceFactory[];
  send: (frame: Buffer) => void;
  /** STOP has come. */
  stopped: () => void;
  nowNs: () => number;
}

interface Served {
  key: string;
  device: Device;
  reads: number;
  writes: number;
}

const NOTHING = new Uint8Array(0);
const OUTPUT_MOST = 65536;

export class ClientServer {
  readonly #o: ClientServerOptions;
  readonly #reader = new FrameReader(FROM_MONITOR);
  readonly #bus = new Bus();
  readonly #served: Served[] = [];
  readonly #req: ioreq_t = newIoreq();
  readonly #entry: buf_ioreq_t = { type: 0, dir: IOREQ_WRITE, size: 0, addr: 0, data: 0 };
  readonly #second: buf_ioreq_t = { type: 0, dir: IOREQ_WRITE, size: 0, addr: 0, data: 0 };
  #output: number[] = [];

  constructor(options: ClientServerOptions) {
    this.#o = options;
    options.send(
      encodeFrame(HELLO, 0, jsonBytes({ protocol: PROTOCOL, version: PROTOCOL_VERSION })),
    );
  }

  /** @throws ProtocolError when the monitor does not keep to the protocol; what a device throws */
  receive(bytes: Buffer): void {
    this.#reader.feed(bytes, this.#take);
  }

  /** Says why it ends, before it does. */
  fail(why: string): void {
    this.#o.send(encodeFrame(FAIL, 0, Buffer.from(why, 'utf8').subarray(0, 4096)));
  }

  readonly #take = ({ type, vcpu, payload }: Frame): void => {
    if (this.#served.length === 0 && type !== SETUP) {
      throw new ProtocolError('the first frame is no SETUP');
    }
    if (type === REQUEST) this.#request(vcpu, payload);
    else if (type === BUFFERED) this.#buffered(payload);
    else if (type === STOP) this.#o.stopped();
    else {
      try {
        this.#done(type, true, this.#obey(type, payload));
      } catch (error) {
        // A state that does not fit is the only thing that may be refused.
        if (type !== RESTORE) throw error;
        const why = error instanceof Error ? error.message : String(error);
        this.#done(type, false, Buffer.from(why, 'utf8').subarray(0, 4096));
      }
    }
  };

  #obey(type: number, payload: Buffer): Uint8Array {
    const all = this.#served;
    switch (type) {
      case SETUP:
        this.#setUp(readSetUp(payload));
        break;
      case SLEEP:
        for (const { device } of all) device.sleep();
        break;
      case WAKE:
        for (const { device } of all) device.wake();
        break;
      case RESET:
        for (const { device } of all) device.reset();
        break;
      case SAVE:
        return jsonBytes({
          devices: Object.fromEntries(all.map(({ key, device }) => [key, device.save()])),
        });
      case RESTORE: {
        const { devices } = readState(
          payload,
          all.map(({ key }) => key),
        );
        for (const { key, device } of all) device.restore(devices[key] as DeviceState);
        break;
      }
      case REPORT: {
        const devices: Record<string, DeviceReportEntry> = {};
        for (const { key, reads, writes, device } of all) {
          devices[key] = { reads, writes, facts: device.witness() };
        }
        return jsonBytes({ devices });
      }
    }
    return NOTHING;
  }

  #setUp(setUp: SetUp): void {
    if (this.#served.length > 0) throw new ProtocolError('a second SETUP');
    const context: DeviceContext = {
      output: (byte) => {
        if (this.#output.push(byte) >= OUTPUT_MOST) this.#flush();
      },
      input: { take: () => NO_INPUT },
      raiseIrq: (line) => this.#o.send(encodeFrame(LINE, 0, Uint8Array.of(line, 1))),
      lowerIrq: (line) => this.#o.send(encodeFrame(LINE, 0, Uint8Array.of(line, 0))),
      endGuest: (verdict) => {
        this.#o.send(encodeFrame(VERDICT, 0, Uint8Array.of(VERDICTS.indexOf(verdict))));
      },
      nowNs: this.#o.nowNs,
    };
    for (const { key, name, space, first, last } of setUp.devices) {
      const factory = this.#o.devices.find((f) => f.name === name);
      if (factory === undefined) {
        const served = this.#o.devices.map((f) => f.name).join(', ') || 'nothing';
        throw new ProtocolError(`asked for '${name}', serves ${served}`);
      }
      const range: IoRange = { space, start: first, end: last };
      const served: Served = { key, device: factory.create(context), reads: 0, writes: 0 };
      this.#bus.attach(counted(served), range);
      this.#served.push(served);
    }
  }

  #request(vcpu: number, payload: Buffer): void {
    const req = this.#req;
    const seq = decodeRequest(payload, req);
    const elements = payload.subarray(REQUEST_BYTES);
    const { type, size, count } = req;
    const isBus = type === IOREQ_TYPE_PIO || type === IOREQ_TYPE_COPY;
    let read: Uint8Array = NOTHING;
    if (isBus && (size === 1 || size === 2 || size === 4 || size === 8)) {
      const toMemory = req.data_is_ptr && req.dir === IOREQ_READ;
      if (req.data_is_ptr && !toMemory && elements.length !== count * size) {
        throw new ProtocolError(`request ${seq}: ${elements.length} bytes of elements`);
      }
      if (toMemory) read = new Uint8Array(count * size);
      for (let i = 0; i < count; i++) this.#element(req, i, size, elements, read);
    } else if (req.dir === IOREQ_READ && !req.data_is_ptr) {
      req.data = 0xffffffff;
      req.data_hi = 0xffffffff;
    }
    this.#flush();
    const { data, data_hi } = req;
    const answer = { seq, state: STATE_IORESP_READY, data, data_hi, elements: read };
    this.#o.send(encodeAnswer(vcpu, answer));
  }

  #element(req: ioreq_t, i: number, size: IoSize, given: Buffer, read: Uint8Array): void {
    const space: IoSpace = req.type === IOREQ_TYPE_PIO ? 'pio' : 'mmio';
    const step = req.df ? -i * size : i * size;
    const addr = space === 'pio' ? req.addr : req.addr + step;
    const low = Math.min(size, 4);
    if (req.dir === IOREQ_READ) {
      const value = this.#bus.read(space, addr, size);
      const { hi } = this.#bus.high;
      if (!req.data_is_ptr) {
        req.data = value;
        req.data_hi = hi;
        return;
      }
      for (let b = 0; b < low; b++) read[i * size + b] = value >>> (8 * b);
      for (let b = 4; b < size; b++) read[i * size + b] = hi >>> (8 * (b - 4));
    } else if (req.data_is_ptr) {
      const value = given.readUIntLE(i * size, low);
      const high = size === 8 ? given.readUInt32LE(i * size + 4) : 0;
      this.#bus.write(space, addr, size, value, high);
    } else this.#bus.write(space, addr, size, req.data, req.data_hi);
  }

  #buffered(payload: Buffer): void {
    const count = Math.floor(payload.length / 8);
    const entry = this.#entry;
    for (let n = 0; n < count; n++) {
      decodeBuffered(payload, n, entry);
      this.#second.data = 0;
      // Eight bytes lie in two entries, the second one with the high half of the data.
      if (entry.size === 3 && n + 1 < count) decodeBuffered(payload, ++n, this.#second);
      const { type, dir, addr, data } = entry;
      if (type !== IOREQ_TYPE_PIO && type !== IOREQ_TYPE_COPY) continue;
      const space: IoSpace = type === IOREQ_TYPE_PIO ? 'pio' : 'mmio';
      const at = space === 'pio' ? addr & 0xffff : addr;
      const size = (1 << entry.size) as IoSize;
      if (dir === IOREQ_READ) this.#bus.read(space, at, size);
      else this.#bus.write(space, at, size, data, this.#second.data);
    }
    this.#flush();
    const taken = Buffer.alloc(4);
    taken.writeUInt32LE(count, 0);
    this.#o.send(encodeFrame(TAKEN, 0, taken));
  }

  #done(command: number, ok: boolean, result: Uint8Array): void {
    this.#flush();
    this.#o.send(encodeFrame(DONE, 0, Uint8Array.of(command, ok ? 1 : 0, 0, 0), result));
  }

  #flush(): void {
    if (this.#output.length === 0) return;
    const bytes = Uint8Array.from(this.#output);
    this.#output = [];
    this.#o.send(encodeFrame(OUTPUT, 0, bytes));
  }
}

/** The device, with its accesses counted apart from everything the monitor counts. */
function counted(served: Served): Device {
  const { device } = served;
  return {
    name: device.name,
    read: (offset, size, high) => {
      served.reads++;
      return device.read(offset, size, high);
    },
    write: (offset, size, value, valueHigh) => {
      served.writes++;
      device.write(offset, size, value, valueHigh);
    },
    sleep: () => device.sleep(),
    wake: () => device.wake(),
    save: () => device.save(),
    restore: (state) => device.restore(state),
    reset: () => device.reset(),
    witness: () => device.witness(),
  };
}
