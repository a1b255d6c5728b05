// SPDX-License-Identifier: GPL-2.0-only
// Every form of request, served at once and in steps: the same effects in the same order.
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  type AccessEvent,
  type HighWord,
  InlineServer,
  type IoSize,
  parseIoRange,
  RegisterDevice,
} from '../../../src/dm/index.ts';
import { BufferedPage } from '../../../src/mem/buffered-page.ts';
import { GuestRam } from '../../../src/mem/guest-ram.ts';
import { IoreqPage } from '../../../src/mem/ioreq-page.ts';
import { newSharedPage } from '../../../src/mem/shared-page.ts';
import {
  IOREQ_READ,
  IOREQ_TYPE_COPY,
  IOREQ_TYPE_INVALIDATE,
  IOREQ_TYPE_PCI_CONFIG,
  IOREQ_TYPE_PIO,
  IOREQ_TYPE_TIMEOFFSET,
  IOREQ_WRITE,
  type ioreq_t,
  newIoreq,
  STATE_IOREQ_INPROCESS,
  STATE_IOREQ_NONE,
  STATE_IOREQ_READY,
  STATE_IORESP_READY,
} from '../../../src/xen/public/hvm_ioreq.ts';

/** Answers a number that names the access; remembers each. */
class Tape extends RegisterDevice<{ n: number }> {
  readonly log: string[] = [];

  constructor(name: string) {
    super(name, { n: 0 });
  }

  read(offset: number, size: IoSize, high: HighWord): number {
    this.state.n++;
    this.log.push(`r${size}+${offset}`);
    high.hi = 0x80000000 + this.state.n;
    return 0xa0b0c000 + this.state.n;
  }

  write(offset: number, size: IoSize, value: number, valueHigh: number): void {
    this.state.n++;
    this.log.push(`w${size}+${offset}=${value.toString(16)}:${valueHigh.toString(16)}`);
  }
}

function bench(): {
  server: InlineServer;
  page: IoreqPage;
  ring: BufferedPage;
  ram: GuestRam;
  ports: Tape;
  memory: Tape;
  notified: number[];
  events: AccessEvent[];
  send: (fields: Partial<ioreq_t>, vcpu?: number) => void;
} {
  const server = new InlineServer('test');
  const ports = new Tape('ports');
  const memory = new Tape('memory');
  server.bus.attach(
    ports,
    parseIoRange('0x100-0x10f', () => 1),
  );
  server.bus.attach(
    memory,
    parseIoRange('mmio:0xd0000-0xd0fff', () => 1),
  );
  const page = new IoreqPage(newSharedPage());
  const ring = new BufferedPage(newSharedPage());
  const ram = new GuestRam(0x10000);
  const notified: number[] = [];
  server.connect({
    ioreqPage: page,
    bufferedPage: ring,
    vcpuPorts: [11, 12, 13],
    bufferedPort: 20,
    notify: (port) => notified.push(port),
    ram,
  });
  const events: AccessEvent[] = [];
  server.onAccess = (event) => events.push({ ...event });
  const send = (fields: Partial<ioreq_t>, vcpu = 0): void => {
    page.slot(vcpu).write({ ...newIoreq(), count: 1, size: 4, addr: 0x100, ...fields });
    page.slot(vcpu).setState(STATE_IOREQ_READY);
  };
  return { server, page, ring, ram, ports, memory, notified, events, send };
}

let b: ReturnType<typeof bench>;
beforeEach(() => {
  b = bench();
});

function answer(vcpu = 0): ioreq_t {
  const into = newIoreq();
  b.page.slot(vcpu).read(into);
  return into;
}

