// SPDX-License-Identifier: GPL-2.0-only
// The closed list of exit codes, and which one each outcome ends as.

/** Every exit code of the program with its meaning in help and documentation. */
export const EXIT_CODES = {
  0: 'success',
  1: 'ran to the end, and the verdict is failure (a value lost, a violation)',
  2: 'wrong usage or configuration',
  3: 'the guest crashed its domain',
  4: 'a limit was reached before there was a verdict',
  5: 'cannot run on this machine as it is',
  6: 'the test itself is wrong',
  70: 'a defect of trapline: please report it',
  130: 'interrupted (Ctrl-C), after a clean stop',
  143: 'terminated, after a clean stop',
} as const;

export type ExitCode = keyof typeof EXIT_CODES;

/** How a run ended. The words for a verdict are those of XTF, the Xen test framework. */
export const OUTCOMES = {
  /** Everything asked for was done and nothing is wrong. */
  success: 0,
  /** A violation, or the guest reported failure. */
  failure: 1,
  crashed: 3,
  limit: 4,
  /** The guest reported that it cannot run here. */
  skip: 5,
  /** The guest reported that its own test is wrong. */
  error: 6,
  interrupted: 130,
} as const satisfies Record<string, ExitCode>;

export type Outcome = keyof typeof OUTCOMES;
