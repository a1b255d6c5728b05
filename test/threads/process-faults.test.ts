// SPDX-License-Identifier: GPL-2.0-only
// Device models in other processes that die, hang, lie and babble: the monitor goes on, the guest is told, the ledger
// says what happened, and nothing is left behind. The peer is written from the tables of the protocol's document.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkLedger } from '../../src/ledger/checker.ts';
import { type Outcome, rawPeer, run } from './run.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'trapline-test-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const DEVICE = 'counter@0x200';

/** Time for an honest answer on a machine that others use; those that hang are waited for less. */
const PATIENT_MS = 10_000;
const IMPATIENT_MS = 400;

function withFault(fault: string, more: Record<string, unknown> = {}): Promise<Outcome> {
  return run({
    processes: [{ device: DEVICE, command: rawPeer(fault) }],
    answerTimeoutMs: PATIENT_MS,
    // More than any fault needs to show: the run ends with the first violation.
    checkpoints: 1000,
    ...more,
  });
}

/** The events of a ledger. */
function eventsOf(path: string): Record<string, unknown>[] {
  return readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .slice(1, -1)
    .map((line) => JSON.parse(line));
}

it('the peer of the document, without a fault, is a device model like any other', async () => {
  const { report } = await withFault('none-at-all', { checkpoints: 200 });
  expect(report).toMatchObject({ outcome: 'success', checkpoints: 200, violationsTotal: 0 });
}, 120_000);

describe('dead: the access that waits, and every later one, reads as all ones', () => {
  it.each([
    ['dies-in-request', /the connection ended, while it had a request of vCPU 0/],
    ['is-killed', /the connection ended, while it had a request of vCPU 0/],
    ['dies-between', /the connection ended/],
    ['hangs', /did not answer within 400 ms/],
    ['late', /did not answer within 400 ms/],
    ['half', /did not answer within 400 ms/],
    ['half-header', /did not answer within 400 ms/],
    ['in-process-for-ever', /did not answer within 400 ms/],
    ['hangs-at-sleep', /does not obey within 400 ms/],
    ['twice', /an answer to request \d+ of vCPU 0, but (none is outstanding|it was sent)/],
    ['unknown', /an answer to request 1\d+ of vCPU 0, but it was sent/],
    ['other-vcpu', /of vCPU 1; the domain has 1/],
    ['vcpu-of-nobody', /of vCPU 99; the domain has 1/],
    ['backwards', /weird ioreq state transition of request \d+ of vCPU 0: 2 -> 1/],
    ['state-too-large', /with state 200/],
    ['too-many-elements', /with 1 bytes of elements, not 0/],
    ['oversize', /type 0x42 with 4294967295 bytes, expected 16 to 32784/],
    ['long-answer', /with 40000 bytes/],
    ['short-answer', /with 15 bytes/],
    ['garbage', /a frame of type 0x/],
    ['second-hello', /a second HELLO/],
    ['monitors-frame', /type 0xa, which is none/],
    ['done-of-nothing', /a DONE of command 4 \(1\), but nothing was asked/],
    ['done-twice', /a DONE of command 4 \(1\), but asked was 6/],
    ['taken-of-nothing', /1 buffered entries taken, 0 were sent/],
    ['output-flood', /more than 65536 bytes of output/],
    ['line-of-nobody', /interrupt line 8 at level 1/],
    ['verdict-of-nobody', /verdict 4/],
    ['gives-up', /it gives up: out of ideas/],
    ['state-no-json', /its saved state is no JSON/],
    ['state-of-another', /its saved state is not of counter/],
    ['state-too-deep', /its saved state is no JSON/],
    ['state-bad-field', /field 'value' of counter\S+ is of no known type/],
  ])(
    '%s',
    async (fault, why) => {
      const ledgerPath = join(folder, `${fault}.jsonl`);
      const hangs = why.source.includes('400 ms');
      const { report, error, last } = await withFault(fault, {
        ledgerPath,
        ...(hangs ? { answerTimeoutMs: IMPATIENT_MS } : {}),
      });
      expect(error).toBeNull();
      expect(report).toMatchObject({ outcome: 'failure', crash: null, duplicated: 0, lost: 1 });
      expect(report?.deviceModels).toHaveLength(1);
      expect(report?.deviceModels[0]?.why).toMatch(why);
      // The access that got no answer is named, in the run and by the file alone; the guest read all ones.
      const lost = report?.violations.find((v) => v.kind === 'retire-unissued');
      expect(lost?.identity).not.toBeNull();
      const check = await checkLedger(ledgerPath);
      expect(check.violations.map((v) => v.kind)).toEqual(
        report?.violations.filter((v) => !v.kind.startsWith('guest-')).map((v) => v.kind),
      );
      const events = eventsOf(ledgerPath);
      expect(report?.verdict).toBe('failure');
      const log = report?.violations.find((v) => v.kind === 'guest-log');
      expect(log?.message).toMatch(/the guest logged 4294967295 where \d+ was due/);
      const end = events.at(-1);
      expect(end?.ev).toBe('end');
      if (!/400 ms/.test(why.source)) expect(end?.reason).toMatch(why);
      expect(last).toMatchObject({ children: 0, folders: 0 });
    },
    120_000,
  );
});

