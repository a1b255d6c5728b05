// SPDX-License-Identifier: GPL-2.0-only
// `trapline exactness` itself: text, document, exit codes, wrong usage, Ctrl-C.
import { describe, expect, it } from 'vitest';
import { exactnessSchema } from '../../src/cli/check-schemas.ts';
import type { ExactnessRequest } from '../../src/cli/commands/exactness.ts';
import { exactnessCommand } from '../../src/cli/commands/exactness.ts';
import { errorSchema } from '../../src/cli/error-schema.ts';
import { exactnessRunner } from '../../src/cli/runners.ts';
import { runMatrix } from '../../src/toolstack/exactness/matrix.ts';
import { ManualClock } from '../../src/util/clock.ts';
import { cli, FakeIo } from '../helpers/cli.ts';

const SMALL = ['exactness', '--filter', 'in imm8 1, 16-bit'];

describe('trapline exactness', () => {
  it('prints the matrix', async () => {
    const { code, out, err } = await cli(SMALL);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/IN and OUT +1 +\d+ +\d+ +0\n/);
    expect(out).toMatch(/kicks from another thread, not the same from run to run\n +3 runs, /);
    expect(out).toMatch(/ {2}\d+ combinations of \d+, 0 failures\n/);
    expect(out).toContain('stopped anywhere, every form leaves what the undisturbed run leaves');
  });

  it('gives one document with --json', async () => {
    const { code, out, err } = await cli([...SMALL, '--json']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const document = exactnessSchema.parse(JSON.parse(out));
    const [cell] = document.cells;
    expect(document.cells).toHaveLength(1);
    expect(cell?.name).toBe('in imm8 1, 16-bit');
    expect(cell?.combinations).toBe(cell?.possible);
    expect(document).toMatchObject({ outcome: 'success', failures: [], failuresTotal: 0 });
    expect(Object.values(document.stops).reduce((a, b) => a + b)).toBe(document.combinations);
    expect(document.thread.runs).toBe(3);
  });

  it('runs one stop of one cell', async () => {
    const one = ['--cell', 'rep ins 1 count 3, 16-bit', '--stop', 'step 4 restore', '--json'];
    const { code, out } = await cli(['exactness', ...one]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ combinations: 1, stops: { 'step restore': 1 } });
  });

  it('ends with 1 at a failure, and says how to see it again', async () => {
    const setup = { revision: 'before-b7e0d8978810' } as const;
    const commands = [
      exactnessCommand(async (request, hooks) => {
        const watch = { ...hooks, clock: new ManualClock(), idle: () => {} };
        const result = await runMatrix({ ...request, setup }, watch);
        return { ...result, outcome: result.failuresTotal > 0 ? 'failure' : 'success' };
      }),
    ];
    const { code, out } = await cli(SMALL, { commands });
    expect(code).toBe(1);
    expect(out).toContain('accesses are not exact: see above');
    expect(out).toMatch(
      /again: trapline exactness --cell 'in imm8 1, 16-bit' --stop '\w+ \d+ \w+'/,
    );
    const json = await cli([...SMALL, '--json'], { commands });
    expect(json.code).toBe(1);
    expect(exactnessSchema.parse(JSON.parse(json.out)).failuresTotal).toBeGreaterThan(0);
  });

  it.each([
    [['--stop', 'nowhere 3 kick'], 'expected one of point, step, instruction'],
    [['--stop', 'point 3'], "as in 'point 3 restore'"],
    [['--filter', 'no such thing'], 'the families are IN and OUT, '],
    [['--filter', 'count 65535'], 'only with --full'],
    [['--cell', 'in imm8 1, 16 bit'], "did you mean 'in imm8 1, 16-bit'?"],
    [['--cell', 'in imm8 1, 16-bit', '--stop', 'point 9999 kick'], 'has fewer places'],
    [['--cell', 'a', '--filter', 'b'], "'--cell <name>' cannot be used with option '--filter"],
  ])('%j is wrong usage', async (argv, part) => {
    const { code, out, err } = await cli(['exactness', ...argv]);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(part);
    expect(err).toMatch(/^trapline: [^\n]+ \[HVM_USAGE\]\n$/);
    const json = await cli(['exactness', ...argv, '--json']);
    expect(json.code).toBe(2);
    expect(errorSchema.parse(JSON.parse(json.out)).code).toBe('HVM_USAGE');
  });

  it('stops cleanly at Ctrl-C and gives what it has', async () => {
    const io = new FakeIo();
    let ticks = 0;
    const commands = [
      exactnessCommand((request: ExactnessRequest, hooks) =>
        exactnessRunner(request, {
          ...hooks,
          tick: (done, total) => {
            if (++ticks === 2) io.send('SIGINT');
            return hooks.tick(done, total);
          },
        }),
      ),
    ];
    const { code, out } = await cli(['exactness', '--filter', 'IN and OUT', '--json'], {
      io,
      commands,
    });
    expect(code).toBe(130);
    const document = exactnessSchema.parse(JSON.parse(out));
    expect(document).toMatchObject({ outcome: 'interrupted', interrupted: true });
    expect(document.cells).toHaveLength(2);
    expect(io.listening).toBe(0);
  });
});
