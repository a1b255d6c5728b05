// SPDX-License-Identifier: GPL-2.0-only
// Help texts: their content by snapshot, their width, and what every one of them has to have.
import { describe, expect, it } from 'vitest';
import type { CliCommand } from '../../src/cli/command.ts';
import { benchCommand } from '../../src/cli/commands/bench.ts';
import { raceCommand } from '../../src/cli/commands/race.ts';
import { runCommand } from '../../src/cli/commands/run.ts';
import { stressCommand } from '../../src/cli/commands/stress.ts';
import { COMMANDS } from '../../src/cli/program.ts';
import { cli } from '../helpers/cli.ts';

function never(): never {
  throw new Error('help must not run anything');
}

const all = new Map<string, CliCommand>();
for (const command of [
  runCommand(never),
  stressCommand(never),
  raceCommand(never),
  benchCommand(never),
  ...COMMANDS,
]) {
  all.set(command.name, command);
}
const commands = [...all.values()];

describe('the program', () => {
  it('lists its commands and exit codes', async () => {
    const { code, out, err } = await cli(['--help'], { commands });
    expect(code).toBe(0);
    expect(err).toBe('');
    expect(out).toMatchSnapshot();
  });

  it('prints its version', async () => {
    const { code, out } = await cli(['--version']);
    expect(code).toBe(0);
    expect(out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe.each(commands.map((command) => [command.name, command] as const))(
  '%s',
  (name, command) => {
    it('says what it is for', async () => {
      const { code, out, err } = await cli([...name.split(' '), '--help'], { commands });
      expect(code).toBe(0);
      expect(err).toBe('');
      expect(out).toMatchSnapshot();
      expect(out).toContain('Usage: trapline ');
      expect(out).toContain('\nExamples:\n');
      expect(out).toContain('\nExit codes:\n');
      expect(command.examples.length).toBeGreaterThanOrEqual(2);
      expect(command.examples.length).toBeLessThanOrEqual(3);
      const tooWide = out.split('\n').filter((line) => line.length > 80);
      expect(tooWide).toEqual([]);
    });

    it('says the same through the help command', async () => {
      const words = name.split(' ');
      if (words.length > 1) return;
      const direct = await cli([name, '--help'], { commands });
      const indirect = await cli(['help', name], { commands });
      expect(indirect).toEqual(direct);
    });
  },
);