describe('DeviceServer.serveNow()', () => {
  test('a port read: data, RESP_READY, one notification on the vCPU’s port', () => {
    b.send({ dir: IOREQ_READ, addr: 0x104 }, 1);
    expect(b.server.hasRequest(1)).toBe(true);
    expect(b.server.serveNow(1)).toBe(true);
    expect(answer(1)).toMatchObject({ state: STATE_IORESP_READY, data: 0xa0b0c001, data_hi: 0 });
    expect(b.notified).toEqual([12]);
    expect(b.ports.log).toEqual(['r4+4']);
    expect(b.server.served).toBe(1);
  });

  test('answers are cut to the width; 8 bytes come back in two words', () => {
    b.send({ dir: IOREQ_READ, size: 1, data: 0x12345678, data_hi: 9 });
    b.server.serveNow(0);
    expect(answer()).toMatchObject({ data: 1, data_hi: 0 });
    b.send({ dir: IOREQ_READ, size: 8, addr: 0xd0008, type: IOREQ_TYPE_COPY });
    b.server.serveNow(0);
    expect(answer()).toMatchObject({ data: 0xa0b0c001, data_hi: 0x80000001 });
  });

  test('a write reaches the device and leaves the data alone', () => {
    b.send({ dir: IOREQ_WRITE, size: 2, data: 0xdeadbeef });
    b.server.serveNow(0);
    expect(b.ports.log).toEqual(['w2+0=beef:0']);
    expect(answer()).toMatchObject({ state: STATE_IORESP_READY, data: 0xdeadbeef });
  });

  test('nothing happens without a request, in any other state, or asleep', () => {
    expect(b.server.serveNow(0)).toBe(false);
    for (const state of [STATE_IOREQ_INPROCESS, STATE_IORESP_READY, 9]) {
      b.send({ dir: IOREQ_READ });
      b.page.slot(0).setState(state);
      expect(b.server.serveNow(0)).toBe(false);
    }
    b.send({ dir: IOREQ_READ });
    b.server.sleep();
    b.server.sleep();
    expect(b.server.serveNow(0)).toBe(false);
    expect(b.notified).toEqual([]);
    b.server.wake();
    expect(b.server.serveNow(0)).toBe(true);
  });

  test('INS of four bytes: one port, each element to guest memory, upward', () => {
    b.send({ dir: IOREQ_READ, size: 1, count: 4, data_is_ptr: true, data: 0x2000 });
    b.server.serveNow(0);
    expect(b.ports.log).toEqual(['r1+0', 'r1+0', 'r1+0', 'r1+0']);
    expect([...b.ram.bytes.slice(0x1fff, 0x2005)]).toEqual([0, 1, 2, 3, 4, 0]);
    expect(answer().data).toBe(0x2000);
  });

  test('INS downward, and OUTS from guest memory downward', () => {
    b.send({ dir: IOREQ_READ, size: 2, count: 3, data_is_ptr: true, data: 0x2004, df: true });
    b.server.serveNow(0);
    expect([0x2004, 0x2002, 0x2000].map((gpa) => b.ram.read(gpa, 2))).toEqual([
      0xc001, 0xc002, 0xc003,
    ]);
    b.send({ dir: IOREQ_WRITE, size: 2, count: 3, data_is_ptr: true, data: 0x2004, df: true });
    b.server.serveNow(0);
    expect(b.ports.log.slice(3)).toEqual(['w2+0=c001:0', 'w2+0=c002:0', 'w2+0=c003:0']);
  });

  test('MOVS to and from device memory: both addresses move, 8 bytes at a time too', () => {
    const copy = { type: IOREQ_TYPE_COPY, count: 2, data_is_ptr: true, data: 0x3000 };
    b.send({ ...copy, dir: IOREQ_READ, size: 8, addr: 0xd0010 });
    b.server.serveNow(0);
    expect(b.memory.log).toEqual(['r8+16', 'r8+24']);
    expect([0, 4, 8, 12].map((o) => b.ram.read(0x3000 + o, 4))).toEqual([
      0xa0b0c001, 0x80000001, 0xa0b0c002, 0x80000002,
    ]);
    b.memory.log.length = 0;
    b.send({ ...copy, dir: IOREQ_WRITE, size: 8, addr: 0xd0018, data: 0x3008, df: true });
    b.server.serveNow(0);
    expect(b.memory.log).toEqual(['w8+24=a0b0c002:80000002', 'w8+16=a0b0c001:80000001']);
  });

  test('STOS to device memory: one value, an address that moves', () => {
    b.send({ type: IOREQ_TYPE_COPY, dir: IOREQ_WRITE, addr: 0xd0008, count: 3, df: true, data: 7 });
    b.server.serveNow(0);
    expect(b.memory.log).toEqual(['w4+8=7:0', 'w4+4=7:0', 'w4+0=7:0']);
  });

  test('a pointer outside RAM: reads as all ones, is not written, is counted', () => {
    b.send({ dir: IOREQ_WRITE, count: 2, data_is_ptr: true, data: 0xfffc });
    b.server.serveNow(0);
    expect(b.ports.log).toEqual(['w4+0=0:0', 'w4+0=ffffffff:0']);
    b.send({ dir: IOREQ_READ, count: 2, data_is_ptr: true, data: 0, data_hi: 1 });
    b.server.serveNow(0);
    expect(b.server.counts).toEqual({ misses: 0, badPointers: 3, refused: 0 });
    expect(answer().state).toBe(STATE_IORESP_READY);
  });

  test('PCI configuration and impossible sizes answer all ones; time offset and invalidate just answer', () => {
    for (const fields of [
      { type: IOREQ_TYPE_PCI_CONFIG, dir: IOREQ_READ },
      { type: IOREQ_TYPE_PIO, size: 3, dir: IOREQ_READ },
      { type: IOREQ_TYPE_COPY, size: 0, dir: IOREQ_READ },
    ] as const) {
      b.send(fields);
      b.server.serveNow(0);
      expect(answer()).toMatchObject({ data: 0xffffffff, state: STATE_IORESP_READY });
    }
    b.send({ type: IOREQ_TYPE_INVALIDATE, count: 0, dir: IOREQ_WRITE, data: 0xffffffff });
    b.server.serveNow(0);
    b.send({ type: IOREQ_TYPE_TIMEOFFSET, size: 8, dir: IOREQ_WRITE, data: 5 });
    b.server.serveNow(0);
    expect(answer()).toMatchObject({ data: 5, state: STATE_IORESP_READY });
    expect(b.server.counts.refused).toBe(3);
    expect([...b.ports.log, ...b.memory.log]).toEqual([]);
  });

  test('a range nobody claims answers all ones and is counted', () => {
    b.send({ dir: IOREQ_READ, addr: 0x400, size: 2 });
    b.server.serveNow(0);
    expect(answer().data).toBe(0xffff);
    expect(b.server.counts.misses).toBe(1);
  });

  test('the observer hears every access with its element; switched off it hears nothing', () => {
    b.send({ dir: IOREQ_READ, size: 1, count: 2, data_is_ptr: true, data: 0x2000 }, 2);
    b.server.serveNow(2);
    const common = { server: 'test', vcpu: 2, space: 'pio', addr: 0x100, size: 1, dir: IOREQ_READ };
    expect(b.events).toEqual([
      { ...common, data: 1, dataHi: 0, element: 0, count: 2 },
      { ...common, data: 2, dataHi: 0, element: 1, count: 2 },
    ]);
    b.server.onAccess = null;
    b.send({ dir: IOREQ_READ });
    b.server.serveNow(0);
    expect(b.events).toHaveLength(2);
  });
});

