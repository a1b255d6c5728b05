// SPDX-License-Identifier: GPL-2.0-only
// Every command of the documents is run, and prints what the document shows. `sh` blocks run as they stand in an
// empty folder, with the built program for `npx trapline`; of `sh slow` and `sh setup`, which take minutes or change the
// machine, what long-commands.ts has in their place. `js` blocks run, too. Needs dist/.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/program.ts';
import {
  type Block,
  blocksOf,
  documents,
  ROOT,
  shortened,
  shows,
  textOf,
} from '../helpers/markdown.ts';
import { type Instead, LONG_COMMANDS } from './long-commands.ts';

let world: string;
beforeAll(() => {
  world = mkdtempSync(join(tmpdir(), 'trapline-readme-'));
  const bin = join(world, 'bin');
  mkdirSync(bin);
  mkdirSync(join(world, 'work'));
  const main = join(ROOT, 'dist', 'cli', 'main.js');
  // npx itself takes half a second; that it finds the program is a test of its own, below.
  const script = `#!/bin/sh\n[ "$1" = trapline ] || exit 127\nshift\nexec "${process.execPath}" "${main}" "$@"\n`;
  writeFileSync(join(bin, 'npx'), script);
  chmodSync(join(bin, 'npx'), 0o755);
});
afterAll(() => rmSync(world, { recursive: true }));

