// SPDX-License-Identifier: GPL-2.0-only
// The document of --json of a command that fails.
import { z } from 'zod';

/** `trapline.error/1`: any command that fails. */
export const errorSchema = z.strictObject({
  schema: z.literal('trapline.error/1'),
  code: z.string().describe('a code of `trapline list errors`, or BUG'),
  message: z.string(),
  exitCode: z.int(),
  details: z.record(z.string(), z.unknown()),
});
