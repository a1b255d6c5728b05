// SPDX-License-Identifier: GPL-2.0-only
// Wrong usage: one line, exit 2, with a suggestion where there is one; with --json one document.
import { describe, expect, it } from 'vitest';
import { stressCommand } from '../../src/cli/commands/stress.ts';
import { errorSchema } from '../../src/cli/error-schema.ts';
import type { StressRequest } from '../../src/cli/stress-request.ts';
import { BugError, HvmError } from '../../src/util/errors.ts';
import { cli } from '../helpers/cli.ts';

const requests: StressRequest[] = [];
const commands = [
  stressCommand((request) => {
    requests.push(request);
    throw new HvmError('HVM_GUEST_MISSING', 'stop here');
  }),
];

describe('wrong usage', () => {
  it.each([
    [[], 'no command given'],
    [['strss', 'counter'], '(Did you mean stress?)'],
    [['stress'], "missing required argument 'guest'"],
    [['stress', 'counter', 'extra'], 'too many arguments'],
    [['stress', 'counter', '--chekpoints', '1'], '(Did you mean --checkpoints?)'],
    [['stress', 'counter', '--checkpoints', '0'], "--checkpoints '0': expected a whole number"],
    [['stress', 'counter', '--checkpoints', '-3'], "--checkpoints '-3': expected a whole number"],
    [['stress', 'counter', '--checkpoints', 'many'], "--checkpoints 'many': expected"],
    [['stress', 'counter', '--checkpoints'], 'argument missing'],
    [['stress', 'counter', '--seed', '0x100000000'], "--seed '0x100000000': expected"],
    [['stress', 'counter', '--timeout', '10'], "--timeout '10': expected a duration"],
    [['stress', 'counter', '--timeout', '0s'], "--timeout '0s': expected a duration"],
    [['stress', 'counter', '--memory', '1'], "--memory '1': expected a whole number"],
    [['stress', 'counter', '--max-instructions', '0'], "--max-instructions '0': expected"],
    [['stress', 'counter', '--load', '7c00'], "--load '7c00': expected segment:offset"],
    [['stress', 'counter', '--format', 'elf'], 'Allowed choices are'],
    [['stress', 'counter', '--revision', 'fixd'], 'Allowed choices are before-b7e0d8978810, fixed'],
    [['stress', 'counter', '--color', 'maybe'], 'Allowed choices are auto, always, never'],
  ])('%j', async (argv, part) => {
    const { code, out, err } = await cli(argv, { commands });
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err).toContain(part);
    expect(err).toMatch(/^trapline: [^\n]+ \[HVM_USAGE\]\n$/);

    const json = await cli([...argv, '--json'], { commands });
    if (argv.length === 0 || argv.at(-1) === '--checkpoints') return;
    expect(json.code).toBe(2);
    expect(json.err).toBe('');
    expect(errorSchema.parse(JSON.parse(json.out))).toMatchObject({
      code: 'HVM_USAGE',
      exitCode: 2,
      message: expect.stringContaining(part),
    });
  });

  it.each([
    ['nosuch@0x200', 'HVM_DEVICE_UNKNOWN'],
    ['contuer@0x200', 'HVM_DEVICE_UNKNOWN'],
    ['counter@0x207-0x200', 'HVM_RANGE'],
    ['counter@0xfffc-0x10003', 'HVM_RANGE'],
    ['counter@', 'HVM_RANGE'],
  ])('--device %s', async (spec, error) => {
    const { code, err } = await cli(['stress', 'counter', '--device', spec], { commands });
    expect(code).toBe(2);
    expect(err).toMatch(new RegExp(`^trapline: [^\\n]+ \\[${error}\\]\\n$`));
  });
});