describe('DeviceServer.serve()', () => {
  /** Every effect another actor can see, as it stands at each yield. */
  function trace(vcpu = 0): string[] {
    const seen: string[] = [];
    const look = (): string =>
      `${answer(vcpu).state} n${b.ports.log.length} data${answer(vcpu).data} ram${b.ram.bytes[0x2000]},${b.ram.bytes[0x2001]} notified${b.notified.length}`;
    const steps = b.server.serve(vcpu);
    for (;;) {
      const done = steps.next().done;
      seen.push(look());
      if (done === true) return seen;
    }
  }

  test('gives way before each effect: at most one of them per step', () => {
    b.send({ dir: IOREQ_READ, size: 1 });
    expect(trace()).toEqual([
      '1 n0 data0 ram0,0 notified0', // before the slot is taken
      '2 n0 data0 ram0,0 notified0',
      '2 n1 data0 ram0,0 notified0', // the device has counted
      '2 n1 data1 ram0,0 notified0',
      '3 n1 data1 ram0,0 notified0',
      '3 n1 data1 ram0,0 notified1',
    ]);
  });

  test('gives way between the elements of a batch, and before each store', () => {
    b.send({ dir: IOREQ_READ, size: 1, count: 2, data_is_ptr: true, data: 0x2000 });
    expect(trace()).toEqual([
      '1 n0 data8192 ram0,0 notified0',
      '2 n0 data8192 ram0,0 notified0',
      '2 n1 data8192 ram0,0 notified0',
      '2 n1 data8192 ram1,0 notified0',
      '2 n2 data8192 ram1,0 notified0',
      '2 n2 data8192 ram1,2 notified0',
      '3 n2 data8192 ram1,2 notified0',
      '3 n2 data8192 ram1,2 notified1',
    ]);
  });

  test('a slot wiped meanwhile is not answered', () => {
    b.send({ dir: IOREQ_READ });
    const steps = b.server.serve(0);
    steps.next();
    steps.next();
    b.page.slot(0).setState(STATE_IOREQ_NONE);
    while (steps.next().done !== true);
    expect(answer().state).toBe(STATE_IOREQ_NONE);
    expect(b.notified).toEqual([]);
    expect(b.server.abandoned).toBe(1);
  });

  test('both ways of serving do the same, whatever the request', () => {
    const request = fc.record({
      type: fc.constantFrom(0, 1, 2, 7, 8),
      dir: fc.constantFrom(0 as const, 1 as const),
      size: fc.constantFrom(0, 1, 2, 3, 4, 8),
      count: fc.nat(5),
      addr: fc.constantFrom(0x100, 0x10c, 0x10f, 0x50, 0xd0000, 0xd0ffc, 0xd0010),
      data: fc.constantFrom(0, 0x2000, 0xfff8, 0xffffffff),
      data_hi: fc.constantFrom(0, 0, 0, 1),
      data_is_ptr: fc.boolean(),
      df: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(request, { maxLength: 6 }), (requests) => {
        const outcome = (stepwise: boolean): unknown => {
          b = bench();
          for (const fields of requests) {
            b.send(fields);
            if (stepwise) for (const _ of b.server.serve(0));
            else b.server.serveNow(0);
          }
          return {
            slot: answer(),
            ram: Buffer.from(b.ram.bytes).toString('base64'),
            logs: [b.ports.log, b.memory.log],
            rest: [b.notified, b.events, b.server.counts, b.server.served],
          };
        };
        expect(outcome(true)).toEqual(outcome(false));
      }),
      { numRuns: 100, seed: 4 },
    );
  });
});

