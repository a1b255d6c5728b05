// SPDX-License-Identifier: GPL-2.0-only
// A PC over many processes, each killed: its script goes on, and its end is that of an undisturbed run. Needs dist/.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ScriptStep } from '../../src/machine/pc/script.ts';
import { compareChainEnd } from '../../src/toolstack/image/chain-end.ts';
import { hostClock } from '../../src/util/clock.ts';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
let folder: string;
let image: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'trapline-pc-chain-'));
  image = join(folder, 'echo.img');
  const sector = new Uint8Array(512);
  // mov ax,3; int 10h; again: mov ah,0; int 16h; mov ah,0eh; int 10h; jmp again
  sector.set([0xb8, 3, 0, 0xcd, 0x10, 0xb4, 0, 0xcd, 0x16, 0xb4, 0x0e, 0xcd, 0x10, 0xeb, 0xf6]);
  sector.set([0x55, 0xaa], 510);
  writeFileSync(image, sector);
});
afterAll(() => rmSync(folder, { recursive: true }));

const watch = {
  signal: new AbortController().signal,
  tick: () => undefined,
  clock: hostClock,
  idle: (ms: number, then: () => void): void => void setTimeout(then, ms),
};

function trapline(args: readonly string[]): Promise<{ code: number | null; out: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [MAIN, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    child.once('close', (code) => resolve({ code, out }));
  });
}

describe('a chain of killed processes', { timeout: 240_000 }, () => {
  it('types its script over all of them, and the end is compared', async () => {
    const into = join(folder, 'chain');
    const { code, out } = await trapline([
      ...['stress', image, '--memory', '2M', '--image', into, '--restore', 'fresh', '--quiet'],
      ...['--checkpoints', '6', '--linger', '600000', '--no-fsync', '--json'],
      ...['--type', 'abc', '--expect', 'abc', '--type', 'def'],
    ]);
    const report = JSON.parse(out) as Record<string, unknown>;
    expect(report.problem).toBeNull();
    expect(code).toBe(0);
    expect(report.end).toMatchObject({ identical: true });
    expect(report.restored).toBe(6);

    // The same image is not the end of a run at which something else is typed.
    const end = async (text: string): Promise<string[]> => {
      const script: ScriptStep[] = [
        { kind: 'type', text: 'abc' },
        { kind: 'expect', text: 'abc', timeoutNs: 60e9 },
        { kind: 'type', text },
      ];
      const load = { machine: 'pc', memoryBytes: 0x200000, pc: { script } } as const;
      const options = { guest: image, load, devices: [], revision: 'exact' } as const;
      const found = await compareChainEnd(
        join(into, 'image'),
        join(into, 'ledger.jsonl'),
        options,
        watch,
      );
      return found?.differences.map(({ aspect }) => aspect) ?? ['not compared'];
    };
    expect(await end('def')).toEqual([]);
    expect(await end('dxf')).toContain('accesses');
  });
});
