// SPDX-License-Identifier: GPL-2.0-only
// A peer that is a program of native/peers/, or ours: a line for a line.
import { PeerFailure, type PeerSession, type PeerSlice } from '../toolstack/bench/versus.ts';
import { PeerProcess } from './process.ts';

/** A number of rounds there, nanoseconds and accesses back. */
class LineSession implements PeerSession {
  readonly #process: PeerProcess;

  constructor(process: PeerProcess) {
    this.#process = process;
  }

  async run(rounds: number): Promise<PeerSlice> {
    this.#process.send(`${rounds}\n`);
    const answer = await this.#process.line();
    const [, ns, accesses] = /^(\d+) (\d+)$/.exec(answer) ?? [];
    if (ns === undefined || accesses === undefined) {
      throw new PeerFailure(`it said '${answer}'; expected nanoseconds and accesses`);
    }
    return { ns: Number(ns), accesses: Number(accesses) };
  }

  [Symbol.dispose](): void {
    this.#process[Symbol.dispose]();
  }
}

/** Starts a program that speaks the protocol of native/peers/peer.h. @throws PeerFailure */
export async function startLines(command: string, args: readonly string[]): Promise<PeerSession> {
  const session = new PeerProcess(command, args);
  try {
    const first = await session.line();
    if (first !== 'ready') throw new PeerFailure(`it said '${first}'; expected 'ready'`);
    return new LineSession(session);
  } catch (error) {
    session[Symbol.dispose]();
    throw error;
  }
}
