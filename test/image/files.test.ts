// SPDX-License-Identifier: GPL-2.0-only
// Image files against the disk: a crash at any moment, a full disk, a folder without permission. Needs dist/.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Checkpointer } from '../../src/toolstack/image/checkpointer.ts';
import { loadImageBytes } from '../../src/toolstack/image/read.ts';
import { suspend } from '../../src/toolstack/image/suspend.ts';
import { Random } from '../../src/util/random.ts';
import { fingerprint } from './damage.ts';
import { imageOf, type Rig, restored, rig, runTo } from './helper.ts';
import { inode, main, runAndKill } from './kill.ts';

let folder = '';
let image = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'trapline-files-'));
  image = join(folder, 'image');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function commit(r: Rig, file: Checkpointer, n: number): void {
  const stop = suspend(r.machine, r.loop, r.snapshot, () => {
    const facts = { revision: 'exact', checkpoint: n, ledger: null, log: null } as const;
    file.commit(r.machine, r.snapshot, facts);
  });
  expect(stop).toBeNull();
}

it.each([
  ['counter', 700],
  // Its page of device memory becomes RAM between the first checkpoint and the second.
  ['ballooned', 3],
])(
  'an increment of %s restores to what a whole image of the same moment does',
  { timeout: 120_000 },
  (guest, every) => {
    using file = new Checkpointer(image, false);
    using r = rig(guest);
    for (let n = 1; n <= 40; n++) {
      runTo(r, every * n);
      commit(r, file, n);
      const fromFile = loadImageBytes(new Uint8Array(readFileSync(image)));
      expect(fromFile).toMatchObject({ epochs: n, dropped: null });
      expect(fingerprint(fromFile)).toBe(fingerprint(loadImageBytes(imageOf(r, n))));
    }
    expect(file).toMatchObject({ commits: 40, whole: 1 });
    expect(file.lastIncrement).toBeLessThan(80_000);
  },
);

it('is written anew when it has become long', () => {
  using file = new Checkpointer(image, false);
  using r = rig('hello');
  runTo(r, 20);
  for (let n = 1; file.whole < 2; n++) {
    // All of memory is dirty.
    r.machine.ram.writeBytes(0x20000, new Uint8Array(0xd0000));
    commit(r, file, n);
    expect(n).toBeLessThan(40);
  }
  expect(loadImageBytes(new Uint8Array(readFileSync(image))).epochs).toBe(1);
});

it('kill -9 at any moment leaves the last whole checkpoint', { timeout: 120_000 }, async () => {
  rmSync(image, { force: true });
  const random = new Random(4);
  const under = ['--image', image, '--checkpoint-every', '2000', '--no-fsync'];
  let last = 0;
  for (let round = 0; round < 12; round++) {
    const command = existsSync(image)
      ? ['restore', image, ...under]
      : ['run', 'counter', '--iterations', '0', ...under];
    // Every second one may be killed before it has saved anything; the others after.
    const before = round % 2 === 0 ? inode(image) : -1;
    await runAndKill(
      command,
      () => inode(image) !== before,
      random.below(round % 2 === 0 ? 200 : 500),
    );
    if (!existsSync(image)) continue;
    const bytes = new Uint8Array(readFileSync(image));
    const { state } = loadImageBytes(bytes);
    expect(state.checkpoint).toBeGreaterThanOrEqual(last);
    last = state.checkpoint;
    // The same as a guest that nobody ever stopped.
    using straight = rig('counter');
    runTo(straight, state.vcpus[0].icount);
    using copy = restored(bytes);
    expect(Buffer.compare(imageOf(copy), imageOf(straight))).toBe(0);
  }
  expect(last).toBeGreaterThan(10);
});

