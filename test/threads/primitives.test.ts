// SPDX-License-Identifier: GPL-2.0-only
// What threads share, with real threads on both sides: locks, waking, pausing a vCPU, interrupt lines.
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { InterruptLines } from '../../src/machine/interrupts.ts';
import { createDomainMemory } from '../../src/machine/threads/domain-memory.ts';
import { threadHost } from '../../src/machine/threads/remote-servers.ts';
import { GuestRam } from '../../src/mem/guest-ram.ts';
import { domain_resume, domain_shutdown } from '../../src/xen/common/domain.ts';
import { type domain, domain_pause, domain_unpause } from '../../src/xen/common/sched.ts';
import { createXenHost } from '../../src/xen/host.ts';
import { domain_create, shared_vcpu_create } from '../../src/xen/hvm/hvm.ts';
import { SHUTDOWN_suspend } from '../../src/xen/public/sched.ts';
import { builtUrl } from './built.ts';

const running: Worker[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((w) => w.terminate()));
});

/** Runs `body` in a thread. It sees `data`, and `use(path)` for compiled modules. @returns its result */
function thread<T>(body: string, data: unknown): Promise<T> {
  const dist = builtUrl('').href.replace(/\.js$/, '');
  const worker = new Worker(
    `const { parentPort, workerData: data } = require('node:worker_threads');
     const use = (path) => import(${JSON.stringify(dist)} + path + '.js');
     (async () => { ${body} })().then((r) => parentPort.postMessage({ r }));`,
    { eval: true, workerData: data },
  );
  running.push(worker);
  return new Promise((resolve, reject) => {
    worker.once('message', ({ r }: { r: T }) => resolve(r));
    worker.once('error', reject);
  });
}

/** Rounds end early on a machine so loaded that each hand-over costs a time slice: what was done is judged. */
const untilMs = (): number => Date.now() + 12_000;

/** Waits until as many threads have come to their start. */
const MEET = `Atomics.add(w, data.start, 1); Atomics.notify(w, data.start);
  for (let n; (n = Atomics.load(w, data.start)) < data.parties; ) Atomics.wait(w, data.start, n);`;

describe('word_lock', () => {
  it('lets one in at a time, also when its holder sleeps', async () => {
    const words = new SharedArrayBuffer(256);
    const w = new Int32Array(words);
    const body = `
      const { word_lock } = await use('xen/common/spinlock');
      const w = new Int32Array(data.words);
      const lock = new word_lock(w, 0);
      const pause = new Int32Array(new SharedArrayBuffer(4));
      ${MEET}
      for (let n = 0; n < 20000; n++) {
        lock.lock();
        // Not atomic: two at once lose counts.
        const before = w[16];
        if (n % 512 === 0) Atomics.wait(pause, 0, 0, 0.2);
        w[16] = before + 1;
        lock.unlock();
      }`;
    const data = { words, start: 32, parties: 3 };
    await Promise.all([1, 2, 3].map(() => thread(body, data)));
    expect(w[16]).toBe(60_000);
    expect(w[0]).toBe(0);
  }, 60_000);
});

describe('waking', () => {
  it('no wake-up is lost between two threads that wait for each other', async () => {
    const words = new SharedArrayBuffer(512);
    // Each has a word that is set for it and one that says it sleeps, as a vCPU and a device model have.
    const body = `
      const { wakeSleeper } = await use('mem/domain-words');
      const w = new Int32Array(data.words);
      const { mine, other, spins } = data;
      let lost = 0;
      ${MEET}
      for (let n = 0; n < 30000; n++) {
        if (mine === 64 || n > 0) {
          let seen = false;
          for (let s = 0; s < spins && !seen; s++) seen = Atomics.load(w, mine) !== 0;
          while (Atomics.load(w, mine) === 0) {
            Atomics.store(w, mine + 1, 1);
            if (Atomics.load(w, mine) !== 0) Atomics.store(w, mine + 1, 0);
            else if (Atomics.wait(w, mine + 1, 1, 5000) === 'timed-out') lost++;
          }
          Atomics.store(w, mine, 0);
        }
        Atomics.store(w, other, 1);
        wakeSleeper(w, other + 1);
      }
      return lost;`;
    for (const spins of [0, 20, 300]) {
      new Int32Array(words).fill(0);
      const data = { words, start: 0, parties: 2, spins };
      const lost = await Promise.all([
        thread<number>(body, { ...data, mine: 64, other: 96 }),
        thread<number>(body, { ...data, mine: 96, other: 64 }),
      ]);
      expect(lost).toEqual([0, 0]);
    }
  }, 60_000);

  it('waitWhile sees every change, spinning or asleep', async () => {
    const words = new SharedArrayBuffer(256);
    const body = `
      const { waitWhile, announce, D_EVENTS } = await use('mem/domain-words');
      const w = new Int32Array(data.words);
      let missed = 0;
      ${MEET}
      for (let n = 0; n < 20000; n++) {
        // Turn by turn: even events are one thread's, odd ones the other's.
        while (Atomics.load(w, D_EVENTS) % 2 !== data.turn) {
          if (!waitWhile(w, D_EVENTS, Atomics.load(w, D_EVENTS) | 0, n % 50, 1) && ++missed > 20000) return -1;
        }
        announce(w);
      }
      return Atomics.load(w, D_EVENTS);`;
    const data = { words, start: 0, parties: 2 };
    const ends = await Promise.all([0, 1].map((turn) => thread<number>(body, { ...data, turn })));
    expect(Math.max(...ends)).toBe(40_000);
  }, 60_000);
});

