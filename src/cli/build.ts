// SPDX-License-Identifier: GPL-2.0-only
// Which trapline this is: its version, and the files that make it.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { addonPath } from '../cpu/native.ts';
import type { BuildFiles } from '../toolstack/campaign/identity.ts';

export function version(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/** @throws HvmError HVM_ADDON_MISSING */
export function buildFiles(): BuildFiles {
  const program = fileURLToPath(new URL('..', import.meta.url));
  return { version: version(), program, addon: addonPath() };
}
