// SPDX-License-Identifier: GPL-2.0-only
// v86 as a peer: native/peers/v86.mjs in a Node of its own.
import { writeFileSync } from 'node:fs';
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

/**
 * @param v86 - the folder of the npm package
 * @param folder - where its ROM may lie
 * @throws PeerFailure
 */
export function startV86(
  v86: string,
  folder: string,
  program: CountedProgram,
): Promise<PeerSession> {
  const rom = join(folder, 'v86.rom');
  writeFileSync(rom, v86Rom(program.codeFor(DEVICE_SEGMENT)));
  return startLines(process.execPath, [PROGRAM, v86, rom]);
}
