// SPDX-License-Identifier: GPL-2.0-only
// What the scripts share: running a command, stamps by content hash, a failure with its exit code.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of package.json. */
export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** A failure with one message for the person at the keyboard; exit 5 means: cannot run on this machine as it is. */
export class CannotRun extends Error {
  constructor(message, exit = 5) {
    super(message);
    this.exit = exit;
  }

  /** Runs `body`; its `CannotRun` becomes a message and an exit code, any other error stays one. */
  static orExit(body) {
    try {
      return body();
    } catch (error) {
      if (!(error instanceof CannotRun)) throw error;
      say(error.message);
      process.exit(error.exit);
    }
  }
}

/** Progress and failures go to stderr: stdout belongs to the results. */
export function say(message) {
  process.stderr.write(`set-up: ${message}\n`);
}

/** Whether the module at `url` is the program, not an import. */
export function isMain(url) {
  return process.argv[1] !== undefined && fileURLToPath(url) === process.argv[1];
}

/**
 * Runs a command without input, its output kept back unless it fails.
 * @param what - one line for the person waiting
 * @param options.failure - one line when it fails
 * @param options.exit - exit code of that failure, 5 by default
 */
export function run(what, command, args, { failure, exit = 5, env = {} }) {
  say(`${what} ...`);
  const start = process.hrtime.bigint();
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (status !== 0) {
    process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`);
    throw new CannotRun(error === undefined ? failure : `${failure} (${error.message})`, exit);
  }
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  say(`${what}: done in ${seconds.toFixed(1)} s`);
}

function filesUnder(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .sort()
    .flatMap((name) => filesUnder(join(path, name)));
}

/**
 * A hash over the content of files and folders of the repository and over `facts`.
 * @throws {CannotRun} when one of them is missing: the clone is incomplete
 */
export function hashOf(paths, facts) {
  const hash = createHash('sha256').update(JSON.stringify(facts));
  for (const path of paths) {
    const absolute = resolve(ROOT, path);
    if (!existsSync(absolute)) throw new CannotRun(`${path} is missing: the clone is incomplete`);
    for (const file of filesUnder(absolute)) {
      hash.update(`\0${relative(ROOT, file)}\0`).update(readFileSync(file));
    }
  }
  return hash.digest('hex');
}

/** The identity a build left behind, or null. */
export function readStamp(file) {
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : null;
}

/** Says what the build beside it was made from. Written last, so that a broken build leaves none. */
export function writeStamp(file, identity) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${identity}\n`);
}
