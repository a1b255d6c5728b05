// SPDX-License-Identifier: GPL-2.0-only
// Device models in processes of their own, in Node and in Python: the same guarantees, the same race found, states that
// go from one to the other. Needs dist/.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { COMMAND_REPORT, COMMAND_SLEEP, COMMAND_WAKE } from '../../src/dm/worker-loop.ts';
import { S_ASLEEP, S_PORTS, serverBase, wakeSleeper } from '../../src/mem/domain-words.ts';
import { IoreqPage } from '../../src/mem/ioreq-page.ts';
import {
  newIoreq,
  STATE_IOREQ_NONE,
  STATE_IOREQ_READY,
  STATE_IORESP_READY,
} from '../../src/xen/public/hvm_ioreq.ts';
import { NODE, PYTHON, run } from './run.ts';

const CLIENTS = [
  ['Python', PYTHON],
  ['Node', NODE],
] as const;
const COUNTER = 'counter@0x200';

describe.each(CLIENTS)('the counter in a %s process', (_name, command) => {
  it('no access is lost or repeated over 1,000 checkpoints', async () => {
    const { report, error, last } = await run({
      processes: [{ device: COUNTER, command }],
      checkpoints: 1000,
      answerTimeoutMs: 10_000,
    });
    expect(error).toBeNull();
    expect(report).toMatchObject({
      outcome: 'success',
      checkpoints: 1000,
      lost: 0,
      duplicated: 0,
      violationsTotal: 0,
      deviceModels: [],
    });
    expect(report?.accesses.issued).toBeGreaterThan(100);
    expect(report?.windows['in-flight']).toBeGreaterThan(50);
    expect(last).toMatchObject({ children: 0, folders: 0 });
  }, 120_000);

  it('the race of before-b7e0d8978810 is found', async () => {
    const { report } = await run({
      processes: [{ device: COUNTER, command }],
      revision: 'before-b7e0d8978810',
      checkpoints: 1000,
      answerTimeoutMs: 10_000,
    });
    expect(report).toMatchObject({ outcome: 'failure', deviceModels: [] });
    expect(report?.duplicated).toBeGreaterThan(0);
    expect(report?.violations.map((v) => v.kind)).toContain('duplicate-issue');
  }, 120_000);

  it.each([
    ['rep-counter', COUNTER],
    ['mmio-counter', 'counter@mmio'],
  ])(
    '%s: elements through guest memory, and accesses to memory',
    async (guest, device) => {
      const { report, error } = await run({
        guest,
        processes: [{ device, command }],
        checkpoints: 100,
        answerTimeoutMs: 10_000,
      });
      expect(error).toBeNull();
      expect(report).toMatchObject({ outcome: 'success', checkpoints: 100, violationsTotal: 0 });
      expect(report?.accesses.issued).toBeGreaterThan(20);
    },
    120_000,
  );
});

it('one that is started by somebody else connects to the path that was given', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'trapline-test-'));
  const socket = join(folder, 'counter.sock');
  const running = run({ processes: [{ device: COUNTER, socket }], answerTimeoutMs: 10_000 });
  await vi.waitFor(() => expect(statSync(socket).mode & 0o777).toBe(0o600), 20_000);
  const [program = '', ...words] = PYTHON;
  const client = spawn(program, [...words, socket], { stdio: 'ignore' });
  const ended = new Promise((resolve) => client.once('exit', resolve));
  const { report, error, socketLeft } = await running;
  expect(await ended).toBe(0);
  expect(error).toBeNull();
  expect(report).toMatchObject({ outcome: 'success', checkpoints: 50, violationsTotal: 0 });
  expect(socketLeft).toBe(false);
  expect(existsSync(socket)).toBe(false);
  rmSync(folder, { recursive: true });
}, 120_000);

it('a path that exists already is refused and left alone', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'trapline-test-'));
  const { error } = await run({ processes: [{ device: COUNTER, socket: folder }] });
  expect(error?.code).toBe('HVM_USAGE');
  expect(error?.message).toMatch(/exists already/);
  rmSync(folder, { recursive: true });
}, 120_000);

