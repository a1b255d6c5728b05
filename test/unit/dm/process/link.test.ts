// SPDX-License-Identifier: GPL-2.0-only
// The monitor's side and the client's side of the protocol, joined without a socket: a device in another process does
// what the same device does behind `DeviceServer`, and what no honest device model sends is refused.
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { BUILTIN_DEVICES } from '../../../../src/dm/builtin.ts';
import { silentContext } from '../../../../src/dm/device.ts';
import { ClientServer } from '../../../../src/dm/process/client-server.ts';
import {
  BUFFERED,
  encodeFrame,
  FROM_MODEL,
  HELLO,
  jsonBytes,
  OUTPUT,
  PROTOCOL,
  PROTOCOL_VERSION,
  ProtocolError,
  REPORT,
  RESET,
  RESTORE,
  SAVE,
  SETUP,
  SLEEP,
} from '../../../../src/dm/process/frames.ts';
import { ModelLink, OUTPUT_ALLOWANCE } from '../../../../src/dm/process/link.ts';
import { encodeAnswer } from '../../../../src/dm/process/messages.ts';
import type { AccessEvent } from '../../../../src/dm/request.ts';
import { DeviceServer } from '../../../../src/dm/server.ts';
import { BufferedPage } from '../../../../src/mem/buffered-page.ts';
import { GuestRam } from '../../../../src/mem/guest-ram.ts';
import { IoreqPage } from '../../../../src/mem/ioreq-page.ts';
import {
  IOREQ_TYPE_COPY,
  IOREQ_TYPE_INVALIDATE,
  IOREQ_TYPE_PCI_CONFIG,
  IOREQ_TYPE_PIO,
  type ioreq_t,
  newIoreq,
  STATE_IOREQ_INPROCESS,
  STATE_IOREQ_NONE,
  STATE_IOREQ_READY,
  STATE_IORESP_READY,
} from '../../../../src/xen/public/hvm_ioreq.ts';

const RAM = 0x10000;
const VCPUS = 2;
const DEVICES = [
  { name: 'counter', space: 'pio', first: 0x200, last: 0x207 },
  { name: 'rmw', space: 'mmio', first: 0xd0000, last: 0xd0fff },
] as const;
const KEYS = ['counter@0x200-0x207', 'rmw@mmio:0xd0000-0xd0fff'];

const pages = (): { ioreqPage: Uint8Array; bufferedPage: Uint8Array } => ({
  ioreqPage: new Uint8Array(new SharedArrayBuffer(4096)),
  bufferedPage: new Uint8Array(new SharedArrayBuffer(4096)),
});
function filledRam(): GuestRam {
  const ram = new GuestRam(RAM);
  for (let i = 0; i < RAM; i++) ram.bytes[i] = (i * 7) & 0xff;
  return ram;
}
const factoryOf = (name: string) => {
  const factory = BUILTIN_DEVICES.find((f) => f.name === name);
  if (factory === undefined) throw new Error(name);
  return factory;
};

/** One side of the comparison: pages, RAM, and what was seen. */
class Rig {
  readonly pages = pages();
  readonly slots = new IoreqPage(this.pages.ioreqPage);
  readonly ring = new BufferedPage(this.pages.bufferedPage);
  readonly ram = filledRam();
  readonly accesses: AccessEvent[] = [];
  readonly stored: [number, number][] = [];
  readonly notified: number[] = [];
  readonly see = (event: AccessEvent): void => {
    this.accesses.push({ ...event });
  };
}

/** A link whose other side is whoever takes what it sends. */
class LinkRig extends Rig {
  readonly sent: Buffer[] = [];
  outputs = 0;
  deliver: (frame: Buffer) => void = (frame) => this.sent.push(frame);
  readonly link = new ModelLink({
    server: 'test',
    vcpus: VCPUS,
    ...this.pages,
    ram: this.ram,
    send: (frame) => this.deliver(frame),
    notify: (vcpu) => this.notified.push(vcpu),
    onAccess: this.see,
    onStored: (_vcpu, gpa, length) => this.stored.push([gpa, length]),
    onOutput: (bytes) => {
      this.outputs += bytes.length;
    },
    onLine: () => {},
    onVerdict: () => {},
    onHello: () => {},
  });

