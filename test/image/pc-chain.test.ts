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
import { Checkpointer } from '../../src/toolstack/image/checkpointer.ts';
import { fileSource, loadImage } from '../../src/toolstack/image/read.ts';
import { restoreMachine } from '../../src/toolstack/image/restore.ts';
import type { OutputPosition } from '../../src/toolstack/image/state.ts';
import { hostClock } from '../../src/util/clock.ts';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
let folder: string;
let image: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'trapline-pc-chain-'));
  image = join(folder, 'echo.img');
  const sector = new Uint8Array(512);
  // mov ax,3; int 10h; again: mov ah,0; int 16h; mov ah,0eh; int 10h; mov dx,3f8h; out dx,al; out 0e9h,al; jmp again
  sector.set([0xb8, 3, 0, 0xcd, 0x10, 0xb4, 0, 0xcd, 0x16, 0xb4, 0x0e, 0xcd, 0x10]);
  sector.set([0xba, 0xf8, 0x03, 0xee, 0xe6, 0xe9, 0xeb, 0xf0], 13);
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

    expect(await end('def', into)).toEqual([]);
    // The same image is not the end of a run at which something else is typed.
    expect(await end('dxf', into)).toContain('accesses');
    // Console and serial line: two bytes for each key.
    const { state } = await loadImage(fileSource(join(into, 'image')));
    expect(state.output?.bytes).toBe(12);
  });

  it('with many checkpoints to a process, and its output is compared, too', async () => {
    const into = join(folder, 'long');
    const { code, out } = await trapline([
      ...['stress', image, '--memory', '2M', '--image', into, '--restore', 'fresh', '--quiet'],
      ...[
        '--checkpoints',
        '60',
        '--per-process',
        '20',
        '--linger',
        '20000',
        '--no-fsync',
        '--json',
      ],
      ...['--type', 'abc', '--expect', 'abc', '--type', 'def'],
    ]);
    const report = JSON.parse(out) as Record<string, number>;
    expect(report.problem).toBeNull();
    expect(code).toBe(0);
    expect(report.checkpoints).toBeGreaterThanOrEqual(60);
    expect(report.restored).toBeLessThan(60);

    // A byte that came out once too often, and another one in its place: everything else is the same.
    const path = join(into, 'image');
    expect(await end('def', into)).toEqual([]);
    const { bytes = 0, hash = 0 } = (await loadImage(fileSource(path))).state.output ?? {};
    for (const wrong of [
      { bytes: bytes + 1, hash },
      { bytes, hash: hash ^ 1 },
    ]) {
      await rewrite(path, { ...wrong, hash: wrong.hash >>> 0 });
      expect(await end('def', into)).toEqual(['output']);
    }
  });
});

/** What differs at the end of a chain from a run at which this is typed after `abc`. */
async function end(text: string, chain: string): Promise<string[]> {
  const script: ScriptStep[] = [
    { kind: 'type', text: 'abc' },
    { kind: 'expect', text: 'abc', timeoutNs: 60e9 },
    { kind: 'type', text },
  ];
  const load = { machine: 'pc', memoryBytes: 0x200000, pc: { script } } as const;
  const options = { guest: image, load, devices: [], revision: 'exact' } as const;
  const [last, ledger] = [join(chain, 'image'), join(chain, 'ledger.jsonl')];
  const found = await compareChainEnd(last, ledger, options, watch);
  return found?.differences.map(({ aspect }) => aspect) ?? ['not compared'];
}

/** The same image with another output before it. */
async function rewrite(path: string, output: OutputPosition): Promise<void> {
  const loaded = await loadImage(fileSource(path));
  const { machine, snapshot } = restoreMachine(loaded, {});
  using _machine = machine;
  using file = new Checkpointer(path, false);
  const { revision, checkpoint, vcpus } = loaded.state;
  const { ledger, log } = vcpus[0];
  snapshot.capture(machine);
  file.commit(machine, snapshot, { revision, checkpoint, ledger, log, output });
}
