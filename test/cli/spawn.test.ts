// SPDX-License-Identifier: GPL-2.0-only
// The built program as a process: streams, exit codes, a closed pipe. Needs dist/, which `npm test` builds.
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

function trapline(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH },
  });
  return { status, stdout, stderr };
}

describe('the built program', () => {
  it('prints results on stdout and nothing else', () => {
    const { status, stdout, stderr } = trapline('list', 'errors', '--json');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ schema: 'trapline.list-errors/1' });
  });

  it('prints errors on stderr and ends with their code', () => {
    expect(trapline('lst')).toEqual({
      status: 2,
      stdout: '',
      stderr: "trapline: unknown command 'lst' (Did you mean list?) [HVM_USAGE]\n",
    });
  });

  it('shares memory between threads and says so in doctor', () => {
    const { stdout } = trapline('doctor', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      checks: expect.arrayContaining([
        { name: 'threads', ok: true, detail: 'a worker shares memory with the main thread' },
        expect.objectContaining({ name: 'cpu' }),
      ]),
    });
  });

  it('is quiet when its reader closes the pipe', async () => {
    const child = spawn(process.execPath, [main, 'list', 'errors', '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    // Closed before the first byte can be there: every write meets EPIPE.
    child.stdout.destroy();
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const status = await new Promise((resolve) => child.once('close', resolve));
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});
