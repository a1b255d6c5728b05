// SPDX-License-Identifier: GPL-2.0-only
// Builds the PC that a page shows, and runs it until the signal.
import { chooseDevices } from '../machine/choose-devices.ts';
import { type LoadOptions, loadGuest } from '../machine/loader.ts';
import { Machine } from '../machine/machine.ts';
import type { Watch } from '../toolstack/limits.ts';
import { HvmError } from '../util/errors.ts';
import { IoLines } from './io-lines.ts';
import { WebSession } from './session.ts';

export interface ServeOptions {
  guest: string;
  load: LoadOptions;
  /** Of 127.0.0.1; 0: any that is free. */
  port: number;
}

/** @throws HvmError before anything runs, when something asked for cannot be */
export async function serve(
  options: ServeOptions,
  watch: Watch & { ready(address: string): void; output(byte: number): void },
): Promise<void> {
  const guest = loadGuest(options.guest, options.load);
  if (guest.pc === null) {
    throw new HvmError('HVM_USAGE', `serve with ${guest.name}: expected a guest that runs on a PC`);
  }
  const lines = new IoLines();
  using machine = new Machine({
    guest,
    devices: chooseDevices(guest, []),
    output: watch.output,
    trace: lines,
  });
  if (machine.pc === null) return;
  using session = new WebSession(machine, machine.pc, lines, watch);
  watch.ready(await session.server.listen(options.port));
  await session.run();
}
