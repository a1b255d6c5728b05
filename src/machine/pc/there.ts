// SPDX-License-Identifier: GPL-2.0-only
// Parts of a PC that come to be with its machine.
import { BugError } from '../../util/errors.ts';

export function there<T>(part: T | null): T {
  if (part === null) throw new BugError('the PC is not built yet');
  return part;
}
