// SPDX-License-Identifier: GPL-2.0-only
// Assembles every guest with NASM. --check: compares with the committed binaries instead of writing.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const GUESTS = join(ROOT, 'guests');

/** Every program there is to assemble: the guests' and the DOS stub. Paths relative to guests/. */
export function sources() {
  const guests = readdirSync(GUESTS, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(GUESTS, entry.name, 'main.asm')))
    .map(({ name }) => ({ name, source: `${name}/main.asm`, binary: `${name}/${name}.bin` }));
  return [...guests, { name: 'dos', source: 'include/dos.asm', binary: 'include/dos.bin' }];
}

/** Whether NASM is there to run. */
export function hasNasm() {
  return spawnSync('nasm', ['-v']).status === 0;
}

/** Assembles one of `sources()`. Throws with NASM's own message when it does not assemble. */
export function assemble(program) {
  const scratch = mkdtempSync(join(tmpdir(), 'trapline-asm-'));
  try {
    const output = join(scratch, 'out.bin');
    const result = spawnSync(
      'nasm',
      ['-f', 'bin', '-w+all', '-Werror', '-I', 'include/', '-o', output, program.source],
      { cwd: GUESTS, encoding: 'utf8' },
    );
    if (result.error !== undefined) throw result.error;
    if (result.status !== 0) throw new Error(result.stderr.trim());
    return readFileSync(output);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function main() {
  const check = process.argv.includes('--check');
  if (!hasNasm()) {
    process.stderr.write('nasm is missing: sudo apt-get install -y nasm\n');
    return 5;
  }
  let different = 0;
  for (const program of sources()) {
    const bytes = assemble(program);
    const path = join(GUESTS, program.binary);
    const same = existsSync(path) && readFileSync(path).equals(bytes);
    if (same) continue;
    different++;
    if (!check) writeFileSync(path, bytes);
    process.stdout.write(
      `${check ? 'differs' : 'built'}: guests/${program.binary} (${bytes.length} bytes)\n`,
    );
  }
  if (different === 0) process.stdout.write('guests: all binaries are up to date\n');
  return check && different > 0 ? 1 : 0;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    process.exitCode = main();
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