describe('the buffered ring', () => {
  function put(type: number, size: number, addr: number, data: number): void {
    const at = b.ring.write_pointer();
    b.ring.writeEntry(at, type, IOREQ_WRITE, size, addr, data);
    b.ring.setWritePointer(at + 1);
  }

  test.each([
    ['at once', (): number => b.server.drainBufferedNow()],
    [
      'in steps',
      (): number => {
        const steps = b.server.drainBuffered();
        for (;;) {
          const result = steps.next();
          if (result.done === true) return result.value;
        }
      },
    ],
  ])('is served in order, 8 bytes from two entries, %s', (_how, drain) => {
    put(IOREQ_TYPE_PIO, 0, 0x101, 0x1ff);
    put(IOREQ_TYPE_COPY, 3, 0xd0000 & 0xfffff, 0x11111111);
    put(IOREQ_TYPE_COPY, 3, 0xd0000 & 0xfffff, 0x22222222);
    put(IOREQ_TYPE_TIMEOFFSET, 2, 0, 5);
    put(IOREQ_TYPE_COPY, 2, 0xd0004, 3);
    expect(drain()).toBe(4);
    expect(b.ports.log).toEqual(['w1+1=ff:0']);
    expect(b.memory.log).toEqual(['w8+0=11111111:22222222', 'w4+4=3:0']);
    expect(b.ring.read_pointer()).toBe(5);
    expect(b.events.map(({ vcpu }) => vcpu)).toEqual([-1, -1, -1]);
    expect(b.notified).toEqual([]);
    expect(drain()).toBe(0);
  });

  test('wraps around its 511 places', () => {
    for (let i = 0; i < 1200; i++) {
      put(IOREQ_TYPE_PIO, 2, 0x100, i);
      if (i % 300 === 299) b.server.drainBufferedNow();
    }
    expect(b.ports.log).toHaveLength(1200);
    expect(b.ports.log[1199]).toBe(`w4+0=${(1199).toString(16)}:0`);
  });

  test('is left alone while asleep', () => {
    put(IOREQ_TYPE_PIO, 0, 0x100, 1);
    b.server.sleep();
    expect(b.server.drainBufferedNow()).toBe(0);
    b.server.wake();
    expect(b.server.drainBufferedNow()).toBe(1);
  });
});

