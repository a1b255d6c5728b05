// SPDX-License-Identifier: GPL-2.0-only
// The package as `npm pack` makes it, once per test file, and unpacked.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Of scripts/bare-root.mjs. */
interface BareRoot {
  pack(folder?: string): string;
  makeRoot(root: string): void;
  tryPackage(root: string, tarball: string): Tried;
}

/** What the package did in a bare root. */
interface Tried {
  status: number | null;
  stdout: string;
  stderr: string;
  /** Processor time, in seconds. */
  cpuS: number;
}

export const bareRoot = (await import(
  new URL('../../scripts/bare-root.mjs', import.meta.url).href
)) as BareRoot;

/** A folder in which the package is installed as npm would: its dependencies are inside it. */
export class Consumer implements Disposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'trapline-consumer-'));
  /** Where the package lies. */
  readonly package: string = join(this.folder, 'node_modules', 'trapline');

  constructor() {
    mkdirSync(this.package, { recursive: true });
    const args = [
      '-xzf',
      bareRoot.pack(join(this.folder, 'packed')),
      '--strip-components=1',
      '-C',
      this.package,
    ];
    const { status, stderr } = spawnSync('tar', args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
