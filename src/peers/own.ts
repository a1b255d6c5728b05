// SPDX-License-Identifier: GPL-2.0-only
// Our own part of the comparison, in a process of its own as every peer is: one loop on a machine with a device model
// behind an ioreq server in the same thread. Protocol of native/peers/peer.h.
import { MachineSubject } from '../toolstack/bench/subject.ts';
import { VERSUS_LOOPS } from '../toolstack/bench/versus.ts';
import { processClock } from '../util/clock.ts';

/** Runs the loop `name`, and calls `say` for each line of `lines`. */
export async function serveOwn(
  name: string,
  lines: AsyncIterable<string>,
  say: (line: string) => void,
): Promise<void> {
  const [, program] = VERSUS_LOOPS.find(([loop]) => loop === name) ?? [];
  if (program === undefined) throw new RangeError(`no loop '${name}'`);
  using subject = new MachineSubject(program, 'server');
  const witnesses = subject.machine.counts();
  const accesses = (): number => witnesses.reduce((sum, w) => sum + w.reads + w.writes, 0);
  say('ready');
  for await (const line of lines) {
    const units = Number(line) * program.roundUnits;
    const before = accesses();
    const start = processClock.nowMs();
    const done = subject.run(units);
    const ns = (processClock.nowMs() - start) * 1e6;
    // A batch may go beyond the end: as if it had not.
    const share = units / done;
    say(`${Math.round(ns * share)} ${Math.round((accesses() - before) * share)}`);
  }
}
