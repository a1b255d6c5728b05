// SPDX-License-Identifier: GPL-2.0-only
// stress --duration without --seeds: as many checkpoints as fit.
import { describe, expect, it } from 'vitest';
import { stressCommand } from '../../src/cli/commands/stress.ts';
import type { StressResult } from '../../src/cli/stress-request.ts';
import { stressSchema } from '../../src/cli/stress-schemas.ts';
import { cli, FakeIo, stressResult as resultOf } from '../helpers/cli.ts';

describe('--duration of a single run', () => {
  const timed = (until: number, more: Partial<StressResult> = {}) => {
    const io = new FakeIo();
    const commands = [
      stressCommand((request, hooks) => {
        let done = 0;
        while (done < until && !hooks.signal.aborted) {
          io.clock.advance(100);
          void hooks.tick(++done, request.checkpoints);
        }
        const outcome = hooks.signal.aborted ? 'interrupted' : 'success';
        return resultOf(request, { outcome, checkpoints: done, ...more });
      }),
    ];
    const run = (line: string) => cli(line.split(' '), { io, commands });
    return { io, run };
  };

  it('takes as many checkpoints as fit, and says that their number is not determined', async () => {
    const { code, out } = await timed(99).run('stress counter --seed 4 --duration 1s');
    expect(code).toBe(0);
    expect(out).toContain('checkpoints   10 in 1.0 s (10/s)');
    expect(out).toContain('bounded by time: how many they are does not follow from the seed');
    expect(out).toContain('every access happened exactly once');
    const json = await timed(99).run('stress counter --duration 1s --json');
    expect(stressSchema.parse(JSON.parse(json.out))).toMatchObject({
      outcome: 'success',
      checkpoints: 10,
      checkpointsAsked: 10,
      durationAskedMs: 1000,
    });
  });

  it('changes neither an earlier end nor a violation', async () => {
    expect((await timed(5).run('stress counter --duration 1s')).code).toBe(0);
    expect((await timed(99, { outcome: 'failure' }).run('stress counter --duration 1s')).code).toBe(
      1,
    );
  });

  it('is an interruption all the same when somebody interrupts', async () => {
    const io = new FakeIo();
    const commands = [
      stressCommand((request) => {
        io.send('SIGINT');
        return resultOf(request, { outcome: 'interrupted' });
      }),
    ];
    const line = ['stress', 'counter', '--duration', '1s', '--json'];
    const { code, out } = await cli(line, { io, commands });
    expect(code).toBe(130);
    expect(JSON.parse(out)).toMatchObject({ outcome: 'interrupted' });
  });
});
