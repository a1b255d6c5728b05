// SPDX-License-Identifier: GPL-2.0-only
// A lock on an open file that the kernel takes back when its process dies, however it dies.
import { spawnSync } from 'node:child_process';
import { HvmError } from '../../util/errors.ts';

/** Where flock(1) finds the file among its own descriptors. */
const FD = 3;

/**
 * Locks for as long as `fd` is open. Node has no flock(2); the lock that flock(1) takes belongs to the open file,
 * which this process shares with it, so it outlives that program.
 * @returns false: another process holds it
 * @throws HvmError HVM_OUTPUT where files cannot be locked
 */
export function lockFile(fd: number, path: string): boolean {
  const { error, status, stderr } = spawnSync('flock', ['-x', '-n', String(FD)], {
    stdio: ['ignore', 'ignore', 'pipe', fd],
    encoding: 'utf8',
  });
  if (status === 0) return true;
  if (status === 1) return false;
  const missing = (error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
  const why = missing
    ? 'expected the program flock (Debian package util-linux) on PATH'
    : (error?.message ?? stderr.trim());
  throw new HvmError('HVM_OUTPUT', `cannot lock '${path}': ${why}`, { details: { path } });
}