  hello(): void {
    this.link.receive(
      encodeFrame(HELLO, 0, jsonBytes({ protocol: PROTOCOL, version: PROTOCOL_VERSION })),
    );
  }
  /** Puts a request into a slot and takes it. */
  request(parts: Partial<ioreq_t>, vcpu = 0): void {
    put(this, parts, vcpu);
    expect(this.link.takeRequest(vcpu)).toBe(true);
  }
  answer(seq: number, state: number, vcpu = 0, elements = new Uint8Array(0)): void {
    this.link.receive(encodeAnswer(vcpu, { seq, state, data: 7, data_hi: 0, elements }));
  }
}

function put(rig: Rig, parts: Partial<ioreq_t>, vcpu: number): void {
  rig.slots.slot(vcpu).write({
    ...newIoreq(),
    type: IOREQ_TYPE_PIO,
    addr: 0x200,
    size: 1,
    count: 1,
    dir: 1,
    ...parts,
    state: STATE_IOREQ_READY,
  });
}

/** A link served by the client of the package. */
class ServedRig extends LinkRig {
  readonly client: ClientServer;
  /** What commands yielded. */
  readonly results: { ok: boolean; result: string }[] = [];

  constructor() {
    super();
    const toLink: Buffer[] = [];
    this.client = new ClientServer({
      devices: BUILTIN_DEVICES,
      send: (frame) => toLink.push(frame),
      stopped: () => {},
      nowNs: () => 0,
    });
    const flush = (): void => {
      for (let f = toLink.shift(); f !== undefined; f = toLink.shift()) this.link.receive(f);
    };
    this.deliver = (frame) => {
      this.client.receive(frame);
      // Answers come later, as over a socket.
      queueMicrotask(flush);
    };
    flush();
    const setUp = {
      protocol: PROTOCOL,
      version: PROTOCOL_VERSION,
      server: 0,
      name: 'test',
      vcpus: VCPUS,
      devices: DEVICES.map((d, i) => ({ ...d, key: KEYS[i] })),
    };
    this.ask(SETUP, jsonBytes(setUp));
  }
  ask(command: number, payload: Uint8Array = new Uint8Array(0)): void {
    this.link.ask(command, payload, (ok, result) => {
      this.results.push({ ok, result: result.toString('utf8') });
    });
  }
}

/** The same devices on this thread. */
class LocalRig extends Rig {
  readonly server = new DeviceServer('test');

  constructor() {
    super();
    this.ram.onHostWrite = (gpa, length) => this.stored.push([gpa, length]);
    for (const { name, space, first, last } of DEVICES) {
      this.server.bus.attach(factoryOf(name).create(silentContext()), {
        space,
        start: first,
        end: last,
      });
    }
    this.server.connect({
      ioreqPage: this.slots,
      bufferedPage: this.ring,
      vcpuPorts: [0, 1],
      bufferedPort: 2,
      notify: (vcpu) => this.notified.push(vcpu),
      ram: this.ram,
    });
    this.server.onAccess = this.see;
  }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a device in another process', () => {
  const anything = fc.record({
    type: fc.constantFrom(
      IOREQ_TYPE_PIO,
      IOREQ_TYPE_COPY,
      IOREQ_TYPE_PCI_CONFIG,
      IOREQ_TYPE_INVALIDATE,
    ),
    addr: fc.oneof(
      fc.integer({ min: 0x1f8, max: 0x210 }),
      fc.integer({ min: 0xcfff0, max: 0xd0010 }),
    ),
    size: fc.constantFrom(0, 1, 2, 3, 4, 8),
    count: fc.integer({ min: 0, max: 20 }),
    dir: fc.constantFrom(0 as const, 1 as const),
    df: fc.boolean(),
    data_is_ptr: fc.boolean(),
    data: fc.oneof(fc.integer({ min: 0, max: RAM + 16 }), fc.constant(0xffffffff)),
    data_hi: fc.constantFrom(0, 0, 0, 1),
  });
  // Several reads with one value to answer are none that Xen sends: all but the last would be lost.
  const request = anything.map((r) =>
    r.dir === 1 && !r.data_is_ptr ? { ...r, count: Math.min(r.count, 1) } : r,
  );

