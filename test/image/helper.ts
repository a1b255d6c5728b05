// SPDX-License-Identifier: GPL-2.0-only
// Machines to be saved, and images of them as bytes.
import { StreamWriter } from '../../src/image/writer.ts';
import { chooseDevices } from '../../src/machine/choose-devices.ts';
import type { LoadedGuest } from '../../src/machine/loaded-guest.ts';
import { loadGuest } from '../../src/machine/loader.ts';
import { Machine } from '../../src/machine/machine.ts';
import { RunLoop } from '../../src/machine/run-loop.ts';
import { allPages, epochState } from '../../src/toolstack/image/epoch.ts';
import { loadImageBytes } from '../../src/toolstack/image/read.ts';
import { restoreMachine } from '../../src/toolstack/image/restore.ts';
import { suspend } from '../../src/toolstack/image/suspend.ts';
import { Snapshot } from '../../src/toolstack/snapshot.ts';
import { BugError } from '../../src/util/errors.ts';

/** A machine with what drives it. */
export interface Rig extends Disposable {
  machine: Machine;
  loop: RunLoop;
  snapshot: Snapshot;
  output: number[];
}

function rigOf(machine: Machine, snapshot: Snapshot, output: number[]): Rig {
  const loop = new RunLoop(machine);
  return { machine, loop, snapshot, output, [Symbol.dispose]: () => machine[Symbol.dispose]() };
}

/** A guest of the package, or one laid out by the test. */
export function rig(guest: string | LoadedGuest, iterations = 0): Rig {
  const loaded = typeof guest === 'string' ? loadGuest(guest, { iterations }) : guest;
  const output: number[] = [];
  const machine = new Machine({
    guest: loaded,
    devices: chooseDevices(loaded, []),
    output: (byte) => output.push(byte),
  });
  return rigOf(machine, new Snapshot(machine), output);
}

/** Runs up to instruction `icount`. @returns why it stopped */
export function runTo(r: Rig, icount: number): string {
  r.loop.deadline = icount;
  return r.loop.run();
}

/** A whole image of the rig where it is. */
export function imageOf(r: Rig, checkpoint = 1): Uint8Array {
  const pieces: Uint8Array[] = [];
  const stop = suspend(r.machine, r.loop, r.snapshot, () => {
    const writer = new StreamWriter((piece) => pieces.push(piece));
    const facts = { revision: 'exact', checkpoint, ledger: null, log: null } as const;
    const state = epochState(r.machine, r.snapshot, facts);
    writer.epoch(allPages(r.machine, r.snapshot.ram), state);
    writer.end();
  });
  if (stop !== null) throw new BugError(`no image: ${stop}`);
  return new Uint8Array(Buffer.concat(pieces));
}

/** A new machine from an image's bytes. */
export function restored(bytes: Uint8Array): Rig {
  const output: number[] = [];
  const { machine, snapshot } = restoreMachine(loadImageBytes(bytes), {
    output: (byte) => output.push(byte),
  });
  return rigOf(machine, snapshot, output);
}