it('hands every option on, with its defaults', async () => {
  requests.length = 0;
  await cli(['stress', 'counter'], { commands });
  const all =
    'stress g --device counter@0x300-0x307 --device debugcon@0xe9 --memory 2M --seed 0x10 ' +
    '--checkpoints 1K --revision fixed --max-instructions 5 --timeout 1.5s --ledger l.jsonl ' +
    '--format flat --load 07c0:0010 --iterations 9 --parameter 3 --command-line x';
  await cli(all.split(' '), { commands });
  expect(requests[0]).toEqual({
    guest: 'counter',
    load: { machine: 'auto' },
    devices: [],
    revision: 'exact',
    bug: null,
    seed: 1,
    checkpoints: 10_000,
    maxInstructions: null,
    timeoutMs: null,
    ledgerPath: null,
    measure: false,
    spacing: null,
    threads: null,
  });
  expect(requests[1]).toEqual({
    guest: 'g',
    load: {
      memoryBytes: 2 ** 21,
      format: 'flat',
      load: { seg: 0x7c0, off: 0x10 },
      iterations: 9,
      parameter: 3,
      commandLine: 'x',
    },
    devices: [
      expect.objectContaining({ range: { space: 'pio', start: 0x300, end: 0x307 } }),
      expect.objectContaining({ range: { space: 'pio', start: 0xe9, end: 0xe9 } }),
    ],
    revision: 'fixed',
    bug: null,
    seed: 16,
    checkpoints: 1024,
    maxInstructions: 5,
    timeoutMs: 1500,
    ledgerPath: 'l.jsonl',
    measure: false,
    spacing: null,
    threads: null,
  });
});

it('hands the options of threads on', async () => {
  requests.length = 0;
  await cli(['stress', 'counter', '--threads'], { commands });
  const all = 'stress g --threads --vcpus 3 --spin 7 --answer-timeout 20ms';
  await cli(all.split(' '), { commands });
  expect(requests.map(({ threads }) => threads)).toEqual([
    { vcpus: 1, spins: 200, answerTimeoutMs: 5000, modules: [] },
    { vcpus: 3, spins: 7, answerTimeoutMs: 20, modules: [] },
  ]);
});

it.each([
  [['--vcpus', '2'], '--vcpus: expected with --threads'],
  [['--spin', '2', '--answer-timeout', '1s'], '--spin, --answer-timeout: expected with --threads'],
  [['--threads', '--vcpus', '9'], "--vcpus '9': expected a whole number, 1 to 8"],
  [['--threads', '--vcpus', '2', '--ledger', 'x'], '--ledger with --vcpus'],
])('refuses %j', async (options, message) => {
  const { code, err } = await cli(['stress', 'counter', ...options], { commands });
  expect(code).toBe(2);
  expect(err).toContain(message);
});

describe('failures of a command', () => {
  const failing = (error: unknown) => [
    stressCommand(() => {
      throw error;
    }),
  ];

  it('keep the exit code of their kind', async () => {
    const error = new HvmError('HVM_ADDON_MISSING', 'no addon', { details: { at: 2n ** 64n } });
    const text = await cli(['stress', 'x'], { commands: failing(error) });
    expect(text).toEqual({ code: 5, out: '', err: 'trapline: no addon [HVM_ADDON_MISSING]\n' });
    const json = await cli(['stress', 'x', '-j'], { commands: failing(error) });
    expect(json.code).toBe(5);
    expect(JSON.parse(json.out)).toEqual({
      schema: 'trapline.error/1',
      code: 'HVM_ADDON_MISSING',
      message: 'no addon',
      exitCode: 5,
      details: { at: '0x10000000000000000' },
    });
  });

  it('become one line even when their message has several', async () => {
    const error = new HvmError('HVM_LEDGER', 'a\n  b\nc');
    const { err } = await cli(['stress', 'x'], { commands: failing(error) });
    expect(err).toBe('trapline: a b c [HVM_LEDGER]\n');
  });

  it.each([new BugError('impossible'), new TypeError('impossible'), 'impossible'])(
    'are our defect otherwise: %s',
    async (error) => {
      const { code, out, err } = await cli(['stress', 'x'], { commands: failing(error) });
      expect(code).toBe(70);
      expect(out).toBe('');
      expect(err).toMatch(/^trapline: impossible \[BUG\]\nThis is a defect of trapline\./);
    },
  );
});
