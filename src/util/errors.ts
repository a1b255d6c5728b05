// SPDX-License-Identifier: GPL-2.0-only
// The closed list of error codes, and the two error classes: a caller's or host's failure, and our own defect.

/** Every code an `HvmError` can carry: one sentence, and the process exit code it ends as. */
export const ERROR_CODES = {
  HVM_USAGE: { exit: 2, meaning: 'The command line or a configuration value is wrong.' },
  HVM_GUEST_MISSING: {
    exit: 2,
    meaning: 'The guest file or folder does not exist or cannot be read.',
  },
  HVM_GUEST_EMPTY: { exit: 2, meaning: 'The guest image holds no bytes.' },
  HVM_GUEST_TOO_LARGE: {
    exit: 2,
    meaning: 'The guest image does not fit into guest memory at its load address.',
  },
  HVM_GUEST_FORMAT: { exit: 2, meaning: 'The guest image is not of the format it is taken for.' },
  HVM_GUEST_MANIFEST: { exit: 2, meaning: 'The guest.json of a guest is malformed.' },
  HVM_DEVICE_UNKNOWN: { exit: 2, meaning: 'No device of that name is registered.' },
  HVM_DEVICE_DUPLICATE: { exit: 2, meaning: 'A device of that name is registered already.' },
  HVM_DEVICE_STATE: {
    exit: 2,
    meaning: 'A saved device state does not fit the device it is restored into.',
  },
  HVM_DEVICE_DEAD: {
    exit: 5,
    meaning: 'A device model in a thread or process of its own does not start, or died.',
  },
  HVM_RANGE: { exit: 2, meaning: 'An address range is malformed or lies outside its space.' },
  HVM_RANGE_OVERLAP: { exit: 2, meaning: 'Two devices claim the same port or memory address.' },
  HVM_MEMORY: { exit: 2, meaning: 'The guest memory size is not a supported one.' },
  HVM_OUTPUT: { exit: 2, meaning: 'An output file cannot be written.' },
  HVM_IMAGE: {
    exit: 2,
    meaning: 'A saved image is damaged, cut off, or none that this build can restore.',
  },
  HVM_LEDGER: { exit: 2, meaning: 'A ledger file cannot be read as a ledger.' },
  HVM_CAMPAIGN: { exit: 2, meaning: 'A campaign report or state file is damaged, or is none.' },
  HVM_CAMPAIGN_OTHER: {
    exit: 2,
    meaning: 'A campaign report or state file is of another build, guest, command, range or shard.',
  },
  HVM_CAMPAIGN_BUSY: { exit: 2, meaning: 'Another process is writing the same state file.' },
  HVM_DISPOSED: { exit: 70, meaning: 'An object was used after it was disposed.' },
  HVM_ADDON_MISSING: { exit: 5, meaning: 'The native addon is not built for this platform.' },
  HVM_ADDON_SELFTEST: {
    exit: 5,
    meaning: 'The native addon refuses the emulator library it was linked with.',
  },
  HVM_CPU: {
    exit: 70,
    meaning: 'The CPU host was called in a state that does not allow the call.',
  },
} as const satisfies Record<string, { exit: number; meaning: string }>;

/** A code from `ERROR_CODES`. Codes are API, messages are not. */
export type HvmErrorCode = keyof typeof ERROR_CODES;

const HVM_ERROR: unique symbol = Symbol.for('trapline.HvmError');

/** The caller misused us, or the host failed: what, with which values, what was expected. */
export class HvmError extends Error {
  override readonly name = 'HvmError';
  readonly code: HvmErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  /**
   * @param code - from `ERROR_CODES`
   * @param message - one line: what, where, what was expected
   * @param options - `cause` is kept; `details` is plain data for `--json`
   */
  constructor(
    code: HvmErrorCode,
    message: string,
    options: { cause?: unknown; details?: Record<string, unknown> } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.details = options.details ?? {};
    Object.defineProperty(this, HVM_ERROR, { value: true });
  }
}

/** True for an `HvmError` of any copy of this package, also one that crossed a worker boundary by reference. */
export function isHvmError(error: unknown): error is HvmError {
  return typeof error === 'object' && error !== null && HVM_ERROR in error;
}

/** Our own defect: an impossible branch or a broken invariant. Ends as exit code 70. */
export class BugError extends Error {
  override readonly name = 'BugError';
}
