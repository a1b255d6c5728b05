// SPDX-License-Identifier: GPL-2.0-only
// States of a device: carried over to another one, compared, refused when they are none.
import type { DeviceState } from '../dm/device.ts';
import { type HvmError, isHvmError } from '../util/errors.ts';
import { type Run, Wrong } from './run.ts';

export function refuses(run: Run, bad: unknown): void {
  try {
    run.device.restore(bad as DeviceState);
  } catch (error) {
    if (isHvmError(error) && (error as HvmError).code === 'HVM_DEVICE_STATE') return;
    throw new Wrong(`restore(${JSON.stringify(bad)}) throws ${String(error)}`);
  }
  throw new Wrong(`restore(${JSON.stringify(bad)}) is not refused`);
}

/** What is no state of its device. */
export function* foreignStates(own: DeviceState): Generator<unknown> {
  yield null;
  yield { ...own, 'no-such-field': 1 };
  for (const [field, value] of Object.entries(own)) {
    const { [field]: _gone, ...rest } = own;
    yield rest;
    const others = [null, Number.NaN, {}, typeof value === 'string' ? 1 : 'text'];
    if (typeof value === 'number') others.push(0.5, true);
    if (Array.isArray(value)) others.push(1, ['text'], [0.5]);
    for (const other of others) yield { ...own, [field]: other };
  }
}

/** A new device takes over what the old one was. */
export function move(run: Run, state: DeviceState = throughJson(run.save())): void {
  const { high } = run.world;
  run.world.lines = new Set();
  run.device = run.create();
  run.world.events = [];
  restoreQuietly(run, state, high);
}

export function restoreQuietly(run: Run, state: DeviceState, high: string): void {
  run.silently('restore()', () => run.restore(state));
  const now = run.world.high;
  if (now !== high) {
    throw new Wrong(`after the restore it drives '${now}', when saved it drove '${high}'`);
  }
  const saved = JSON.stringify(state);
  const again = run.inside().state;
  if (saved !== again) throw new Wrong(`restored from ${saved} it saves ${again}`);
}

export function sameInside(expected: Run, got: Run, than: string): void {
  const [want, have] = [expected.inside(), got.inside()];
  for (const what of ['state', 'witness'] as const) {
    if (want[what] !== have[what]) {
      throw new Wrong(`reset() leaves ${what} ${have[what]}, ${than} ${want[what]}`);
    }
  }
}

/** There and back: a state must survive being written to a file. */
export function throughJson(state: DeviceState): DeviceState {
  return JSON.parse(JSON.stringify(state)) as DeviceState;
}

/** The caller goes on using what he gave. */
export function scribble(state: DeviceState): void {
  for (const [field, value] of Object.entries(state)) {
    if (Array.isArray(value)) value.push(0x77);
    else if (typeof value === 'number') state[field] = value + 1;
  }
}
