// SPDX-License-Identifier: GPL-2.0-only
// What stress, race, run, bench and doctor make of a result: text, document, report, exit code.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { benchSchema } from '../../src/cli/bench-schemas.ts';
import { doctorSchema } from '../../src/cli/check-schemas.ts';
import type { RunHooks } from '../../src/cli/command.ts';
import { benchCommand } from '../../src/cli/commands/bench.ts';
import { doctorCommand } from '../../src/cli/commands/doctor.ts';
import type { RaceResult } from '../../src/cli/commands/race.ts';
import { raceCommand } from '../../src/cli/commands/race.ts';
import type { RunResult } from '../../src/cli/commands/run.ts';
import { runCommand } from '../../src/cli/commands/run.ts';
import { stressCommand } from '../../src/cli/commands/stress.ts';
import type { Outcome } from '../../src/cli/exit-codes.ts';
import { OUTCOMES } from '../../src/cli/exit-codes.ts';
import { runSchema } from '../../src/cli/run-schemas.ts';
import type { StressResult } from '../../src/cli/stress-request.ts';
import { raceSchema, stressSchema } from '../../src/cli/stress-schemas.ts';
import { cli, duplicateAt, FakeIo } from '../helpers/cli.ts';

const stressed: StressResult = {
  outcome: 'success',
  revision: 'exact',
  guest: 'counter',
  seed: 1,
  checkpoints: 1200,
  checkpointsAsked: 1200,
  instructions: 34567,
  accesses: { issued: 5000, answered: 5000, retired: 5000 },
  lost: 0,
  duplicated: 0,
  violations: [],
  violationsTotal: 0,
  reproduce: null,
  windows: { 'before-send': 700, 'in-flight': 500 },
  verdict: null,
  crash: null,
  story: null,
  threads: false,
  deviceModels: [],
  script: null,
  end: null,
  measured: null,
};

const violated: StressResult = {
  ...stressed,
  outcome: 'failure',
  revision: 'before-b7e0d8978810',
  duplicated: 1,
  violations: [duplicateAt('after-send')],
  violationsTotal: 7,
  reproduce: 'trapline stress counter --seed 1 --checkpoints 7 --revision before-b7e0d8978810',
};

/** Takes a second and a half of the fake clock. */
function stressOf(io: FakeIo, result: StressResult) {
  return [
    stressCommand(() => {
      io.clock.advance(1500);
      return result;
    }),
  ];
}

describe('trapline stress', () => {
  it('shows a clean run', async () => {
    const io = new FakeIo();
    const run = await cli(['stress', 'counter'], { io, commands: stressOf(io, stressed) });
    expect(run).toMatchSnapshot();
  });

  it('shows a violation and how to see it again', async () => {
    const io = new FakeIo();
    const run = await cli(['stress', 'counter'], { io, commands: stressOf(io, violated) });
    expect(run.code).toBe(1);
    expect(run).toMatchSnapshot();
  });

  it('gives one document with --json', async () => {
    const io = new FakeIo();
    const commands = stressOf(io, violated);
    const { code, out, err } = await cli(['stress', 'counter', '--json'], { io, commands });
    expect({ code, err }).toEqual({ code: 1, err: '' });
    expect(stressSchema.parse(JSON.parse(out))).toEqual({
      schema: 'trapline.stress/1',
      ...violated,
      durationAskedMs: null,
      durationMs: 1500,
      checkpointsPerSecond: 800,
    });
  });

  it.each(Object.entries(OUTCOMES) as [Outcome, number][])(
    'outcome %s ends as exit code %d',
    async (outcome, exitCode) => {
      const io = new FakeIo();
      const crash = outcome === 'crashed' ? { reason: 'triple fault' } : null;
      const commands = stressOf(io, { ...stressed, outcome, crash });
      const { code, out } = await cli(['stress', 'counter'], { io, commands });
      expect(code).toBe(exitCode);
      expect(out.includes('every access happened exactly once')).toBe(outcome === 'success');
      expect(out.includes('triple fault')).toBe(outcome === 'crashed');
    },
  );

  it('calls a document that breaks its schema a defect of ours', async () => {
    const io = new FakeIo();
    const commands = stressOf(io, { ...stressed, lost: -1 });
    for (const argv of [
      ['stress', 'counter'],
      ['stress', 'counter', '--json'],
    ]) {
      const fresh = new FakeIo();
      const { code } = await cli(argv, { io: fresh, commands });
      expect(code).toBe(70);
    }
  });
});

