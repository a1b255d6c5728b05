// SPDX-License-Identifier: GPL-2.0-only
// A peer's process that behaves, and those that do not: each ends, and says why in one line.
import process from 'node:process';
import { expect, it } from 'vitest';
import { startLines } from '../../../src/peers/line-peer.ts';
import { PeerProcess } from '../../../src/peers/process.ts';

const node = (script: string): [string, string[]] => [process.execPath, ['-e', script]];

/** Says it is ready, then `answer` to every line. */
const answering = (answer: string): [string, string[]] =>
  node(`console.log('ready'); process.stdin.on('data', () => { ${answer} });`);

function gone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}

it('a number of rounds there, nanoseconds and accesses back', async () => {
  const session = await startLines(...answering("console.log('120 64')"));
  expect(await session.run(1)).toEqual({ ns: 120, accesses: 64 });
  expect(await session.run(1)).toEqual({ ns: 120, accesses: 64 });
  session[Symbol.dispose]();
});

it.each([
  [
    'dies',
    answering("console.error('first\\nno such device'); process.exit(3)"),
    'it ended (3): no such device',
  ],
  ['is killed', answering("process.kill(process.pid, 'SIGSEGV')"), 'it ended (SIGSEGV)'],
  [
    'says nonsense',
    answering("console.log('fast')"),
    "it said 'fast'; expected nanoseconds and accesses",
  ],
  [
    'talks without end',
    answering("process.stdout.write('x'.repeat(5000))"),
    'it talks without end',
  ],
] as const)(
  'one that %s is a failure',
  { timeout: 120_000 },
  async (_what, [command, args], message) => {
    const session = await startLines(command, args);
    await expect(session.run(1)).rejects.toThrow(message);
    session[Symbol.dispose]();
  },
);

it.each([
  ['cannot be started', ['/nowhere/at/all', []], 'ENOENT'],
  ['throws', node("throw new Error('no such file')"), 'it ended (1): Error: no such file'],
  ['is not ready', node("console.log('hello')"), "it said 'hello'; expected 'ready'"],
  ['ends before it is ready', node('process.exit(0)'), 'it ended (0)'],
] as const)(
  'one that %s is a failure',
  { timeout: 120_000 },
  async (_what, [command, args], message) => {
    await expect(startLines(command, args)).rejects.toThrow(message);
  },
);

it('one that hangs is ended', async () => {
  const peer = new PeerProcess(...node('setInterval(() => {}, 1000)'), 200);
  const { pid } = peer;
  await expect(peer.line()).rejects.toThrow('no answer within 0.2 s');
  await expect.poll(() => gone(pid)).toBe(true);
});
