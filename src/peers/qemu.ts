// SPDX-License-Identifier: GPL-2.0-only
// QEMU with its own translator as a peer: a PC without a BIOS whose guest runs the loop when the serial port says so.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { CountedProgram } from '../toolstack/bench/programs.ts';
import { PeerFailure, type PeerSession, type PeerSlice } from '../toolstack/bench/versus.ts';
import { PeerProcess } from './process.ts';
import { qemuRom } from './rom.ts';

/** Looks at its threads, half a millisecond apart, before we give up waiting for them to sleep. */
const MOST_LOOKS = 20_000;

function threads(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`).map((id) => `/proc/${pid}/task/${id}`);
}

/** CPU time of a process that sleeps: only then has the kernel added everything up. */
async function cpuNsAsleep(pid: number): Promise<number> {
  for (let look = 0; look < MOST_LOOKS; look++) {
    const tasks = threads(pid);
    // "pid (name) state ...": the name may hold anything.
    const asleep = tasks.every((task) => /\) S [^)]*$/.test(readFileSync(`${task}/stat`, 'utf8')));
    if (asleep) return sum(tasks.map((t) => readFileSync(`${t}/schedstat`, 'utf8')));
    await delay(0.5);
  }
  throw new PeerFailure('its threads do not come to rest');
}

function sum(schedstats: readonly string[]): number {
  return schedstats.reduce((ns, text) => ns + Number.parseInt(text, 10), 0);
}

class QemuSession implements PeerSession {
  readonly #process: PeerProcess;

  constructor(process: PeerProcess) {
    this.#process = process;
  }

  async run(rounds: number): Promise<PeerSlice> {
    const { pid } = this.#process;
    try {
      const before = await cpuNsAsleep(pid);
      this.#process.send(Uint8Array.from([0, 8, 16, 24], (bit) => rounds >>> bit));
      await this.ready();
      return { ns: (await cpuNsAsleep(pid)) - before, accesses: null };
    } catch (cause) {
      if (cause instanceof PeerFailure) throw cause;
      // It ended while we looked into /proc.
      throw new PeerFailure((cause as Error).message, { cause });
    }
  }

  /** The guest is about to sleep. */
  async ready(): Promise<void> {
    const said = await this.#process.byte();
    if (said !== 'R') throw new PeerFailure(`its guest said '${said}'; expected 'R'`);
  }

  [Symbol.dispose](): void {
    this.#process[Symbol.dispose]();
  }
}

/**
 * @param command - how QEMU is started, options for it behind
 * @param folder - where its ROM may lie
 * @throws PeerFailure
 */
export async function startQemu(
  [command = '', ...options]: readonly string[],
  folder: string,
  program: CountedProgram,
): Promise<PeerSession> {
  const rom = join(folder, 'qemu.rom');
  writeFileSync(rom, qemuRom(program.codeFor(null)));
  const session = new QemuSession(
    new PeerProcess(command, [
      ...options,
      ...['-accel', 'tcg', '-M', 'isapc', '-m', '2'],
      ...['-nodefaults', '-no-user-config', '-display', 'none'],
      ...['-bios', rom, '-device', 'pc-testdev'],
      ...['-chardev', 'stdio,id=host,signal=off', '-device', 'isa-serial,chardev=host'],
    ]),
  );
  try {
    await session.ready();
    return session;
  } catch (error) {
    session[Symbol.dispose]();
    throw error;
  }
}
