// SPDX-License-Identifier: GPL-2.0-only
// The only loader of the addon.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HvmError } from '../util/errors.ts';

/** Class Vcpu of native/addon.cc. Methods as in native/vcpu.h. */
export interface NativeVcpu {
  /** Leaves the exit reason in the run page. A function of this CPU alone: it needs no `this`. */
  readonly run: () => void;
  /** Fills the instruction count of the run page; otherwise like `run`. */
  readonly count: () => void;
  sync(): void;
  describe(): void;
  load(): void;
  rollback(): void;
  reset(): void;
  setA20(on: boolean): void;
  setDevice(gpa: number, bytes: number, device: boolean): void;
  invalidate(offset: number, bytes: number): void;
  rearmDirty(): void;
  translate(linear: number): number;
  save(): Uint8Array;
  restore(state: Uint8Array): void;
  extended(): Uint8Array;
  /** See native/posted_page.h. @throws unless the page and each ring are whole */
  usePosted(page: Uint8Array, rings: readonly Uint8Array[]): void;
  /** A slot of an ioreq page for PAGE_AGAIN_SLOT. @returns its number; 0: there are too many. @throws unless 32 bytes */
  useSlot(slot: Uint8Array): number;
  dispose(): void;
  readonly kickId: number;
  /** What `NativeAddon.run` takes; -1: this CPU has to be run by its own `run`. */
  readonly runId: number;
}

/** Exports of the addon. */
export interface NativeAddon {
  Vcpu: new (
    ram: Uint8Array,
    page: Uint8Array,
    marks: Uint8Array,
    segments: Float64Array,
  ) => NativeVcpu;
  kick(id: number): boolean;
  /**
   * `NativeVcpu.run` of the CPU with this `runId`, called by optimised code without a detour; null where the engine is
   * not one that the addon knows. Nothing happens for a CPU that was disposed.
   * @param how - HOW_ANSWERED: the pending access is answered with the signed 32 bits `data`; HOW_AGAIN: the same, of
   * one with WHAT_SENT; HOW_AS_PAGE: as the run page has it
   * @returns PAGE_WHAT, signed; WHAT_DISTURBED
   */
  readonly run: ((runId: number, how: number, data: number) => number) | null;
  /** Null when the linked emulator library is the one this addon was written for, else one sentence. */
  selfTest(): string | null;
  /** Version of the emulator library. */
  library(): string;
}

let loaded: NativeAddon | undefined;

interface Finder {
  (folder: string): NativeAddon;
  resolve(folder: string): string;
}

/** @throws HvmError HVM_ADDON_MISSING */
function find<T>(use: (finder: Finder, root: string) => T): T {
  // src/cpu or dist/cpu: the package root is two levels up.
  const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
  const require = createRequire(import.meta.url);
  try {
    return use(require('node-gyp-build') as Finder, root);
  } catch (cause) {
    throw new HvmError(
      'HVM_ADDON_MISSING',
      'the native CPU is not built for this platform: run "npm run build" in the package folder',
      { cause },
    );
  }
}

/**
 * The file that `loadAddon()` loads: what a build is told apart by.
 * @throws HvmError HVM_ADDON_MISSING when it is not built
 */
export function addonPath(): string {
  return find((finder, root) => finder.resolve(root));
}

/**
 * Loads the addon once, and refuses it unless its self-test passes.
 * @throws HvmError HVM_ADDON_MISSING when it is not built, HVM_ADDON_SELFTEST when it must not be used
 */
export function loadAddon(): NativeAddon {
  if (loaded !== undefined) return loaded;
  const addon = find((finder, root) => finder(root));
  const problem = addon.selfTest();
  if (problem !== null) {
    throw new HvmError(
      'HVM_ADDON_SELFTEST',
      `the native CPU refuses emulator library ${addon.library()}: ${problem}`,
    );
  }
  loaded = addon;
  return addon;
}

/** Makes the CPU with this `kickId` leave its guest, from any thread of the process. False if it is gone. */
export function kickCpu(kickId: number): boolean {
  return loadAddon().kick(kickId);
}
