// SPDX-License-Identifier: GPL-2.0-only
// Images are of guests on the real emulator: a scripted CPU has no registers to save.
import { UnicornCpu } from '../../cpu/unicorn.ts';
import type { Machine } from '../../machine/machine.ts';
import { BugError } from '../../util/errors.ts';

/** @throws BugError for a machine on a scripted CPU */
export function nativeCpu({ cpu }: Machine): UnicornCpu {
  if (cpu instanceof UnicornCpu) return cpu;
  throw new BugError(`an image of a guest on a ${cpu.kind} CPU`);
}
