// SPDX-License-Identifier: GPL-2.0-only
// What a device is: registers behind a range, state with named fields, and what it may ask of the world.
import { HvmError } from '../util/errors.ts';
import type { OffsetRange, PublishedRegister } from './published.ts';

/** Bytes of one access. */
export type IoSize = 1 | 2 | 4 | 8;

/** The high 32 bits of an 8-byte answer: owned by the caller, reused for every access. */
export interface HighWord {
  /** Unsigned. The caller sets it to 0 before each read. */
  hi: number;
}

/** Plain, named fields: what `save()` gives is JSON, and `restore()` takes it back. */
export interface DeviceState {
  [field: string]: number | boolean | string | number[];
}

/** What a device can testify about what happened to it: plain JSON, named counts. */
export interface DeviceWitness {
  readonly [fact: string]: number | boolean | string;
}

/** Something whose state can be frozen, written down and put back. */
export interface Suspendable {
  /** From here to `wake()` nothing changes: no access is served, no input is taken. Idempotent. */
  sleep(): void;
  /** Idempotent. */
  wake(): void;
  save(): DeviceState;
  /** @throws HvmError HVM_DEVICE_STATE when `state` is not what this device saves */
  restore(state: DeviceState): void;
}

/** A device behind one range of one ioreq server. Nothing a guest does may make it throw. */
export interface Device extends Suspendable {
  readonly name: string;
  /**
   * @param offset - bytes from the start of the range; the whole access lies inside the range
   * @param size - bytes
   * @param high - set `high.hi` for an 8-byte answer above 2^32; may be ignored otherwise
   * @returns the low 32 bits; the caller cuts them to `size`
   */
  read(offset: number, size: IoSize, high: HighWord): number;
  /**
   * @param value - low 32 bits, unsigned, already cut to `size`
   * @param valueHigh - high 32 bits, unsigned, 0 unless `size` is 8
   */
  write(offset: number, size: IoSize, value: number, valueHigh: number): void;
  /**
   * As many reads of one offset, one after the other, as fit `into`, little endian: a REP INS. Absent: `read()` is
   * called for each.
   * @param size - 1, 2 or 4; `into` is whole elements of guest memory
   */
  readMany?(offset: number, size: IoSize, into: Uint8Array): void;
  /** The same for a REP OUTS: the elements of `from` written to one offset. */
  writeMany?(offset: number, size: IoSize, from: Uint8Array): void;
  /**
   * Where a write may reach the device later than it is made: in order, before anything else happens to a device of the
   * machine, and with `nowNs()` as it was. Such a write drives no interrupt line, ends no guest and stops no machine.
   * The same for as long as the device lives. Absent: nowhere.
   */
  readonly posted?: readonly OffsetRange[];
  /** Registers that may be read without the device being asked. The same ones for as long as it lives. */
  readonly published?: readonly PublishedRegister[];
  /** To the state after power-on. What was counted is forgotten as well. */
  reset(): void;
  witness(): DeviceWitness;
  /** Called by the machine when `context.input` may have bytes. */
  inputArrived?(): void;
}

/** What a guest says about itself when it ends. The words and their order are fixed: 0, 1, 2, 3. */
export type Verdict = 'success' | 'skip' | 'error' | 'failure';

/** In the order of their numbers on the verdict port. */
export const VERDICTS: readonly Verdict[] = ['success', 'skip', 'error', 'failure'];

/** `InputSource.take()`: nothing there at the moment. */
export const NO_INPUT = -1;

/** Bytes from outside. The end of a terminal's input arrives as the byte 4 (^D). */
export interface InputSource {
  /** The next byte, 0 to 255, or `NO_INPUT`. Never blocks. */
  take(): number;
}

