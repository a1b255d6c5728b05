// SPDX-License-Identifier: GPL-2.0-only
// Set-up on a machine that lacks everything: the exact command, exit 5, and nothing done.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const script = (name: string): string =>
  fileURLToPath(new URL(`../../../scripts/${name}.mjs`, import.meta.url));
const tools = ['g++', 'make', 'python3', 'nasm', 'pkg-config'];

let bin: string;
beforeEach(() => {
  bin = mkdtempSync(join(tmpdir(), 'trapline-bin-'));
});
afterEach(() => rmSync(bin, { recursive: true }));

/** Puts a program of that name on the only PATH there is. */
function program(name: string, script = 'exit 1'): void {
  writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(bin, name), 0o755);
}

function run(
  env: Record<string, string> = {},
  name = 'setup',
): { status: number | null; stderr: string } {
  const { status, stderr, stdout } = spawnSync(process.execPath, [script(name)], {
    encoding: 'utf8',
    env: { PATH: bin, ...env },
  });
  expect(stdout).toBe('');
  return { status, stderr };
}

describe('set-up without its tools', () => {
  it('names what is missing and the command where there is no apt-get', () => {
    const { status, stderr } = run();
    expect(status).toBe(5);
    expect(stderr).toMatch(/^set-up: missing: [^\n]+\n$/);
    expect(stderr).toContain('sudo apt-get install -y');
    for (const tool of tools) expect(stderr).toContain(tool);
  });

  it('names only what is missing', () => {
    for (const tool of tools) if (tool !== 'nasm') program(tool);
    const { status, stderr } = run();
    expect(status).toBe(5);
    expect(stderr).toContain('nasm');
    expect(stderr).not.toContain('make');
  });

  it('wants what only tests start for tests alone', () => {
    for (const [name, wanted] of [
      ['test', true],
      ['setup', false],
      ['start', false],
    ] as const) {
      const { status, stderr } = run({}, name);
      expect(status).toBe(5);
      expect(stderr.includes('chromium')).toBe(wanted);
      expect(stderr.includes('parallel')).toBe(wanted);
    }
    // Alone missing, it is alone asked for.
    for (const tool of tools) program(tool);
    expect(run({}, 'test').stderr).toMatch(/missing: [^\n]*chromium/);
  });

  it('gives the command when apt-get fails or may not be used', () => {
    program(
      'apt-get',
      `echo "$@" >> '${join(bin, 'apt.log')}'; echo 'E: no network' >&2; exit 100`,
    );
    const { status, stderr } = run();
    expect(status).toBe(5);
    expect(stderr).toMatch(/Type: sudo apt-get update && sudo apt-get install -y [^\n]*nasm/);
    if (process.getuid?.() === 0) {
      // One attempt, and its own words are passed on.
      const log = readFileSync(join(bin, 'apt.log'), 'utf8').split('\n');
      expect(log).toEqual([expect.stringMatching(/ update$/), '']);
      expect(stderr).toContain('E: no network');
    }
  });

  it('refuses a UNICORN_DIR that holds no library', () => {
    for (const tool of tools) program(tool);
    const { status, stderr } = run({ UNICORN_DIR: bin });
    expect(status).toBe(5);
    expect(stderr).toContain(`UNICORN_DIR=${bin} holds no`);
  });
});
