// SPDX-License-Identifier: GPL-2.0-only
// Builds the addon with one fault in it, from the objects and with the flags of the real build, and runs a part of
// `trapline exactness` on it in a process of its own.
import { type ExecFileException, execFile } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExactnessDocument } from '../../src/cli/check-schemas.ts';

/** One fault: in `file` of native/, the text `find`, which occurs exactly once, becomes `replace`. */
export interface Mutant {
  readonly name: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** A part of the matrix, as `trapline exactness --filter` takes it: enough to meet the fault. */
  readonly cells: string;
  /** At every stop of them: the fault is met at few. */
  readonly full?: boolean;
  /** Only this stop of them, as `--stop` takes it. */
  readonly stop?: string;
}

/** Which part of the matrix, and how much of it. */
export type Trial = Pick<Mutant, 'cells' | 'full' | 'stop'>;

/** How a run of a part of the matrix ended. */
export interface Ended {
  readonly exit: number | null;
  readonly signal: string | null;
  readonly document: ExactnessDocument | null;
  readonly stderr: string;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PRELOAD = new URL('children/use-addon.mjs', import.meta.url).href;
const RUN_LIMIT_MS = 600_000;

/** The source with the fault in it. @throws Error when the text is not there exactly once */
export function mutated(source: string, { name, file, find, replace }: Mutant): string {
  const count = source.split(find).length - 1;
  if (count !== 1) {
    throw new Error(
      `'${name}': the text to change occurs ${count} times in native/${file}, expected once: ${find}`,
    );
  }
  return source.replace(find, () => replace);
}

function execute(
  command: string,
  args: readonly string[],
  options: { cwd: string; env?: NodeJS.ProcessEnv },
): Promise<{ error: ExecFileException | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const all = {
      ...options,
      timeout: RUN_LIMIT_MS,
      killSignal: 'SIGKILL',
      maxBuffer: 1 << 26,
    } as const;
    execFile(command, [...args], all, (error, stdout, stderr) =>
      resolve({ error, stdout, stderr }),
    );
  });
}

/** A folder with a package of its own for each mutant. */
export class Workshop {
  readonly #folder = mkdtempSync(join(tmpdir(), 'trapline-mutants-'));
  #made = 0;

  /** @returns the path of an addon; null: no fault, but compiled and linked again all the same */
  async build(mutant: Mutant | null): Promise<string> {
    const root = join(this.#folder, String(this.#made++));
    mkdirSync(root);
    const keep = { recursive: true, preserveTimestamps: true };
    cpSync(join(ROOT, 'native'), join(root, 'native'), keep);
    cpSync(join(ROOT, 'build'), join(root, 'build'), {
      ...keep,
      filter: (path) => path !== join(ROOT, 'build', 'tools'),
    });
    symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
    const addon = join(root, 'build', 'Release', 'trapline.node');
    rmSync(addon);
    const source = join(root, 'native', mutant?.file ?? 'vcpu.cc');
    const text = readFileSync(source, 'utf8');
    writeFileSync(source, mutant === null ? text : mutated(text, mutant));
    // The Makefile itself is as `npm run build` left it, and must not be made again from here.
    const { error, stdout, stderr } = await execute(
      'make',
      ['-o', 'Makefile', '-C', 'build', 'BUILDTYPE=Release'],
      { cwd: root },
    );
    if (error !== null) throw new Error(`'${mutant?.name}' does not build: ${stderr}`);
    if (!stdout.includes('CXX(target)')) throw new Error(`nothing was compiled: ${stdout}`);
    return addon;
  }

  /** Runs one part of the matrix. */
  async run(addon: string, { cells, full = false, stop }: Trial): Promise<Ended> {
    const args = [
      '--import',
      PRELOAD,
      'dist/cli/main.js',
      'exactness',
      '--json',
      ...(full ? ['--full'] : []),
      ...(stop === undefined ? [] : ['--stop', stop]),
      '--filter',
      cells,
    ];
    const env = { ...process.env, TRAPLINE_TEST_ADDON: addon };
    const { error, stdout, stderr } = await execute(process.execPath, args, { cwd: ROOT, env });
    const exit = error === null ? 0 : typeof error.code === 'number' ? error.code : null;
    const document = stdout.startsWith('{') ? (JSON.parse(stdout) as ExactnessDocument) : null;
    return { exit, signal: error?.signal ?? null, document, stderr };
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
