// SPDX-License-Identifier: GPL-2.0-only
// The monitor's side of a device model in another process: takes requests from the shared pages, sends them, judges
// what comes back and puts answers into the slots. Knows no socket and no thread; trusts nothing it is sent.
import { BufferedPage } from '../../mem/buffered-page.ts';
import type { GuestRam } from '../../mem/guest-ram.ts';
import { IoreqPage } from '../../mem/ioreq-page.ts';
import {
  IOREQ_BUFFER_SLOT_NUM,
  STATE_IOREQ_INPROCESS,
  STATE_IOREQ_READY,
  STATE_IORESP_READY,
} from '../../xen/public/hvm_ioreq.ts';
import type { Verdict } from '../device.ts';
import { VERDICTS } from '../device.ts';
import type { AccessObserver } from '../request.ts';
import { ElementsInHand } from './elements.ts';
import {
  ANSWER,
  BUFFERED,
  DONE,
  DONE_BYTES,
  encodeFrame,
  FAIL,
  FROM_MODEL,
  type Frame,
  FrameReader,
  HELLO,
  LINE,
  OUTPUT,
  ProtocolError,
  TAKEN,
  VERDICT,
} from './frames.ts';
import { type Answer, decodeAnswer, encodeRequest } from './messages.ts';

/** What a link is joined to. */
export interface LinkOptions {
  server: string;
  vcpus: number;
  ioreqPage: Uint8Array;
  bufferedPage: Uint8Array;
  ram: GuestRam;
  send: (frame: Buffer) => void;
  /** The slot of this vCPU has changed. */
  notify: (vcpu: number) => void;
  /** Hears each access, before the answer is in the slot. */
  onAccess: AccessObserver;
  /** Guest memory was written for a request of this vCPU. */
  onStored: (vcpu: number, gpa: number, length: number) => void;
  onOutput: (bytes: Buffer) => void;
  onLine: (line: number, high: boolean) => void;
  onVerdict: (verdict: Verdict) => void;
  /** The first frame, once. @throws ProtocolError */
  onHello: (payload: Buffer) => void;
}

/** Bytes a device model may write to consoles between two things asked of it. */
export const OUTPUT_ALLOWANCE = 65536;
/** Lines of interrupts. */
const LINES = 8;

/** A request that is on its way. */
interface Outstanding {
  seq: number;
  hand: ElementsInHand;
  waiting: boolean;
}

/** What the other side says of itself, fit for one line of a message. */
function printable(bytes: Buffer): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is to be kept out.
  const text = bytes.toString('utf8').replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');
  return text.slice(0, 200).trim() || 'it does not say why';
}

interface Asked {
  command: number;
  then: (ok: boolean, result: Buffer) => void;
}

export class ModelLink {
  /** Requests answered, entries of the ring included. */
  served = 0;
  /** Answers for slots that the monitor had taken back. */
  abandoned = 0;
  readonly #o: LinkOptions;
  readonly #page: IoreqPage;
  readonly #ring: BufferedPage;
  readonly #reader = new FrameReader(FROM_MODEL);
  readonly #requests: Outstanding[];
  readonly #asked: Asked[] = [];
  #seq = 0;
  #greeted = false;
  /** Ring entries that were sent and are not served yet. */
  #inRing = 0;
  #allowance = OUTPUT_ALLOWANCE;