  it('answers, writes guest memory and is seen as the same device on this thread', async () => {
    let transfers = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 12 }), async (requests) => {
        const remote = new ServedRig();
        const local = new LocalRig();
        await settle();
        for (const [i, parts] of requests.entries()) {
          const vcpu = i % VCPUS;
          put(local, parts, vcpu);
          local.server.serveNow(vcpu);
          remote.request(parts, vcpu);
          await settle();
          const [a, b] = [remote.slots.slot(vcpu), local.slots.slot(vcpu)];
          expect(a.state()).toBe(STATE_IORESP_READY);
          expect(b.state()).toBe(STATE_IORESP_READY);
          // Of a write, or of elements in memory, nobody looks at the data.
          if (parts.dir === 1 && !parts.data_is_ptr) {
            const high = parts.size === 8 ? 0xffffffff : 0;
            expect(a.data()).toBe(b.data());
            expect(a.data_hi() & high).toBe(b.data_hi() & high);
          }
          if (parts.data_is_ptr && parts.dir === 1) transfers++;
          a.setState(STATE_IOREQ_NONE);
          b.setState(STATE_IOREQ_NONE);
        }
        expect(remote.accesses).toEqual(local.accesses);
        expect(Buffer.from(remote.ram.bytes).equals(Buffer.from(local.ram.bytes))).toBe(true);
        expect(remote.stored).toEqual(local.stored);
        remote.ask(SAVE);
        remote.ask(REPORT);
        await settle();
        const [, saved, report] = remote.results;
        expect(JSON.parse(saved?.result ?? '')).toEqual(local.server.save());
        const { devices } = JSON.parse(report?.result ?? '');
        expect(Object.fromEntries(KEYS.map((k) => [k, devices[k].facts]))).toEqual(
          local.server.witnesses(),
        );
      }),
      { numRuns: 150 },
    );
    expect(transfers).toBeGreaterThan(50);
  });

  it('takes what is in the ring, eight bytes from two entries, and gives the places back', async () => {
    const remote = new ServedRig();
    const local = new LocalRig();
    await settle();
    for (const rig of [remote, local]) {
      rig.ring.writeEntry(0, IOREQ_TYPE_COPY, 0, 2, 0xd0000, 0x1234);
      rig.ring.writeEntry(1, IOREQ_TYPE_COPY, 0, 3, 0xd0008, 0x11111111);
      rig.ring.writeEntry(2, IOREQ_TYPE_COPY, 0, 3, 0xd0008, 0x22222222);
      rig.ring.writeEntry(3, IOREQ_TYPE_PIO, 0, 0, 0x200, 5);
      rig.ring.setWritePointer(4);
    }
    expect(remote.link.takeRing()).toBe(true);
    expect(remote.link.busy).toBe(true);
    // What comes while these are on their way waits for them.
    remote.ring.writeEntry(4, IOREQ_TYPE_PIO, 0, 0, 0x200, 6);
    remote.ring.setWritePointer(5);
    expect(remote.link.takeRing()).toBe(true);
    await settle();
    expect(remote.ring.read_pointer()).toBe(4);
    expect(remote.link.takeRing()).toBe(true);
    await settle();
    expect(remote.link.takeRing()).toBe(false);
    local.ring.writeEntry(4, IOREQ_TYPE_PIO, 0, 0, 0x200, 6);
    local.ring.setWritePointer(5);
    local.server.drainBufferedNow();
    remote.ask(SAVE);
    await settle();
    expect(JSON.parse(remote.results.at(-1)?.result ?? '')).toEqual(local.server.save());
    expect(remote.link.served).toBe(5);
  });

  it('is put back to a saved state, refuses one that is not its own, and is reset', async () => {
    const rig = new ServedRig();
    await settle();
    const saved = async (): Promise<string> => {
      rig.ask(SAVE);
      await settle();
      return rig.results.at(-1)?.result ?? '';
    };
    const fresh = await saved();
    rig.request({});
    await settle();
    const later = await saved();
    expect(later).not.toBe(fresh);
    rig.ask(RESTORE, Buffer.from(fresh));
    expect(await saved()).toBe(fresh);
    rig.ask(RESTORE, Buffer.from(fresh.replace('"low"', '"lower"')));
    await settle();
    expect(rig.results.at(-1)).toMatchObject({ ok: false });
    expect(rig.results.at(-1)?.result).toMatch(/lower/);
    rig.ask(RESTORE, Buffer.from(later));
    rig.ask(SLEEP);
    rig.ask(RESET);
    expect(await saved()).toBe(fresh);
  });
});