function shell(commands: string): string {
  const { stdout } = spawnSync('sh', ['-c', `exec 2>&1\n${commands}`], {
    cwd: join(world, 'work'),
    env: { PATH: `${join(world, 'bin')}:${process.env.PATH}` },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return stdout;
}

/** TRAPLINE_UPDATE_DOCS=1 writes what is printed now into the documents instead of comparing. */
const UPDATE = process.env.TRAPLINE_UPDATE_DOCS === '1';

function expectShown(document: string, block: Block, actual: string): void {
  if (block.output === null || shows(block.output, actual)) return;
  if (UPDATE) {
    const fenced = (output: string): string =>
      `${block.body}\n\`\`\`\n\`\`\`text\n${output}\n\`\`\``;
    const now = fenced(shortened(actual, block.output));
    writeFileSync(
      join(ROOT, document),
      textOf(document).replace(fenced(block.output), () => now),
    );
  }
  // Not equal; said in a way that shows the difference.
  expect(actual).toBe(block.output);
}

/** The words that have to exist for a command to have a chance. */
function checkWords(command: string): void {
  const [first, second, third] = command.trim().split(/\s+/);
  if (first === 'npm' && (second === 'run' || second === 'start' || second === 'test')) {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    expect(Object.keys(scripts)).toContain(second === 'run' ? third : second);
  } else if (first === 'npx' && second === 'trapline') {
    expect(COMMANDS.map(({ name }) => name.split(' ')[0])).toContain(third);
  } else {
    expect(['cd', 'git', 'node', 'npm', 'npx', '.ci/run']).toContain(first);
  }
}

describe.each(documents())('%s', (document) => {
  const blocks = blocksOf(textOf(document));
  const of = (...infos: string[]): Block[] => blocks.filter(({ info }) => infos.includes(info));

  it('uses no kind of shell block that this test does not know', () => {
    const shells = blocks
      .map(({ info }) => info)
      .filter((info) => /^(sh|bash|js|console)/.test(info));
    expect(shells.filter((info) => !['sh', 'sh slow', 'sh setup', 'js'].includes(info))).toEqual(
      [],
    );
  });

  for (const block of of('sh')) {
    it(`line ${block.line} prints what it shows`, { timeout: 120_000 }, () => {
      const actual = shell(block.body);
      expect(actual).not.toContain('command not found');
      expectShown(document, block, actual);
    });
  }

  for (const block of of('js')) {
    it(`line ${block.line} prints what it shows`, () => {
      const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module'], {
        cwd: ROOT,
        input: block.body,
        encoding: 'utf8',
      });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expectShown(document, block, stdout);
    });
  }

  for (const block of of('sh').filter(({ output }) => output?.includes('  again: '))) {
    it(`line ${block.line} prints a command that shows the same again`, () => {
      // A search tells a smaller schedule than the one it found: that one breaks the same, elsewhere.
      const violation = (text: string): string | undefined =>
        /^ {2}violation: .*\n.*$/m.exec(text)?.[0] ??
        text
          .match(/^ {2}broken: .*$/gm)
          ?.sort()
          .join();
      const first = shell(block.body);
      const again = /^ {2}again: (.*)$/m.exec(first)?.[1] ?? '';
      expect(violation(first)).toMatch(/vCPU 0, instruction|broken: (exactly-once|same-answers)/);
      expect(violation(shell(`npx ${again}`))).toBe(violation(first));
    });
  }

  for (const block of of('sh slow', 'sh setup')) {
    for (const command of commandsOf(block)) {
      it(`line ${block.line}: ${command}, in short`, { timeout: 300_000 }, () => {
        checkWords(command);
        const instead = LONG_COMMANDS[command];
        if (instead === undefined) throw new Error(`not in test/cli/long-commands.ts: ${command}`);
        runInstead(instead);
      });
    }
  }

  it('names commands in its sentences that exist', () => {
    const prose = textOf(document).replaceAll(/^```.*?^```$/gms, '');
    for (const [, command = ''] of prose.matchAll(
      /`((?:npm (?:run|test|start)|npx trapline) ?[^`\n]*)`/g,
    )) {
      if (!/^(npm run|npx trapline)$/.test(command.trim())) checkWords(command);
    }
  });
});

/** The commands of a block that is not run as it stands. */
function commandsOf({ body }: Block): string[] {
  return body
    .split('\n')
    .map((line) => line.replace(/\s+#.*$/, '').trim())
    .filter((line) => line !== '');
}

function runInstead({ short, exit = 0, elsewhere = [], says = '' }: Instead): void {
  const texts = elsewhere.map((file) => readFileSync(join(ROOT, file), 'utf8'));
  if (texts.length > 0) expect(texts[0]).toContain(says);
  expect(texts.length + (short?.length ?? 0)).toBeGreaterThan(0);
  if (short === undefined) return;
  const [program = '', ...args] = short.map((word) => word.replace('FOLDER', world));
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: `${join(world, 'bin')}:${process.env.PATH}` },
  });
  expect(status, `${short.join(' ')}\n${stdout}${stderr}`).toBe(exit);
}

it('every long command that is known is one of a document', () => {
  const shown = documents().flatMap((document) =>
    blocksOf(textOf(document))
      .filter(({ info }) => info === 'sh slow' || info === 'sh setup')
      .flatMap(commandsOf),
  );
  expect(Object.keys(LONG_COMMANDS).filter((command) => !shown.includes(command))).toEqual([]);
});

it('README.md shows the race, and most of its blocks have an output', () => {
  const blocks = blocksOf(textOf('README.md')).filter(({ info }) => info === 'sh');
  expect(blocks[0]?.body).toMatch(/^npx trapline race/);
  expect(blocks.filter(({ output }) => output !== null).length).toBeGreaterThan(5);
});

it('README.md has the figures of docs/performance.md', () => {
  const section = /^## Performance\n(.*?)^## /ms.exec(textOf('README.md'))?.[1] ?? '';
  const figures = [...section.matchAll(/^\| .* \| (\S+ [nµm]s) \((.*)\) \|$/gm)];
  expect(figures.length).toBeGreaterThanOrEqual(5);
  const rows = textOf('docs/performance.md').split('\n');
  for (const [, median = '', spread = ''] of figures) {
    const there = rows.some((row) => row.includes(median) && row.includes(spread));
    expect(there, `${median} (${spread})`).toBe(true);
  }
});

it('npx finds the program in a clone', () => {
  const { stdout } = spawnSync('npx', ['--no', 'trapline', '--version'], {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

describe('the comparison itself', () => {
  it('sees a changed figure, a missing line and an additional one', () => {
    const shown = 'lost  1\nin 20 ms (5,000/s)\n…\nend';
    expect(shows(shown, 'lost  1\nin 1.3 s (77/s)\na\nb\nend\n')).toBe(true);
    expect(shows(shown, 'lost  2\nin 1.3 s (77/s)\na\nend\n')).toBe(false);
    expect(shows(shown, 'lost  1\na\nend\n')).toBe(false);
    expect(shows(shown, 'lost  1\nin 1.3 s (77/s)\nend\nmore\n')).toBe(false);
    expect(shortened('A\nB\nC\nD\nE\n', shown)).toBe('A\nB\n…\nE');
  });
});