  constructor(options: LinkOptions) {
    this.#o = options;
    this.#page = new IoreqPage(options.ioreqPage);
    this.#ring = new BufferedPage(options.bufferedPage);
    this.#requests = Array.from({ length: options.vcpus }, () => ({
      seq: 0,
      hand: new ElementsInHand(options.server, options.ram),
      waiting: false,
    }));
  }

  /** Whether something was sent whose answer has not come. */
  get busy(): boolean {
    return this.#inRing > 0 || this.#asked.length > 0 || this.#requests.some((r) => r.waiting);
  }

  /** Sends the request in the vCPU's slot, if there is one. @returns whether there was */
  takeRequest(vcpu: number): boolean {
    const slot = this.#page.slot(vcpu);
    const out = this.#requests[vcpu];
    if (out === undefined || out.waiting || slot.state() !== STATE_IOREQ_READY) return false;
    const { hand } = out;
    slot.read(hand.req);
    slot.setState(STATE_IOREQ_INPROCESS);
    this.#seq = (this.#seq + 1) >>> 0;
    out.seq = this.#seq;
    out.waiting = true;
    this.#allowance = OUTPUT_ALLOWANCE;
    this.#o.send(encodeRequest(vcpu, out.seq, hand.req, hand.load()));
    return true;
  }

  /** Sends what is in the ring; again once that is served. @returns whether anything is on its way */
  takeRing(): boolean {
    if (this.#inRing > 0) return true;
    const ring = this.#ring;
    const read = ring.read_pointer();
    const filled = Math.min((ring.write_pointer() - read) >>> 0, IOREQ_BUFFER_SLOT_NUM);
    if (filled === 0) return false;
    const entries = new Uint8Array(8 * filled);
    for (let i = 0; i < filled; i++) {
      const at = 8 + 8 * (((read + i) >>> 0) % IOREQ_BUFFER_SLOT_NUM);
      for (let b = 0; b < 8; b++) entries[8 * i + b] = ring.bytes[at + b] as number;
    }
    // Behind the entries as Xen wrote them: the pointers may have been taken back meanwhile, both by the same.
    ring.setReadPointer((ring.read_pointer() + filled) >>> 0);
    this.#inRing = filled;
    this.#allowance = OUTPUT_ALLOWANCE;
    this.#o.send(encodeFrame(BUFFERED, 0, entries));
    return true;
  }

  /** Sends a command. `then` hears its DONE; commands are answered in the order in which they were sent. */
  ask(command: number, payload: Uint8Array, then: (ok: boolean, result: Buffer) => void): void {
    this.#asked.push({ command, then });
    this.#allowance = OUTPUT_ALLOWANCE;
    this.#o.send(encodeFrame(command, 0, payload));
  }

  /** Takes in what the device model sent. @throws ProtocolError: the connection is over */
  receive(bytes: Buffer): void {
    this.#reader.feed(bytes, this.#take);
  }

  /** What was being waited for when the connection ended, for messages. */
  get waitingFor(): string {
    const vcpu = this.#requests.findIndex((r) => r.waiting);
    const what = vcpu < 0 ? '' : `, while it had a request of vCPU ${vcpu}`;
    return this.#reader.midway ? `${what}, in the middle of a frame` : what;
  }

  readonly #take = ({ type, vcpu, payload }: Frame): void => {
    if (!this.#greeted) {
      if (type !== HELLO) throw new ProtocolError('its first frame is no HELLO');
      this.#greeted = true;
      this.#o.onHello(payload);
      return;
    }
    if (vcpu !== 0 && type !== ANSWER) {
      throw new ProtocolError(`a frame of type 0x${type.toString(16)} for vCPU ${vcpu}`);
    }
    if (type === ANSWER) this.#answer(vcpu, decodeAnswer(payload), payload);
    else if (type === TAKEN) this.#taken(payload.readUInt32LE(0));
    else if (type === DONE) this.#done(payload);
    else if (type === OUTPUT) this.#output(payload);
    else if (type === LINE) this.#line(payload[0] as number, payload[1] as number);
    else if (type === VERDICT) this.#verdict(payload[0] as number);
    else if (type === FAIL) throw new ProtocolError(`it gives up: ${printable(payload)}`);
    else throw new ProtocolError('a second HELLO');
  };

  #answer(vcpu: number, answer: Answer, payload: Buffer): void {
    const out = this.#requests[vcpu];
    const whose = `request ${answer.seq} of vCPU ${vcpu}`;
    if (out === undefined) {
      throw new ProtocolError(`an answer to ${whose}; the domain has ${this.#o.vcpus}`);
    }
    if (!out.waiting || out.seq !== answer.seq) {
      const waits = out.waiting ? `it was sent ${out.seq}` : 'none is outstanding';
      throw new ProtocolError(`an answer to ${whose}, but ${waits}`);
    }
    if ((payload[5] as number) !== 0 || payload.readUInt16LE(6) !== 0) {
      throw new ProtocolError(`an answer to ${whose} with padding that is not zero`);
    }
    const { state } = answer;
    const slot = this.#page.slot(vcpu);
    // "In process" is what the slot says already.
    if (state === STATE_IOREQ_INPROCESS) return;
    if (state === STATE_IOREQ_READY) {
      throw new ProtocolError(
        `a weird ioreq state transition of ${whose}: ${STATE_IOREQ_INPROCESS} -> ${state}`,
      );
    }
    if (state > 15) throw new ProtocolError(`an answer to ${whose} with state ${state}`);
    const due = state === STATE_IORESP_READY ? out.hand.answerBytes : 0;
    if (answer.elements.length !== due) {
      const got = answer.elements.length;
      throw new ProtocolError(`an answer to ${whose} with ${got} bytes of elements, not ${due}`);
    }
    out.waiting = false;
    // A slot that was taken back, by a server disabled meanwhile, has nobody who waits for it.
    if (slot.state() !== STATE_IOREQ_INPROCESS) {
      this.abandoned++;
      return;
    }
    if (state === STATE_IORESP_READY) {
      this.served++;
      out.hand.finish(vcpu, answer, this.#o);
      slot.setData(answer.data, answer.data_hi);
    }
    // Any other state is the monitor's to judge, as if it had been written into the page.
    slot.setState(state);
    this.#o.notify(vcpu);
  }

  #taken(entries: number): void {
    if (entries !== this.#inRing) {
      throw new ProtocolError(`${entries} buffered entries taken, ${this.#inRing} were sent`);
    }
    this.served += entries;
    this.#inRing = 0;
  }

  #done(payload: Buffer): void {
    const [command, ok, zero, zero2] = payload as unknown as [number, number, number, number];
    const asked = this.#asked.shift();
    if (asked === undefined || asked.command !== command || ok > 1 || zero !== 0 || zero2 !== 0) {
      const expected = asked === undefined ? 'nothing was asked' : `asked was ${asked.command}`;
      throw new ProtocolError(`a DONE of command ${command} (${ok}), but ${expected}`);
    }
    asked.then(ok === 1, payload.subarray(DONE_BYTES));
  }

  #output(bytes: Buffer): void {
    this.#allowance -= bytes.length;
    if (this.#allowance < 0) {
      throw new ProtocolError(
        `more than ${OUTPUT_ALLOWANCE} bytes of output that nobody asked for`,
      );
    }
    this.#o.onOutput(bytes);
  }

  #line(line: number, level: number): void {
    if (line >= LINES || level > 1) {
      throw new ProtocolError(`interrupt line ${line} at level ${level}`);
    }
    this.#o.onLine(line, level === 1);
  }

  #verdict(number: number): void {
    const verdict = VERDICTS[number];
    if (verdict === undefined) throw new ProtocolError(`verdict ${number}`);
    this.#o.onVerdict(verdict);
  }
}
