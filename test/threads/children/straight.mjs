// SPDX-License-Identifier: GPL-2.0-only
// A vCPU without books in one thread, its device models in others, and this thread as the toolstack that shuts the domain
// down and resumes it from outside, at any moment. Prints what everybody has seen: node straight.mjs [iterations].
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const dist = (path) => import(new URL(`../../../dist/${path}.js`, import.meta.url).href);
const { loadGuest } = await dist('machine/loader');
const { parseDeviceSpec } = await dist('dm/registry');
const { RemoteServers, threadHost } = await dist('machine/threads/remote-servers');
const SPINS = 20_000;
const guestOf = (iterations) => loadGuest('counter', { iterations });
const devicesOf = (guest) => guest.manifest.devices.map(parseDeviceSpec);

async function vcpu({ memory, iterations }) {
  const { Machine } = await dist('machine/machine');
  const { VcpuThread } = await dist('machine/threads/vcpu-thread');
  const guest = guestOf(iterations);
  const remote = new RemoteServers(memory, 0);
  const machine = new Machine({ guest, devices: devicesOf(guest), remote });
  const clock = { nowMs: () => performance.now() };
  const thread = new VcpuThread(machine, { spins: SPINS, answerTimeoutMs: 30_000, clock });
  parentPort.postMessage('ready');
  const stop = thread.run();
  thread.leave();
  parentPort.postMessage({ stop, verdict: machine.verdict, taken: machine.straight.taken });
}

async function toolstack(iterations) {
  const { DeviceThread, serverPlan } = await dist('machine/threads/device-host');
  const { createDomainMemory, sharedPage } = await dist('machine/threads/domain-memory');
  const { createXenHost } = await dist('xen/host');
  const { domain_create, shared_vcpu_create } = await dist('xen/hvm/hvm');
  const { domain_resume, domain_shutdown } = await dist('xen/common/domain');
  const { domain_pause, domain_unpause, vcpu_kick } = await dist('xen/common/sched');
  const { GuestRam } = await dist('mem/guest-ram');
  const { IoreqPage } = await dist('mem/ioreq-page');
  const { COMMAND_REPORT } = await dist('dm/worker-loop');
  const guest = guestOf(iterations);
  const plan = serverPlan(devicesOf(guest));
  const memory = createDomainMemory(guest.memoryBytes, plan.length, 1);
  const words = new Int32Array(memory.words);
  const d = domain_create(
    1,
    new GuestRam(memory.ramBytes, memory.ram),
    createXenHost(threadHost(memory, -1)),
    words,
  );
  shared_vcpu_create(d, { eax: 0, rax_hi: 0, eip: 0 }, words, false);
  const devices = plan.map(
    (parts, server) => new DeviceThread({ memory, server, ...parts, modules: [], spins: SPINS }),
  );
  await Promise.all(devices.map((device) => device.ready()));
  const slots = plan.map((_, id) => new IoreqPage(sharedPage(memory, 2 * id)).slot(0));
  const worker = new Worker(new URL(import.meta.url), { workerData: { memory, iterations } });
  let end = null;
  let failure = null;
  worker.on('error', (error) => {
    failure = String(error.stack);
  });
  await new Promise((resolve) => worker.once('message', resolve));
  worker.on('message', (message) => {
    end = message;
  });
  const seen = { shutdowns: 0, inFlight: 0, pauses: 0 };
  for (let n = 0; end === null && failure === null; n++) {
    await new Promise((resolve) => setImmediate(resolve));
    for (let wait = (n * 7919) % 4001; wait > 0; wait--) Atomics.load(words, 0);
    if (n % 3 === 0) {
      domain_pause(d);
      seen.pauses++;
      domain_unpause(d);
      continue;
    }
    domain_shutdown(d, 2);
    while (!d.is_shut_down && end === null && failure === null) {
      vcpu_kick(d.vcpu[0]);
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (!d.is_shut_down) break;
    seen.shutdowns++;
    domain_pause(d);
    if (d.vcpu[0].defer_shutdown || slots.some((slot) => slot.state() !== 0)) seen.inFlight++;
    domain_resume(d);
    domain_unpause(d);
  }
  for (const device of devices) {
    device.command(COMMAND_REPORT);
    while (!device.idle) await new Promise((resolve) => setImmediate(resolve));
    device.hear();
  }
  const reads = devices[0].report?.witnesses[0];
  for (const device of devices) await device.stop();
  await worker.terminate();
  process.stdout.write(JSON.stringify({ ...seen, ...end, failure, reads }));
}

if (isMainThread) await toolstack(Number(process.argv[2] ?? 100_000));
else await vcpu(workerData);