/** A vCPU that runs nothing but passes the scheduler all the time; word 0 of `marks` is 1 while it is in the guest. */
const VCPU = `
  const { threadHost } = await use('machine/threads/remote-servers');
  const { createXenHost } = await use('xen/host');
  const { domain_create, shared_vcpu_create } = await use('xen/hvm/hvm');
  const { GuestRam } = await use('mem/guest-ram');
  const { schedule_vcpu, vcpu_check_softirqs } = await use('xen/common/sched');
  const { vcpu_start_shutdown_deferral, vcpu_end_shutdown_deferral } = await use('xen/common/domain');
  const words = new Int32Array(data.memory.words);
  const marks = new Int32Array(data.marks);
  const d = domain_create(1, new GuestRam(4096), createXenHost(threadHost(data.memory, 0)), words);
  const v = shared_vcpu_create(d, { eax: 0, rax_hi: 0, eip: 0 }, words, true);
  const count = { resumes: 0 };
  let entered = 0;
  while (Atomics.load(marks, 1) === 0) {
    if (schedule_vcpu(v, count) !== 'in_guest') continue;
    do {
      Atomics.store(marks, 0, 1);
      for (let n = entered++ % 64; n > 0; n--) Atomics.load(marks, 2);
      Atomics.store(marks, 0, 0);
      if (data.defers && entered % 3 === 0 && vcpu_start_shutdown_deferral(v)) {
        Atomics.store(marks, 3, 1);
        for (let n = entered % 64; n > 0; n--) Atomics.load(marks, 2);
        Atomics.store(marks, 3, 0);
        vcpu_end_shutdown_deferral(v);
      }
      // Nothing asks it out of the guest after the last round: it looks for the end itself.
    } while (vcpu_check_softirqs(v) && Atomics.load(marks, 1) === 0);
  }
  return entered;`;

function toolstack(memory: ReturnType<typeof createDomainMemory>): domain {
  const words = new Int32Array(memory.words);
  const host = createXenHost(threadHost(memory, -1));
  const d = domain_create(1, new GuestRam(4096), host, words);
  shared_vcpu_create(d, { eax: 0, rax_hi: 0, eip: 0 }, words, false);
  return d;
}

describe('a vCPU in another thread', () => {
  it('domain_pause returns only when it has left the guest, and it stays out', async () => {
    const memory = createDomainMemory(4096, 1, 1);
    const marks = new Int32Array(new SharedArrayBuffer(64));
    const d = toolstack(memory);
    const done = thread<number>(VCPU, { memory, marks: marks.buffer, defers: false });
    while (Atomics.load(marks, 0) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    let inside = 0;
    const until = untilMs();
    for (let n = 0; n < 5000 && Date.now() < until; n++) {
      domain_pause(d);
      for (let look = 0; look < 50; look++) inside += Atomics.load(marks, 0);
      domain_unpause(d);
      for (let rest = n % 200; rest > 0; rest--) Atomics.load(marks, 2);
    }
    Atomics.store(marks, 1, 1);
    expect(await done).toBeGreaterThan(10);
    expect(inside).toBe(0);
  }, 60_000);

  it('a shutdown waits for its deferral, comes when that ends, and is undone', async () => {
    const memory = createDomainMemory(4096, 1, 1);
    const marks = new Int32Array(new SharedArrayBuffer(64));
    const d = toolstack(memory);
    const done = thread<number>(VCPU, { memory, marks: marks.buffer, defers: true });
    while (Atomics.load(marks, 0) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    let deferring = 0;
    const until = untilMs();
    for (let n = 0; n < 3000 && Date.now() < until; n++) {
      domain_shutdown(d, SHUTDOWN_suspend);
      const end = performance.now() + 20_000;
      while (!d.is_shut_down && performance.now() < end);
      expect(d.is_shut_down).toBe(true);
      domain_pause(d);
      deferring += Atomics.load(marks, 3) + Number(d.vcpu[0]?.defer_shutdown);
      domain_resume(d);
      domain_unpause(d);
      for (let rest = n % 200; rest > 0; rest--) Atomics.load(marks, 2);
    }
    Atomics.store(marks, 1, 1);
    await done;
    expect(deferring).toBe(0);
    expect(d.vcpu[0]?.pause_count).toBe(0);
  }, 60_000);
});

describe('interrupt lines', () => {
  it('two threads drive theirs, a third takes: no edge is lost or invented', async () => {
    const words = new SharedArrayBuffer(64);
    const w = new Int32Array(words);
    const body = `
      const { InterruptLines } = await use('machine/interrupts');
      const w = new Int32Array(data.words);
      const lines = new InterruptLines(w, 0, 1);
      ${MEET}
      let n = 0;
      for (; n < 5000 && Date.now() < data.until; n++) {
        lines.pulse(data.line);
        // High again while it is latched: the same edge still.
        while ((Atomics.load(w, 1) >>> data.line) & 1);
      }
      Atomics.add(w, 3, 1);
      return n;`;
    const data = { words, start: 2, parties: 3, until: untilMs() };
    const done = Promise.all([1, 6].map((line) => thread<number>(body, { ...data, line })));
    while (Atomics.load(w, 2) < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    Atomics.add(w, 2, 1);
    Atomics.notify(w, 2);
    const lines = new InterruptLines(w, 0, 1);
    const cpu = { irq: -1 };
    const taken = new Map<number, number>();
    while (Atomics.load(w, 3) < 2 || lines.pending) {
      lines.offer(cpu as never);
      if (cpu.irq < 0) continue;
      taken.set(cpu.irq, (taken.get(cpu.irq) ?? 0) + 1);
      cpu.irq = -1;
    }
    const [first, second] = await done;
    expect(first).toBeGreaterThan(0);
    expect([...taken].sort()).toEqual([
      [14, second],
      [9, first],
    ]);
    expect(lines.pending).toBe(false);
  }, 60_000);
});