it('a monitor that is killed takes its device model with it, and leaves no file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'trapline-test-'));
  const script = fileURLToPath(new URL('./children/stress.mjs', import.meta.url));
  const options = { checkpoints: 1e9, processes: [{ device: COUNTER, command: PYTHON }] };
  const monitor = spawn(process.execPath, [script, JSON.stringify(options)], {
    stdio: 'ignore',
    env: { ...process.env, TMPDIR: folder },
  });
  const ended = new Promise((resolve) => monitor.once('exit', resolve));
  /** Processes whose parent is the monitor. */
  const children = (): string[] =>
    readdirSync('/proc').filter((pid) => {
      try {
        const [, rest = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
        return rest.split(' ')[1] === `${monitor.pid}`;
      } catch {
        return false;
      }
    });
  await vi.waitFor(() => expect(children()).toHaveLength(1), 20_000);
  // Its folder goes once it is connected.
  await vi.waitFor(() => expect(readdirSync(folder)).toEqual([]), 20_000);
  const [child] = children();
  monitor.kill('SIGKILL');
  await ended;
  const alive = (): boolean => existsSync(`/proc/${child}/fd/0`);
  await vi.waitFor(() => expect(alive()).toBe(false), { timeout: 120_000, interval: 20 });
  rmSync(folder, { recursive: true });
}, 120_000);

describe('states', () => {
  type Host = typeof import('../../src/machine/threads/process-host.ts');
  type Memory = typeof import('../../src/machine/threads/domain-memory.ts');
  const dist = (path: string): string => new URL(`../../dist/${path}`, import.meta.url).href;
  let stop: (() => Promise<void>)[] = [];
  afterEach(async () => {
    await Promise.all(stop.map((f) => f()));
    stop = [];
  });

  /** A counter in a process, without a guest. */
  async function start(command: readonly string[]) {
    const { DeviceProcess } = (await import(dist('machine/threads/process-host.js'))) as Host;
    const { createDomainMemory } = (await import(
      dist('machine/threads/domain-memory.js')
    )) as Memory;
    const memory = createDomainMemory(1 << 20, 1, 1);
    const device = new DeviceProcess(
      {
        memory,
        server: 0,
        name: 'counter',
        devices: ['counter@0x200-0x207'],
        modules: [],
        spins: 0,
      },
      { device: COUNTER, command },
    );
    stop.push(() => device.stop());
    await device.ready();
    const words = new Int32Array(memory.words);
    const slot = new IoreqPage(new Uint8Array(memory.pages, 0, 4096)).slot(0);
    const idle = (): Promise<void> =>
      vi.waitFor(
        () => {
          device.hear();
          expect(device.death).toBeNull();
          expect(device.idle).toBe(true);
        },
        { timeout: 120_000, interval: 2 },
      );
    const ask = async (command: number): Promise<void> => {
      device.command(command);
      await idle();
      device.hear();
    };
    const post = (): void => {
      const read = { type: 0, addr: 0x200, size: 4, count: 1, dir: 1 as const };
      slot.write({ ...newIoreq(), ...read, state: STATE_IOREQ_READY });
      Atomics.store(words, serverBase(0) + S_PORTS, 1);
      wakeSleeper(words, serverBase(0) + S_ASLEEP);
    };
    const answer = async (): Promise<number> => {
      await vi.waitFor(() => expect(slot.state()).toBe(STATE_IORESP_READY), 20_000);
      slot.setState(STATE_IOREQ_NONE);
      return slot.data();
    };
    return { device, slot, idle, ask, post, answer };
  }

  it('what Node has saved goes on in Python, and the other way round', async () => {
    const [python, node] = await Promise.all([start(PYTHON), start(NODE)]);
    for (const [from, to, value] of [
      [node, python, 1],
      [python, node, 2],
    ] as const) {
      from.post();
      expect(await from.answer()).toBe(value);
      await from.ask(COMMAND_REPORT);
      const state = from.device.report?.state;
      expect(state).toEqual({
        devices: { 'counter@0x200-0x207': { low: value, high: 0, writes: 0 } },
      });
      if (state === undefined) return;
      to.device.restore(state);
      await to.idle();
      expect(to.device.refusal).toBeNull();
    }
    node.device.reset();
    await node.idle();
    node.post();
    expect(await node.answer()).toBe(1);
  }, 60_000);

  it.each(CLIENTS)(
    '%s: a state that is not its own is refused, and it lives on',
    async (_n, c) => {
      const it = await start(c);
      it.device.restore({ devices: { 'counter@0x200-0x207': { lower: 1 } } });
      await it.idle();
      expect(it.device.refusal).toMatch(/low|high/);
      it.post();
      expect(await it.answer()).toBe(1);
    },
    60_000,
  );

  it('nothing is served between SLEEP and WAKE', async () => {
    const { ask, post, slot, answer } = await start(PYTHON);
    await ask(COMMAND_SLEEP);
    post();
    await ask(COMMAND_REPORT);
    expect(slot.state()).toBe(STATE_IOREQ_READY);
    await ask(COMMAND_WAKE);
    expect(await answer()).toBe(1);
  }, 60_000);
});