describe('what no honest device model sends', () => {
  let rig: LinkRig;
  beforeEach(() => {
    rig = new LinkRig();
    rig.hello();
  });
  const state = (vcpu = 0): number => rig.slots.slot(vcpu).state();

  it('an answer to nothing, twice, to another request, for another vCPU', () => {
    expect(() => rig.answer(1, 3)).toThrow(/none is outstanding/);
    rig.request({});
    expect(() => rig.answer(2, 3)).toThrow(/it was sent 1/);
    expect(() => rig.answer(1, 3, 1)).toThrow(/vCPU 1, but none is outstanding/);
    expect(() => rig.answer(1, 3, 2)).toThrow(/the domain has 2/);
    expect(state()).toBe(STATE_IOREQ_INPROCESS);
    expect(state(1)).toBe(STATE_IOREQ_NONE);
    rig.answer(1, 3);
    expect(state()).toBe(STATE_IORESP_READY);
    expect(() => rig.answer(1, 3)).toThrow(/none is outstanding/);
    // Also while the vCPU has its next request there.
    rig.request({});
    expect(() => rig.answer(1, 3)).toThrow(/it was sent 2/);
    expect(rig.notified).toEqual([0]);
  });

  it('states: in process is nothing new, backwards ends it, others are for the monitor to judge', () => {
    rig.request({});
    rig.answer(1, STATE_IOREQ_INPROCESS);
    expect(rig.notified).toEqual([]);
    expect(() => rig.answer(1, STATE_IOREQ_READY)).toThrow(
      'weird ioreq state transition of request 1 of vCPU 0: 2 -> 1',
    );
    expect(() => rig.answer(1, 16)).toThrow(/state 16/);
    rig.answer(1, 9);
    expect(state()).toBe(9);
    expect(rig.notified).toEqual([0]);
    expect(rig.accesses).toEqual([]);
    rig.slots.slot(0).setState(STATE_IOREQ_NONE);
    rig.request({});
    rig.answer(2, STATE_IOREQ_NONE);
    expect(state()).toBe(STATE_IOREQ_NONE);
    expect(rig.notified).toEqual([0, 0]);
  });

  it('elements that are too few or too many leave guest memory alone', () => {
    const before = Buffer.from(rig.ram.bytes);
    rig.request({ data_is_ptr: true, data: 0x100, count: 4, size: 2 });
    for (const length of [0, 7, 9]) {
      expect(() => rig.answer(1, 3, 0, new Uint8Array(length))).toThrow(/not 8/);
    }
    expect(before.equals(Buffer.from(rig.ram.bytes))).toBe(true);
    rig.answer(1, 3, 0, new Uint8Array(8));
    expect([...rig.ram.bytes.subarray(0x100, 0x108)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it('an answer for a slot that was taken back goes nowhere', () => {
    rig.request({});
    rig.slots.slot(0).setState(STATE_IOREQ_NONE);
    rig.answer(1, 3);
    expect(state()).toBe(STATE_IOREQ_NONE);
    expect(rig.link.abandoned).toBe(1);
    expect(rig.accesses).toEqual([]);
  });

  it('output without end', () => {
    const piece = encodeFrame(OUTPUT, 0, new Uint8Array(OUTPUT_ALLOWANCE / 2));
    rig.link.receive(piece);
    rig.link.receive(piece);
    expect(() => rig.link.receive(piece)).toThrow(/output that nobody asked for/);
    expect(rig.outputs).toBe(OUTPUT_ALLOWANCE);
    rig.request({});
    rig.link.receive(piece);
  });

  it('anything before HELLO, and HELLO again', () => {
    const fresh = new LinkRig();
    expect(() => fresh.link.receive(encodeFrame(OUTPUT, 0, Buffer.from('x')))).toThrow(/no HELLO/);
    expect(() => rig.hello()).toThrow(/second HELLO/);
  });

  it('no stream of well-formed frames touches a slot that has no request, or throws anything else', () => {
    const frames = fc.array(
      fc.constantFrom(...FROM_MODEL.entries()).chain(([type, [least, most]]) =>
        fc.record({
          type: fc.constant(type),
          vcpu: fc.constantFrom(0, 0, 0, 1, 2, 128, 0xffff),
          payload: fc.oneof(
            fc.uint8Array({ minLength: least, maxLength: Math.min(most, least + 8) }),
            // Near misses: a small sequence number and state.
            fc
              .tuple(fc.nat(3), fc.nat(17), fc.uint8Array({ minLength: least, maxLength: least }))
              .map(([seq, s, rest]) => {
                const b = new Uint8Array(rest.length);
                b[0] = seq;
                if (b.length > 4) b[4] = s;
                return b;
              }),
          ),
        }),
      ),
      { maxLength: 10 },
    );
    let answered = 0;
    fc.assert(
      fc.property(frames, (list) => {
        const r = new LinkRig();
        r.hello();
        r.request({ data_is_ptr: true, data: 0x100, count: 1, size: 8 });
        const page = Buffer.from(r.pages.ioreqPage);
        const ram = Buffer.from(r.ram.bytes);
        try {
          for (const { type, vcpu, payload } of list) {
            r.link.receive(encodeFrame(type, vcpu, payload));
          }
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
        answered += r.notified.length;
        // At most the one slot, once, and the eight bytes that were asked for.
        expect(r.notified.length).toBeLessThanOrEqual(1);
        expect(page.subarray(32).equals(Buffer.from(r.pages.ioreqPage.subarray(32)))).toBe(true);
        const now = Buffer.from(r.ram.bytes);
        expect(now.subarray(0, 0x100).equals(ram.subarray(0, 0x100))).toBe(true);
        expect(now.subarray(0x108).equals(ram.subarray(0x108))).toBe(true);
        if (r.notified.length === 0) {
          expect(r.slots.slot(0).state()).toBe(STATE_IOREQ_INPROCESS);
        }
      }),
      { numRuns: 1000 },
    );
    expect(answered).toBeGreaterThan(0);
  });

  it('a frame of the ring is never larger than the ring', () => {
    rig.ring.setWritePointer(0xffffffff);
    expect(rig.link.takeRing()).toBe(true);
    const frame = rig.sent.at(-1) as Buffer;
    expect([frame[4], frame.readUInt32LE(0)]).toEqual([BUFFERED, 511 * 8]);
  });
});