/** All a device may ask for. Injected, so that a device runs the same in a test and in a machine. */
export interface DeviceContext {
  /** One byte to the terminal or wherever the machine's output goes. */
  readonly output: (byte: number) => void;
  readonly input: InputSource;
  /** Drives the interrupt line `line` high. Idempotent. */
  readonly raiseIrq: (line: number) => void;
  /** Drives it low. Idempotent. */
  readonly lowerIrq: (line: number) => void;
  /** The guest has given its verdict: the machine stops at the next instruction boundary. */
  readonly endGuest: (verdict: Verdict) => void;
  /** Nanoseconds of the machine's own time, never running backwards. */
  readonly nowNs: () => number;
}

/** A context that swallows output, has no input and whose clock stands still. */
export function silentContext(parts: Partial<DeviceContext> = {}): DeviceContext {
  return {
    output: () => {},
    input: { take: () => NO_INPUT },
    raiseIrq: () => {},
    lowerIrq: () => {},
    endGuest: () => {},
    nowNs: () => 0,
    ...parts,
  };
}

/**
 * The usual way to write a device: registers as named fields of `state`, `read()` and `write()`.
 * Saving, restoring, resetting and sleeping follow from the fields.
 */
export abstract class RegisterDevice<S extends { [F in keyof S]: DeviceState[string] }>
  implements Device
{
  readonly name: string;
  /** Every register and count of the device; its initial value is the state after power-on. */
  protected state: S;
  /** True between `sleep()` and `wake()`. */
  protected asleep = false;
  readonly #initial: S;
  readonly #fields: readonly string[];

  /**
   * @param name - as registered
   * @param initial - state after power-on; also says which fields there are and their types
   */
  constructor(name: string, initial: S) {
    this.name = name;
    this.#initial = copyOf(initial);
    this.#fields = Object.keys(initial);
    this.state = copyOf(initial);
  }

  abstract read(offset: number, size: IoSize, high: HighWord): number;
  abstract write(offset: number, size: IoSize, value: number, valueHigh: number): void;

  reset(): void {
    this.state = copyOf(this.#initial);
  }

  sleep(): void {
    this.asleep = true;
  }

  wake(): void {
    this.asleep = false;
  }

  save(): DeviceState {
    return copyOf(this.state) as DeviceState;
  }

  restore(saved: DeviceState): void {
    this.state = checkedState(this.name, this.#initial, this.#fields, saved);
  }

  /** Nothing to testify unless a device says otherwise. */
  witness(): DeviceWitness {
    return {};
  }
}

/** A deep copy. Registers are mostly plain fields, and machines are put back ten thousand times a second. */
function copyOf<S extends object>(state: S): S {
  for (const value of Object.values(state)) {
    if (typeof value === 'object') return structuredClone(state);
  }
  return { ...state };
}

/** A deep copy of `saved` if it has exactly the fields of `like`, each of the same type. */
function checkedState<S extends object>(
  name: string,
  like: S,
  fields: readonly string[],
  saved: DeviceState,
): S {
  const refuse = (what: string): never => {
    throw new HvmError('HVM_DEVICE_STATE', `state for device '${name}': ${what}`);
  };
  if (typeof saved !== 'object' || saved === null) refuse('not an object');
  for (const field of Object.keys(saved)) {
    if (!Object.hasOwn(like, field)) refuse(`unknown field '${field}'`);
  }
  for (const field of fields) {
    if (!Object.hasOwn(saved, field)) refuse(`field '${field}' is missing`);
    const value = like[field as keyof S];
    const given = saved[field];
    if (!fits(value, given)) {
      refuse(`field '${field}' is ${describe(given)}, expected ${describe(value)}`);
    }
  }
  return copyOf(saved) as unknown as S;
}

function fits(like: unknown, given: unknown): boolean {
  if (typeof like === 'number') return Number.isSafeInteger(given);
  if (!Array.isArray(like)) return typeof given === typeof like;
  return Array.isArray(given) && given.every((item) => Number.isSafeInteger(item));
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return 'a list of whole numbers';
  if (typeof value === 'number')
    return Number.isSafeInteger(value) ? 'a whole number' : 'not whole';
  return `a ${typeof value}`;
}