describe('a disk that refuses', () => {
  function trapline(command: string, args: readonly string[], ids: { uid?: number } = {}) {
    const { status, stderr } = spawnSync(
      'bash',
      ['-c', `${command} exec "$@"`, 'bash', process.execPath, main, ...args],
      {
        encoding: 'utf8',
        ...ids,
      },
    );
    return { status, stderr };
  }

  it('full: one clear error, and the checkpoint before is intact', () => {
    rmSync(image, { force: true });
    const args = [
      'run',
      'counter',
      '--iterations',
      '0',
      '--image',
      image,
      '--checkpoint-every',
      '2000',
    ];
    // 1,200 KiB: the whole image fits, and some increments.
    const { status, stderr } = trapline("trap '' XFSZ; ulimit -f 1200;", args);
    expect(stderr).toBe(
      `trapline: cannot write image '${image}': the file would be larger than allowed [HVM_OUTPUT]\n`,
    );
    expect(status).toBe(2);
    const kept = loadImageBytes(new Uint8Array(readFileSync(image)));
    expect(kept.dropped).toBeNull();
    expect(kept.state.checkpoint).toBeGreaterThan(1);
    using straight = rig('counter');
    runTo(straight, kept.state.vcpus[0].icount);
    expect(kept.cpu).toEqual(loadImageBytes(imageOf(straight)).cpu);
  });

  it('a file system that is full: the error says so, and what was committed is restorable', {
    timeout: 120_000,
  }, () => {
    const [disk, kept] = [join(folder, 'disk'), join(folder, 'kept')];
    mkdirSync(disk);
    // In a mount namespace of its own, in which its root may mount; where that is forbidden a limit stands for the disk.
    const mount = `mount -t tmpfs -o size=1600k none '${disk}'`;
    const mine = spawnSync('unshare', ['-rm', 'bash', '-c', mount]).status === 0;
    const small = mine ? mount : "trap '' XFSZ; ulimit -S -f 1200";
    const args = '--iterations 0 --image image --checkpoint-every 2000 --ledger ledger';
    const line = `${small}; cd '${disk}'; "$@" run counter ${args}; code=$?; ulimit -S -f unlimited; cp image '${kept}'; exit $code`;
    const words = ['bash', '-c', line, 'bash', process.execPath, main];
    const [program = '', ...rest] = mine ? ['unshare', '-rm', ...words] : words;
    const { status, stderr } = spawnSync(program, rest, { encoding: 'utf8' });
    // Whichever of the two files came first.
    expect(stderr).toMatch(/^trapline: cannot write (image 'image'|ledger 'ledger.partial'): /);
    expect(stderr).toMatch(mine ? /disk is full|ENOSPC/ : /than allowed|EFBIG/);
    expect(status).toBe(2);
    const { dropped, state } = loadImageBytes(new Uint8Array(readFileSync(kept)));
    expect(dropped).toBeNull();
    expect(state.checkpoint).toBeGreaterThan(1);
    expect(state.vcpus[0].ledger?.totals.retired).toBeGreaterThan(100);
  });

  it('full from the start: nothing is left behind, the file before is as it was', {
    timeout: 120_000,
  }, () => {
    const before = readFileSync(image);
    // A process killed by an earlier test can have left a file of its own.
    const files = readdirSync(folder);
    const args = ['save', 'counter', '--after', '1000', '--output', image];
    const { status, stderr } = trapline("trap '' XFSZ; ulimit -f 500;", args);
    expect(status).toBe(2);
    expect(stderr).toContain('the file would be larger than allowed [HVM_OUTPUT]');
    expect(Buffer.compare(readFileSync(image), before)).toBe(0);
    expect(readdirSync(folder)).toEqual(files);
  });

  it('without permission: one clear error', () => {
    const before = readFileSync(image);
    chmodSync(folder, 0o555);
    try {
      // Permissions do not bind the superuser.
      const ids = process.getuid?.() === 0 ? { uid: 65534 } : {};
      const args = ['save', 'counter', '--after', '1000', '--output', image];
      const { status, stderr } = trapline('', args, ids);
      expect(stderr).toBe(
        `trapline: cannot write image '${image}': permission denied [HVM_OUTPUT]\n`,
      );
      expect(status).toBe(2);
    } finally {
      chmodSync(folder, 0o755);
    }
    expect(Buffer.compare(readFileSync(image), before)).toBe(0);
  });

  // What it is given, and what each of them says of it.
  it.each([
    ['a file', 'file', /not a directory/, null],
    ['a FIFO', 'fifo', /not a directory/, /it is not a regular file/],
    ['a folder', '.', null, /it is not a regular file/],
    ['a folder that is not there', 'none/image', /no such file/, /no such folder/],
    ['a folder of the kernel', '/proc/image', /no such file/, /no such folder/],
  ])('no place for images: %s', (_, name, chain, file) => {
    const place = mkdtempSync(join(folder, 'place-'));
    writeFileSync(join(place, 'file'), 'mine');
    spawnSync('mkfifo', [join(place, 'fifo')]);
    const path = name.startsWith('/') ? name : join(place, name);
    const ways: [RegExp | null, string[]][] = [
      [chain, ['stress', 'counter', '--restore', 'fresh', '--checkpoints', '1', '--image', path]],
      [file, ['run', 'counter', '--checkpoint-every', '10000', '--image', path]],
      [file, ['save', 'counter', '--after', '100', '--output', path]],
    ];
    for (const [why, args] of ways) {
      if (why === null) continue;
      const { status, stderr } = trapline('', args);
      expect(stderr).toMatch(why);
      expect(stderr).toMatch(/^trapline: [^\n]* \[HVM_OUTPUT\]\n$/);
      expect(status).toBe(2);
    }
    expect(readFileSync(join(place, 'file'), 'utf8')).toBe('mine');
    expect(readdirSync(place).sort()).toEqual(['fifo', 'file']);
  });

  it('a FIFO is not waited for', () => {
    const fifo = join(folder, 'fifo');
    spawnSync('mkfifo', [fifo]);
    for (const command of ['restore', 'verify', 'inspect']) {
      const { status, stderr } = trapline('', [command, fifo]);
      expect(stderr).toContain('it is a FIFO, expected a file or - for standard input');
      expect(status).toBe(2);
    }
  });
});