describe('InlineServer', () => {
  test('as an actor: runnable from an event to the end of its request, oldest event first', () => {
    expect(b.server.runnable()).toBe(false);
    b.send({ dir: IOREQ_READ }, 2);
    b.send({ dir: IOREQ_READ }, 0);
    b.server.event(13);
    b.server.event(11);
    b.server.event(11);
    b.server.event(99);
    let steps = 0;
    while (b.server.runnable()) {
      b.server.step();
      steps++;
    }
    expect(b.notified).toEqual([13, 11]);
    expect(steps).toBe(12);
    expect(b.server.busy).toBe(false);
  });

  test('an event without a request is harmless', () => {
    b.server.event(11);
    expect(b.server.runNow()).toBe(false);
    b.server.event(11);
    while (b.server.runnable()) b.server.step();
    expect(b.notified).toEqual([]);
  });

  test('runNow() finishes the request in hand and serves the ring too', () => {
    b.send({ dir: IOREQ_READ });
    b.server.event(11);
    b.server.step();
    b.server.step();
    expect(b.server.busy).toBe(true);
    b.ring.writeEntry(0, IOREQ_TYPE_PIO, IOREQ_WRITE, 0, 0x101, 5);
    b.ring.setWritePointer(1);
    b.server.event(20);
    expect(b.server.runNow()).toBe(true);
    expect(b.ports.log).toEqual(['r4+0', 'w1+1=5:0']);
    expect(b.notified).toEqual([11]);
    expect(b.server.runnable()).toBe(false);
  });

  test('asleep in the middle of a request it makes no step, and goes on after wake()', () => {
    b.send({ dir: IOREQ_READ });
    b.server.event(11);
    b.server.step();
    b.server.step();
    b.server.sleep();
    expect(b.server.runnable()).toBe(false);
    expect(b.server.runNow()).toBe(false);
    expect(b.ports.log).toEqual([]);
    b.server.wake();
    b.server.runNow();
    expect(answer().state).toBe(STATE_IORESP_READY);
  });

  test('forget() drops the request in hand and all events', () => {
    b.send({ dir: IOREQ_READ });
    b.server.event(11);
    b.server.step();
    b.server.event(12);
    b.server.forget();
    expect(b.server.runnable()).toBe(false);
  });

  test('saves and restores its devices by name and range, and refuses others', () => {
    b.send({ dir: IOREQ_READ });
    b.server.serveNow(0);
    const saved = b.server.save();
    expect(saved).toEqual({
      devices: { 'ports@0x100-0x10f': { n: 1 }, 'memory@mmio:0xd0000-0xd0fff': { n: 0 } },
    });
    const other = bench().server;
    other.restore(saved);
    expect(other.save()).toEqual(saved);
    other.reset();
    expect(other.save().devices['ports@0x100-0x10f']).toEqual({ n: 0 });
    expect(Object.keys(other.witnesses())).toEqual(Object.keys(saved.devices));
    for (const devices of [{}, { 'ports@0x100-0x10f': { n: 1 }, 'x@0x1': { n: 0 } }]) {
      expect(() => other.restore({ devices })).toThrowError(
        expect.objectContaining({ code: 'HVM_DEVICE_STATE' }),
      );
    }
  });

  test('a server that is not connected is our bug', () => {
    expect(() => new InlineServer('loose').serveNow(0)).toThrowError(/not connected/);
  });
});
