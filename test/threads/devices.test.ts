// SPDX-License-Identifier: GPL-2.0-only
// A device is the same on the vCPU's thread and in one of its own: the same accesses, the same answers, the same state.
// Built-in ones, and one that a module brings.
import { describe, expect, it } from 'vitest';
import { COMMAND_REPORT } from '../../src/dm/worker-loop.ts';
import { S_ASLEEP, S_PORTS, serverBase, wakeSleeper } from '../../src/mem/domain-words.ts';
import type { GuestRam } from '../../src/mem/guest-ram.ts';
import { IoreqPage } from '../../src/mem/ioreq-page.ts';
import { Random } from '../../src/util/random.ts';
import {
  IOREQ_READ,
  IOREQ_TYPE_COPY,
  IOREQ_TYPE_PIO,
  IOREQ_WRITE,
  type ioreq_t,
  newIoreq,
  STATE_IOREQ_READY,
  STATE_IORESP_READY,
} from '../../src/xen/public/hvm_ioreq.ts';
import { built } from './built.ts';

const DICE = new URL('./modules/dice.mjs', import.meta.url).href;
const RAM = 65536;

interface Answer {
  data: number;
  data_hi: number;
}

/** Random requests to a range, single and repeated, to values and to guest memory. */
function requests(space: 'pio' | 'mmio', start: number, bytes: number, n: number): ioreq_t[] {
  const random = new Random(n);
  return Array.from({ length: n }, () => {
    const p = newIoreq();
    p.state = STATE_IOREQ_READY;
    p.type = space === 'pio' ? IOREQ_TYPE_PIO : IOREQ_TYPE_COPY;
    p.size = random.pick(space === 'pio' ? [1, 2, 4] : [1, 2, 4, 8]);
    p.addr = start + random.below(Math.max(1, bytes - p.size + 1));
    p.dir = random.below(3) === 0 ? IOREQ_WRITE : IOREQ_READ;
    p.count = space === 'pio' && random.below(4) === 0 ? 1 + random.below(16) : 1;
    p.data_is_ptr = p.count > 1;
    p.df = p.data_is_ptr && random.below(2) === 0;
    p.data = p.data_is_ptr ? 0x1000 + random.below(0x4000) : random.next();
    p.data_hi = p.size === 8 && !p.data_is_ptr ? random.next() : 0;
    return p;
  });
}

function answerOf(page: IoreqPage): Answer {
  const slot = page.slot(0);
  return { data: slot.data(), data_hi: slot.data_hi() };
}

interface Run {
  answers: Answer[];
  ram: string;
  state: unknown;
}

const hash = (ram: Uint8Array): string => Buffer.from(ram).toString('latin1');

async function onThisThread(spec: string, list: readonly ioreq_t[]): Promise<Run> {
  await import(DICE);
  const { parseDeviceSpec } = await built<typeof import('../../src/dm/registry.ts')>('dm/registry');
  const { DeviceServer } = await built<typeof import('../../src/dm/server.ts')>('dm/server');
  const { GuestRam: Ram } =
    await built<typeof import('../../src/mem/guest-ram.ts')>('mem/guest-ram');
  const server = new DeviceServer('here');
  const { factory, range } = parseDeviceSpec(spec);
  const nothing = { output() {}, input: { take: () => -1 }, raiseIrq() {}, lowerIrq() {} };
  server.bus.attach(factory.create({ ...nothing, endGuest() {}, nowNs: () => 0 } as never), range);
  const page = new IoreqPage(new Uint8Array(new SharedArrayBuffer(4096)));
  const ram: GuestRam = new Ram(RAM);
  let told = 0;
  server.connect({
    ioreqPage: page,
    bufferedPage: null,
    vcpuPorts: [0],
    bufferedPort: 0,
    notify: () => {
      told++;
    },
    ram,
  });
  const answers = list.map((p) => {
    page.slot(0).write(p);
    server.serveNow(0);
    expect(page.slot(0).state()).toBe(STATE_IORESP_READY);
    return answerOf(page);
  });
  expect(told).toBe(list.length);
  return { answers, ram: hash(ram.bytes), state: server.save() };
}

async function inAThread(spec: string, list: readonly ioreq_t[]): Promise<Run> {
  const { DeviceThread } = await built<typeof import('../../src/machine/threads/device-host.ts')>(
    'machine/threads/device-host',
  );
  const { createDomainMemory, sharedPage, reportRing } = await built<
    typeof import('../../src/machine/threads/domain-memory.ts')
  >('machine/threads/domain-memory');
  const memory = createDomainMemory(RAM, 1, 1);
  const words = new Int32Array(memory.words);
  const thread = new DeviceThread({
    memory,
    server: 0,
    name: 'there',
    devices: [spec],
    modules: [DICE],
    spins: 10,
  });
  try {
    await thread.ready();
    const page = new IoreqPage(sharedPage(memory, 0));
    const ring = reportRing(memory, 0, 0);
    const base = serverBase(0);
    const answers: Answer[] = [];
    for (const p of list) {
      page.slot(0).write(p);
      Atomics.store(words, base + S_PORTS, 1);
      wakeSleeper(words, base + S_ASLEEP);
      while (page.slot(0).state() !== STATE_IORESP_READY) ring.drain(ignore, ignore);
      answers.push(answerOf(page));
    }
    thread.command(COMMAND_REPORT);
    while (!thread.idle) Atomics.wait(words, thread.commandWord, COMMAND_REPORT, 10);
    thread.hear();
    return {
      answers,
      ram: hash(new Uint8Array(memory.ram, 0, RAM)),
      state: thread.report?.state,
    };
  } finally {
    await thread.stop();
  }
}

const ignore = (): void => {};

describe('the same accesses give the same answers, memory and state', () => {
  it.each([
    ['dice@0x300-0x307', 'pio', 0x300, 8],
    ['dice@mmio:0xd0000-0xd0fff', 'mmio', 0xd0000, 4096],
    ['counter@0x200-0x207', 'pio', 0x200, 8],
    ['sequence@0x210-0x217', 'pio', 0x210, 8],
    ['rmw@mmio:0xd1000-0xd1fff', 'mmio', 0xd1000, 4096],
    ['serial@0x3f8-0x3ff', 'pio', 0x3f8, 8],
  ] as const)(
    '%s',
    async (spec, space, start, bytes) => {
      const list = requests(space, start, bytes, 400);
      const here = await onThisThread(spec, list);
      const there = await inAThread(spec, list);
      expect(there.answers).toEqual(here.answers);
      expect(there.state).toEqual(here.state);
      expect(there.ram === here.ram).toBe(true);
    },
    30_000,
  );
});
