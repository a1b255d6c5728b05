// SPDX-License-Identifier: GPL-2.0-only
// stress --seeds and merge on the command line: options, texts, documents, exit codes, bad input.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { merge } from '../../src/cli/commands/merge.ts';
import { stressCommand } from '../../src/cli/commands/stress.ts';
import type { StressRequest, StressResult } from '../../src/cli/stress-request.ts';
import { campaignSchema } from '../../src/toolstack/campaign/shapes.ts';
import { cli, duplicateAt, FakeIo, stressResult as resultOf } from '../helpers/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'trapline-cli-campaign-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string): string => join(folder, name);

/** Seed 5 goes wrong. */
function failing(request: StressRequest): StressResult {
  if (request.seed !== 5) return resultOf(request);
  return resultOf(request, {
    outcome: 'failure',
    duplicated: 1,
    violations: [duplicateAt('sent')],
    violationsTotal: 2,
    reproduce: 'trapline stress counter --revision exact --seed 5 --checkpoints 8',
  });
}

/** A world where a seed takes half a second. */
function world(runner: (request: StressRequest) => StressResult = resultOf) {
  const io = new FakeIo();
  const requests: StressRequest[] = [];
  const commands = [
    stressCommand((request) => {
      requests.push(request);
      io.clock.advance(500);
      return runner(request);
    }),
    merge,
  ];
  const run = (line: string) => {
    io.out = '';
    io.err = '';
    return cli(line.split(' '), { io, commands });
  };
  return { io, requests, run };
}

/** Without what a change of any source file changes. */
function stable(text: string): string {
  return text.replaceAll(/\b[0-9a-f]{12,64}\b/g, 'DIGEST');
}

describe('wrong usage', () => {
  it.each([
    ['--seeds 5', "--seeds '5': expected two seeds"],
    ['--seeds 9-1', "--seeds '9-1': expected two seeds"],
    ['--seeds 0-0x100000000', 'expected two seeds'],
    ['--seeds', 'argument missing'],
    ['--seeds 1-', "--seeds '1-' has no end: expected --duration or --fail-fast"],
    ['--seeds 1-9 --seed 4', "cannot be used with option '--seed <n>'"],
    ['--seeds 1-9 --ledger x', "cannot be used with option '--ledger <file>'"],
    ['--seeds 1-9 --timeout 1s', "cannot be used with option '--timeout <duration>'"],
    ['--duration 1s --timeout 1s', "cannot be used with option '--timeout <duration>'"],
    ['--duration 10', "--duration '10': expected a duration"],
    ['--duration 0s', "--duration '0s': expected a duration"],
    ['--seeds 1-9 --shard 0/2', "--shard '0/2': expected a part"],
    ['--seeds 1-9 --shard 3/2', "--shard '3/2': expected a part"],
    ['--seeds 1-9 --shard 1', "--shard '1': expected a part"],
    ['--shard 1/2', '--shard: expected with --seeds'],
    ['--resume x --fail-fast', '--resume, --fail-fast: expected with --seeds'],
  ])('stress counter %s', async (options, part) => {
    const { requests, run } = world();
    const { code, out, err } = await run(`stress counter ${options}`);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(/^trapline: [^\n]+ \[HVM_USAGE\]\n$/);
    expect(err).toContain(part);
    expect(requests).toEqual([]);
  });

  it('a merge of nothing', async () => {
    const { code, err } = await world().run('merge');
    expect(code).toBe(2);
    expect(err).toContain('[HVM_USAGE]');
  });

  it('names the guest before it touches a file', async () => {
    const state = file('never');
    const { code, err } = await world().run(`stress contuer --seeds 1-9 --resume ${state}`);
    expect(code).toBe(2);
    expect(err).toContain('[HVM_GUEST_MISSING]');
    expect(existsSync(state)).toBe(false);
  });

  it.each([
    ['damaged', '{"format":"trapline-campaign"}\n', 'HVM_CAMPAIGN'],
    ['no campaign file', 'hello', 'HVM_CAMPAIGN'],
  ])('a state file that is %s', async (_what, text, error) => {
    const state = file('bad');
    writeFileSync(state, text);
    const { requests, run } = world();
    for (const line of [`stress counter --seeds 1-9 --resume ${state}`, `merge ${state}`]) {
      const { code, out, err } = await run(line);
      expect({ code, out }).toEqual({ code: 2, out: '' });
      expect(err).toMatch(new RegExp(`^trapline: [^\\n]+ \\[${error}\\]\\n$`));
      const json = await run(`${line} --json`);
      expect(JSON.parse(json.out)).toMatchObject({ code: error, exitCode: 2 });
    }
    expect(requests).toEqual([]);
    expect(readFileSync(state, 'utf8')).toBe(text);
  });
});