describe('--report', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'trapline-report-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('writes the same document, whole', async () => {
    const io = new FakeIo();
    const report = join(folder, 'report.json');
    writeFileSync(report, 'old');
    const argv = ['stress', 'counter', '--json', '--report', report];
    const { code, out } = await cli(argv, { io, commands: stressOf(io, stressed) });
    expect(code).toBe(0);
    expect(JSON.parse(readFileSync(report, 'utf8'))).toEqual(JSON.parse(out));
    expect(readdirSync(folder)).toEqual(['report.json']);
  });

  it('is a page when its name ends in .html, and measures the run for it', async () => {
    for (const [name, page] of [
      ['report.html', true],
      ['REPORT.HTML', true],
      ['report.html.json', false],
      ['report', false],
    ] as const) {
      const path = join(folder, name);
      const asked: boolean[] = [];
      const commands = [
        stressCommand((request) => {
          asked.push(request.measure);
          return violated;
        }),
        raceCommand((request) => {
          asked.push(request.measure);
          return raced;
        }),
      ];
      for (const argv of [['stress', 'counter'], ['race']]) {
        await cli([...argv, '--report', path], { commands });
        const text = readFileSync(path, 'utf8');
        expect(text.startsWith(page ? '<!doctype html>' : '{')).toBe(true);
        expect(text.endsWith(page ? '</html>\n' : '}\n')).toBe(true);
      }
      expect(asked).toEqual([true, true]);
    }
  });

  it('measures for --json, too, and otherwise not', async () => {
    const asked: boolean[] = [];
    const commands = [
      stressCommand((request) => {
        asked.push(request.measure);
        return stressed;
      }),
    ];
    await cli(['stress', 'counter'], { commands });
    await cli(['stress', 'counter', '--json'], { commands });
    expect(asked).toEqual([false, true]);
  });

  it('is refused as a page where there is none, before the run begins', async () => {
    let runs = 0;
    const commands = [
      runCommand(() => {
        runs++;
        return ran;
      }),
    ];
    const path = join(folder, 'report.html');
    const { code, err } = await cli(['run', 'hello', '--report', path], { commands });
    expect({ code, runs, files: readdirSync(folder) }).toEqual({ code: 2, runs: 0, files: [] });
    expect(err).toMatch(
      /^trapline: --report '[^']*': [^\n]*no page[^\n]*report\.json[^\n]* \[HVM_USAGE\]\n$/,
    );
  });

  it('is refused before the run begins when it cannot be written', async () => {
    const folderPath = join(folder, 'folder');
    mkdirSync(folderPath);
    const filePath = join(folder, 'file');
    writeFileSync(filePath, '');
    for (const path of [
      join(folder, 'missing', 'r.json'),
      folderPath,
      join(filePath, 'r.json'),
      '/dev/null',
    ]) {
      let ran = false;
      const commands = [
        stressCommand(() => {
          ran = true;
          return stressed;
        }),
      ];
      const { code, err } = await cli(['stress', 'counter', '--report', path], { commands });
      expect({ path, code, ran }).toEqual({ path, code: 2, ran: false });
      expect(err).toMatch(/^trapline: cannot write '[^\n]+ \[HVM_OUTPUT\]\n$/);
    }
    expect(readdirSync(folder).sort()).toEqual(['file', 'folder']);
  });

  it('leaves nothing, and the old file untouched, when the run fails', async () => {
    const report = join(folder, 'report.json');
    writeFileSync(report, 'old');
    const commands = [
      stressCommand(() => {
        throw new Error('broken');
      }),
    ];
    const { code } = await cli(['stress', 'counter', '--report', report], { commands });
    expect(code).toBe(70);
    expect(readdirSync(folder)).toEqual(['report.json']);
    expect(readFileSync(report, 'utf8')).toBe('old');
  });
});

