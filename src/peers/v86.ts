// SPDX-License-Identifier: GPL-2.0-only
// v86 as a peer: native/peers/v86.mjs in a Node of its own.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import type { CountedProgram } from '../toolstack/bench/programs.ts';
import type { PeerSession } from '../toolstack/bench/versus.ts';
import { startLines } from './line-peer.ts';
import { v86Rom } from './rom.ts';

const PROGRAM = fileURLToPath(new URL('../../native/peers/v86.mjs', import.meta.url));
/** Where v86 has devices in memory: in place of the screen's. */
const DEVICE_SEGMENT = 0xa000;

/** @param folder - of the npm package */
export function startV86(folder: string, program: CountedProgram): Promise<PeerSession> {
  const own = mkdtempSync(join(tmpdir(), 'trapline-v86-'));
  const rom = join(own, 'rom.bin');
  writeFileSync(rom, v86Rom(program.codeFor(DEVICE_SEGMENT)));
  const release = (): void => rmSync(own, { recursive: true, force: true });
  return startLines(process.execPath, [PROGRAM, folder, rom], { release });
}