it('a state above 3 crashes the domain, as in the page', async () => {
  const { report, last } = await withFault('bad-state');
  expect(report?.crash).toEqual({ reason: 'weird ioreq state transition 0 -> 9' });
  expect(report?.deviceModels).toEqual([]);
  expect(last).toMatchObject({ children: 0, folders: 0 });
}, 120_000);

it('state 0: this access reads as all ones, as of an emulator that is gone; the connection stays', async () => {
  const ledgerPath = join(folder, 'none.jsonl');
  const { report } = await withFault('none', { ledgerPath });
  expect(report).toMatchObject({ outcome: 'failure', crash: null, deviceModels: [] });
  expect(report?.violations.map((v) => v.kind)).toContain('answer-unissued');
  const ones = eventsOf(ledgerPath).filter((e) => e.ev === 'retired' && e.data === '0xffffffff');
  expect(ones.length).toBeGreaterThan(0);
}, 120_000);

it('a report that makes no sense counts as none', async () => {
  const { report } = await withFault('report-negative', { checkpoints: 50 });
  expect(report?.deviceModels[0]?.why).toMatch(/its report of counter/);
  expect(report?.violations.map((v) => v.kind)).toEqual(['witness']);
}, 120_000);

describe('one that does not come up: the guest does not start', () => {
  it.each([
    ['never-connects', /it does not connect within 3000 ms/],
    ['ends-at-once', /it does not connect; its command ended with code 3: no licence today$/],
    ['dies-before-hello', /the connection ended; its command ended with code 0/],
    ['says-nothing', /it is not ready within 3000 ms/],
    ['half-hello', /it is not ready within 3000 ms, in the middle of a frame/],
    ['garbage-first', /a frame of type 0x/],
    ['wrong-version', /its HELLO says .*"version":2.*, expected .*"version":1/],
    ['refuses-setup', /it gives up: I do not {2}know counter@0x200-0x207/],
  ])(
    '%s',
    async (fault, why) => {
      const { report, error, last } = await run({
        processes: [{ device: DEVICE, command: rawPeer(fault), connectTimeoutMs: 3000 }],
      });
      expect(report).toBeNull();
      expect(error?.code).toBe('HVM_DEVICE_DEAD');
      expect(error?.message).toMatch(why);
      expect(last).toMatchObject({ children: 0, folders: 0 });
    },
    120_000,
  );

  it('a command that is none', async () => {
    const { error, last } = await run({
      processes: [{ device: DEVICE, command: ['/no/such/program'] }],
    });
    expect(error?.code).toBe('HVM_DEVICE_DEAD');
    expect(error?.message).toMatch(
      /its command cannot be started: spawn \/no\/such\/program ENOENT/,
    );
    expect(last).toMatchObject({ children: 0, folders: 0 });
  }, 120_000);
});

it('one that ignores STOP and the end of its connection is killed, with what it has started', async () => {
  const [node = '', script = ''] = rawPeer('');
  const command = ['sh', '-c', `sleep 1000 & exec '${node}' '${script}' ignores-the-end`];
  const { report, last } = await run({ processes: [{ device: DEVICE, command }] });
  expect(report).toMatchObject({ outcome: 'success' });
  expect(last).toMatchObject({ children: 0, folders: 0 });
}, 120_000);

it('a hundred rounds of every kind leave no file, thread, child or folder behind', async () => {
  const faults = [
    'dies-in-request',
    'garbage',
    'twice',
    'oversize',
    'none-at-all',
    'backwards',
    'dies-before-hello',
    'garbage-first',
    'ends-at-once',
    'bad-state',
    'is-killed',
    'half',
  ];
  const { first, last, outcomes } = await withFault('', {
    rounds: 108,
    faults,
    checkpoints: 300,
    answerTimeoutMs: IMPATIENT_MS,
  });
  // Nine rounds of each: three that do not come up, one without a fault.
  expect(outcomes).toEqual({ failure: 72, success: 9, HVM_DEVICE_DEAD: 27 });
  expect(last).toEqual(first);
  expect(last).toMatchObject({ children: 0, folders: 0 });
}, 300_000);