describe('a long run', () => {
  const steps = (io: FakeIo, count: number, each?: (i: number, hooks: RunHooks) => void) => [
    stressCommand(async (request, hooks) => {
      let done = 0;
      while (done < count && !hooks.signal.aborted) {
        io.clock.advance(20);
        done++;
        each?.(done, hooks);
        await hooks.tick(done, request.checkpoints);
      }
      return {
        ...stressed,
        checkpoints: done,
        outcome: hooks.signal.aborted ? 'interrupted' : 'success',
      };
    }),
  ];

  it('draws one line at most ten times a second and erases it', async () => {
    const io = new FakeIo({ tty: true, env: { NO_COLOR: '1' } });
    const argv = ['stress', 'counter', '--checkpoints', '100'];
    await cli(argv, { io, commands: steps(io, 100) });
    const lines = io.err.split('\r\u001b[2K');
    // 100 steps of 20 ms: drawn at the first and then every 100 ms, and erased at the end.
    expect(lines).toHaveLength(1 + 20 + 1);
    expect(lines[1]).toBe('stress counter  1/100  1%  50/s  2.0 s left');
    expect(lines.at(-2)).toBe('stress counter  96/100  96%  50/s  80 ms left');
    expect(lines.at(-1)).toBe('');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(80);
  });

  it.each([
    ['without a terminal', new FakeIo(), []],
    ['under CI', new FakeIo({ tty: true, env: { CI: 'true' } }), []],
    ['under -q', new FakeIo({ tty: true }), ['-q']],
  ])('draws nothing %s', async (_, io, extra) => {
    await cli(['stress', 'counter', ...extra], { io, commands: steps(io, 50) });
    expect(io.err).toBe('');
  });

  it('lets signals in, but not at every step', async () => {
    const io = new FakeIo();
    await cli(['stress', 'counter'], { io, commands: steps(io, 100) });
    // 2 s in steps of 20 ms, at most one breath in 50 ms.
    expect(io.breaths).toBe(33);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('stops cleanly at %s and gives what it has', async (signal, exitCode) => {
    const io = new FakeIo();
    const commands = steps(io, 100, (i) => {
      if (i === 40) io.send(signal);
    });
    const { code, out, err } = await cli(['stress', 'counter', '--json'], { io, commands });
    expect(code).toBe(exitCode);
    expect(JSON.parse(out)).toMatchObject({ outcome: 'interrupted', checkpoints: 40 });
    expect(err).toContain('stopping');
    expect(io.quits).toEqual([]);
    expect(io.listening).toBe(0);
  });

  it('quits at the second signal', async () => {
    const io = new FakeIo();
    const commands = steps(io, 100, (i) => {
      if (i === 40) {
        io.send('SIGINT');
        io.send('SIGINT');
      }
    });
    await cli(['stress', 'counter'], { io, commands });
    expect(io.quits).toEqual([130]);
  });
});

const side = {
  revision: 'fixed',
  outcome: 'success' as const,
  checkpoints: 40,
  accesses: 100,
  lost: 0,
  duplicated: 0,
  values: [11, 12, 13, 14],
  expected: null,
  got: null,
  events: [
    { actor: 'vcpu0', event: 'IN from 0x200 is sent to the device' },
    { actor: 'toolstack', event: 'suspend: vcpu0 has an I/O in flight, so it is left running' },
  ],
  windows: { sent: 3 },
  story: null,
  measured: null,
};
const raced: RaceResult = {
  guest: 'counter',
  seed: 1,
  without: {
    ...side,
    revision: 'before-b7e0d8978810',
    outcome: 'failure',
    duplicated: 1,
    values: [11, 12, 14, 15],
    expected: 13,
    got: 14,
  },
  with: side,
};

describe('trapline race', () => {
  it('tells the story side by side, in 80 columns', async () => {
    const { code, out } = await cli(['race'], { commands: [raceCommand(() => raced)] });
    expect(code).toBe(0);
    expect(out).toMatchSnapshot();
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it('gives one document with --json', async () => {
    const { out } = await cli(['race', '--json'], { commands: [raceCommand(() => raced)] });
    expect(raceSchema.parse(JSON.parse(out))).toMatchObject(raced);
  });

  it.each([
    ['the unfixed side loses nothing', { ...raced, without: { ...side, outcome: 'success' } }],
    ['the fixed side loses a value', { ...raced, with: { ...side, lost: 1 } }],
    ['the fixed side does not end well', { ...raced, with: { ...side, outcome: 'crashed' } }],
  ] as [string, RaceResult][])('fails when %s', async (_, result) => {
    const { code, out } = await cli(['race'], { commands: [raceCommand(() => result)] });
    expect(code).toBe(1);
    expect(out).toContain('the race did not go as expected');
  });
});

const ran: RunResult = {
  outcome: 'success',
  revision: 'exact',
  guest: 'hello',
  verdict: 'success',
  crash: null,
  limit: null,
  instructions: 1234,
  exits: { pio: 20, hlt: 1 },
  unclaimed: 0,
  devices: { debugcon: { written: 6 } },
  checkpoints: null,
  ledger: null,
  pc: null,
  script: null,
};

describe('trapline run', () => {
  const saying = (text: string, result: RunResult = ran) => [
    runCommand((_, hooks) => {
      for (const byte of Buffer.from(text, 'latin1')) hooks.output(byte);
      return result;
    }),
  ];

  it("shows the guest's text, then how it ended", async () => {
    const { code, out } = await cli(['run', 'hello'], { commands: saying('Hello\nworld') });
    expect(code).toBe(0);
    expect(out).toBe('Hello\nworld\nhello reports success (1,234 instructions, 21 exits, 0 ms)\n');
  });

  it('keeps the text inside the document with --json', async () => {
    const argv = ['run', 'hello', '--json'];
    const { out } = await cli(argv, { commands: saying('caf\u00e9\n') });
    expect(runSchema.parse(JSON.parse(out))).toMatchObject({ ...ran, console: 'caf\u00e9\n' });
  });

  it.each([
    [{ outcome: 'crashed', verdict: null, crash: { reason: 'triple fault' } }, 3, 'triple fault'],
    [{ outcome: 'limit', verdict: null, limit: '1000 instructions' }, 4, '1000 instructions'],
    [{ outcome: 'failure', verdict: 'failure' }, 1, 'reports failure'],
    [{ outcome: 'skip', verdict: 'skip' }, 5, 'reports skip'],
    [{ outcome: 'error', verdict: 'error' }, 6, 'reports error'],
    [{ outcome: 'success', verdict: null }, 0, 'halted without a verdict'],
  ] as [Partial<RunResult>, number, string][])('%j ends as %d', async (part, exitCode, text) => {
    const commands = saying('', { ...ran, ...part });
    const { code, out } = await cli(['run', 'hello'], { commands });
    expect(code).toBe(exitCode);
    expect(out).toContain(text);
  });
});

describe('trapline bench', () => {
  const row = { name: 'in', unit: 'ns' as const, median: 44, low: 43.5, high: 1250 };
  const measured = { ...row, perSecond: 22_727_272, samples: 100 };
  const commands = [
    benchCommand(({ name, timeMs }) => ({
      method: `${name ?? 'all'}, ${timeMs} ms each`,
      results: [measured],
      stages: [{ ...measured, name: 'decode' }],
      peers: [],
      versus: { results: [], ratios: [] },
      ratios: {},
    })),
  ];

  it('shows median, spread and rate', async () => {
    const { code, out } = await cli(['bench', 'in', '--time', '200ms'], { commands });
    expect(code).toBe(0);
    expect(out.split('\n').slice(1)).toEqual([
      '  in, 200 ms each',
      '  name   median        10 % .. 90 %          rate',
      '  in    44.0 ns  43.5 ns .. 1.25 µs  22,727,272/s',
      'stages of one trap',
      '  name     median        10 % .. 90 %          rate',
      '  decode  44.0 ns  43.5 ns .. 1.25 µs  22,727,272/s',
      '',
    ]);
  });

  it('gives one document with --json', async () => {
    const { out } = await cli(['bench', '--json'], { commands });
    expect(benchSchema.parse(JSON.parse(out))).toMatchObject({ method: 'all, 1000 ms each' });
  });

  it.each([
    [[], 'v86 qemu kvm unicorn-c unicorn-python from null'],
    [['--peers', 'none'], ' from null'],
    [['--peers', 'kvm,v86', '--v86', 'there'], 'v86 kvm from there'],
  ] as [string[], string][])('%j: these are looked for: %s', async (args, expected) => {
    const asking = benchCommand(({ peers, v86 }) => ({
      ...{ method: `${peers.join(' ')} from ${v86}`, results: [], stages: [], peers: [] },
      ...{ versus: { results: [], ratios: [] }, ratios: {} },
    }));
    const { out } = await cli(['bench', '--json', ...args], { commands: [asking] });
    expect(benchSchema.parse(JSON.parse(out)).method).toBe(expected);
  });

  it('shows other monitors beside us, and names those that are not there', async () => {
    const spread = { low: 1, high: 3000, samples: 40 };
    const peer = { name: 'v86', version: '0.5', answeredBy: 'a function', install: null };
    const beside = benchCommand(() => ({
      method: 'm',
      results: [],
      stages: [],
      peers: [
        { ...peer, state: 'measured', reason: null },
        { ...peer, name: 'kvm', state: 'failed', reason: 'in: it ended (1)' },
        {
          ...{ name: 'qemu', state: 'absent', version: null, answeredBy: null },
          ...{ reason: 'no qemu on PATH', install: 'apt-get install qemu' },
        },
      ],
      versus: {
        results: [
          { ...spread, name: 'in/trapline', median: 40 },
          { ...spread, name: 'in/v86', median: 25 },
          { ...spread, name: 'loop/alu/trapline', median: 0.1 },
          { ...spread, name: 'loop/alu/v86', median: 1000 },
        ],
        ratios: [
          { ...spread, name: 'in/v86', median: 1.6 },
          { ...spread, name: 'loop/alu/v86', median: 0.0001 },
          { ...spread, name: 'loop/v86', median: 0.5 },
        ],
      },
      ratios: { 'in/v86': 1.6 },
    }));
    const { code, out } = await cli(['bench'], { commands: [beside] });
    expect(code).toBe(0);
    expect(out.split('\n').slice(1)).toEqual([
      'beside other monitors: median, and ours divided by theirs',
      '  loop      trapline                v86',
      '  in         40.0 ns     25.0 ns (1.60)',
      '  loop/alu  0.100 ns  1.00 µs (0.00010)',
      '  loop/all                       (0.50)',
      '  v86 0.5: a function',
      '  kvm 0.5: a function. FAILED: in: it ended (1)',
      '  qemu: absent, no qemu on PATH. To have it: apt-get install qemu',
      '',
    ]);
  });
});

describe('trapline doctor', () => {
  const good = { name: 'one', probe: () => 'fine' };
  const bad = {
    name: 'two',
    probe: () => {
      throw new Error('no such thing');
    },
  };

  it('succeeds when every check does', async () => {
    const { code, out } = await cli(['doctor'], { commands: [doctorCommand([good])] });
    expect(code).toBe(0);
    expect(out).toBe('ok  one  fine\nthis machine can run guests\n');
  });

  it('names what does not work and ends with 5', async () => {
    const commands = [doctorCommand([good, bad])];
    const { code, out } = await cli(['doctor', '--json'], { commands });
    expect(code).toBe(5);
    expect(doctorSchema.parse(JSON.parse(out))).toEqual({
      schema: 'trapline.doctor/1',
      ok: false,
      checks: [
        { name: 'one', ok: true, detail: 'fine' },
        { name: 'two', ok: false, detail: 'no such thing' },
      ],
    });
  });
});

describe('colour', () => {
  const coloured = async (options: ConstructorParameters<typeof FakeIo>[0], argv: string[]) => {
    const io = new FakeIo(options);
    const { out } = await cli(['stress', 'counter', ...argv], {
      io,
      commands: stressOf(io, stressed),
    });
    return out.includes('\u001b[');
  };

  it.each([
    [{}, [], false],
    [{ tty: true }, [], true],
    [{ tty: true, env: { TERM: 'dumb' } }, [], false],
    [{ tty: true, env: { NO_COLOR: '1' } }, [], false],
    [{ tty: true, env: { NO_COLOR: '' } }, [], true],
    [{ env: { FORCE_COLOR: '1' } }, [], true],
    [{ tty: true, env: { FORCE_COLOR: '0' } }, [], false],
    [{ env: { FORCE_COLOR: '1', NO_COLOR: '1' } }, [], false],
    [{ tty: true }, ['--color', 'never'], false],
    [{ env: { NO_COLOR: '1' } }, ['--color', 'always'], true],
    [{ tty: true }, ['--json', '--color', 'always'], false],
  ] as [ConstructorParameters<typeof FakeIo>[0], string[], boolean][])(
    '%j with %j: %s',
    async (options, argv, expected) => {
      expect(await coloured(options, argv)).toBe(expected);
    },
  );
});
