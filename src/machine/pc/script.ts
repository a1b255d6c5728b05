// SPDX-License-Identifier: GPL-2.0-only
// What is typed at a PC and waited for, step by step, and how far that has come: plain JSON, part of an image.
import { z } from 'zod';
import { keysOf } from './keys.ts';

const whole = z.int().min(0);
/** ns of guest time. */
const time = z.int().min(0);

export const stepSchema = z.discriminatedUnion('kind', [
  /** Keys, as `keysOf` reads them. */
  z.strictObject({ kind: z.literal('type'), text: z.string().refine(hasKeys, 'no such keys') }),
  /** Text has to appear. */
  z.strictObject({
    kind: z.literal('expect'),
    text: z.string().min(1),
    timeoutNs: z.int().positive(),
  }),
  z.strictObject({ kind: z.literal('wait'), ns: time }),
  /** Somebody may look at the screen now; nobody has to be there. @see Typist.onLook */
  z.strictObject({ kind: z.literal('look'), number: whole }),
]);
export type ScriptStep = z.infer<typeof stepSchema>;

export const typistStateSchema = z.strictObject({
  /** Which step, and which key of it. */
  step: whole,
  key: whole,
  /** Of the next look, and since when the step or the key is waited for. */
  nextNs: time,
  sinceNs: time,
  /** What was on the screen before the last key of what was typed last, and where the cursor was, in words. */
  seen: z.array(z.string()),
  seenCursor: z.string(),
  /** Bytes of keys pressed by somebody at the machine, on their way to the keyboard. */
  pressed: z.array(z.int().min(0).max(0xff)),
  /** After the last step: a digest of the screen, since when it stands still, and whether it has for long enough. */
  shown: z.int().min(0).max(0xffffffff),
  stillNs: time,
  settled: z.boolean(),
  /** What was not fulfilled, in words; null: nothing. */
  failed: z.string().nullable(),
});
export type TypistState = z.infer<typeof typistStateSchema>;

/** @param steps - of the script; none: there is nothing to be waited for */
export function initialTypistState(steps: number): TypistState {
  return {
    ...{ step: 0, key: 0, nextNs: 0, sinceNs: 0, seen: [], seenCursor: '', pressed: [] },
    ...{ shown: 0, stillNs: 0, settled: steps === 0, failed: null },
  };
}

function hasKeys(text: string): boolean {
  try {
    keysOf(text);
    return true;
  } catch {
    return false;
  }
}
