// SPDX-License-Identifier: GPL-2.0-only
// What is wrong with an image, and where: every refusal names the record, its type, the offset and what was expected.
import { HvmError } from '../util/errors.ts';

/** Where in a stream something was read. */
export interface Place {
  /** Number of the record, from 0; -1: in front of the first. */
  record: number;
  /** Its type in words. */
  type: string;
  /** Bytes from the start of the stream. */
  offset: number;
}

/** The refusal of an image. @param what - one sentence: what is there, and what was expected */
export function imageFault(place: Place, what: string, cause?: unknown): HvmError {
  const { record, type, offset } = place;
  const where = record < 0 ? type : `record ${record} (${type})`;
  return new HvmError('HVM_IMAGE', `image: ${where} at offset ${offset}: ${what}`, {
    details: { record, type, offset },
    ...(cause === undefined ? {} : { cause }),
  });
}