describe('a campaign', () => {
  it('runs the seeds of its shard and says so', async () => {
    const { requests, run } = world();
    const result = await run('stress counter --seeds 1-10 --shard 2/3 --checkpoints 50');
    expect(requests.map(({ seed }) => seed)).toEqual([2, 5, 8]);
    expect(requests[0]).toMatchObject({ checkpoints: 50, ledgerPath: null, timeoutMs: null });
    expect(stable(result.out)).toMatchSnapshot();
    expect(result).toMatchObject({ code: 0, err: '' });
  });

  it('goes on after a violation, and prints how to see it again', async () => {
    const { requests, run } = world(failing);
    const { code, out } = await run('stress counter --seeds 4-6 --checkpoints 50');
    expect(requests).toHaveLength(3);
    expect(code).toBe(1);
    expect(stable(out)).toMatchSnapshot();
    expect((await world(failing).run('stress counter --seeds 4-9 --fail-fast')).code).toBe(1);
  });

  it('gives one document, with --json and as a report', async () => {
    const { run } = world(failing);
    const report = file('report.json');
    const line = `stress counter --seeds 4-9 --fail-fast --json --report ${report}`;
    const { code, out } = await run(line);
    expect(code).toBe(1);
    expect(readFileSync(report, 'utf8')).toBe(out);
    const document = campaignSchema.parse(JSON.parse(out));
    expect(document).toMatchObject({
      outcome: 'failure',
      determined: {
        seeds: [{ first: 4, last: 9 }],
        shard: null,
        missing: { count: 4, ranges: [{ first: 6, last: 9 }] },
        totals: { seeds: 2, outcomes: { success: 1, failure: 1 }, violations: 2 },
      },
      measured: { ended: 'fail-fast', durationMs: 1000, seedsRun: 2, seedsPerSecond: 2 },
    });
    expect(document.determined.results[1]?.reproduce).toContain('--seed 5 ');
  });

  it('is bounded by --duration, and says what then does not follow', async () => {
    const { run } = world();
    const cut = await run('stress counter --seeds 1-9 --duration 1200ms');
    expect(cut.code).toBe(4);
    expect(cut.out).toContain('not finished; 6 seeds are still missing');
    expect(cut.out).toContain('does not follow from build and seeds: which seeds are missing');
    const open = await run('stress counter --seeds 1- --duration 1200ms');
    expect(open.code).toBe(0);
    expect(open.out).toContain('  seeds         3, success 3\n');
    expect(open.out).toContain('does not follow from build and seeds: how many seeds were run');
  });

  it('keeps its results, goes on there, and merges in any order', async () => {
    const { requests, run } = world();
    const one = file('one.jsonl');
    const line = `stress counter --seeds 1-9 --shard 1/2 --resume ${one}`;
    expect((await run(`${line} --duration 900ms`)).code).toBe(4);
    const partial = await run(`merge ${one}`);
    expect(partial.code).toBe(4);
    expect(stable(partial.out)).toMatchSnapshot();
    const resumed = await run(line);
    expect(resumed.code).toBe(0);
    expect(resumed.out).toContain('3 seeds in 1.5 s, checkpoints 20,000/s, 2 were there before');
    expect(requests.map(({ seed }) => seed)).toEqual([1, 3, 5, 7, 9]);
    const two = file('two.json');
    await run(`stress counter --seeds 1-9 --shard 2/2 --report ${two}`);
    const all = await run(`merge ${two} ${one}`);
    expect(all.code).toBe(0);
    expect(stable(all.out)).toMatchSnapshot();
    expect((await run(`merge ${one} ${two} ${one}`)).out).toBe(all.out);
    const json = await run(`merge ${one} ${two} --json`);
    expect(campaignSchema.parse(JSON.parse(json.out))).toMatchObject({ measured: null });
  });

  it('names contradicting results', async () => {
    const [good, bad] = [file('good.json'), file('bad.json')];
    await world().run(`stress counter --seeds 4-6 --report ${good}`);
    await world(failing).run(`stress counter --seeds 4-6 --report ${bad}`);
    const { code, out } = await world().run(`merge ${good} ${bad}`);
    expect(code).toBe(1);
    expect(out).toContain('the same seed gave different results: see above');
    expect(stable(out)).toContain(`  seed 5 gave different results: `);
    for (const part of [`success (DIGEST) in ${good}`, `failure (DIGEST) in ${bad}`]) {
      expect(stable(out)).toContain(part);
    }
  });

  it('shows seeds, rate and bad seeds while it runs', async () => {
    const io = new FakeIo({ tty: true });
    const commands = [
      stressCommand((request, hooks) => {
        io.clock.advance(500);
        void hooks.tick(1, 2);
        return failing(request);
      }),
    ];
    await cli(['stress', 'counter', '--seeds', '4-7'], { io, commands });
    expect(io.err).toContain('stress counter, seeds 4-7  0/4  0%');
    expect(io.err).toContain('stress counter, seeds 4-7, 1 bad  3/4  75%  2/s');
  });

  it('ends at Ctrl-C with what is finished', async () => {
    const io = new FakeIo();
    const commands = [
      stressCommand((request, { signal }) => {
        if (request.seed === 3) io.send('SIGINT');
        return resultOf(request, signal.aborted ? { outcome: 'interrupted' } : {});
      }),
    ];
    const { code, out } = await cli(['stress', 'counter', '--seeds', '1-9'], { io, commands });
    expect(code).toBe(130);
    expect(out).toContain('interrupted; 7 seeds are still missing; nothing went wrong until then');
  });
});
