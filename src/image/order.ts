// SPDX-License-Identifier: GPL-2.0-only
// Which record may follow which.
import { imageFault, type Place } from './fault.ts';
import {
  REC_CHECKPOINT,
  REC_END,
  REC_HVM_CONTEXT,
  REC_HVM_PARAMS,
  REC_PAGE_DATA,
  REC_STATIC_DATA_END,
  REC_VERIFY,
  REC_X86_CPUID_POLICY,
  REC_X86_MSR_POLICY,
  REC_X86_TSC_INFO,
  recordName,
} from './layout.ts';

const STATE = [REC_X86_TSC_INFO, REC_HVM_PARAMS, REC_HVM_CONTEXT];

/** Judges the order of the records of one stream. */
export class RecordOrder {
  /** Of the stream. */
  version = 3;
  readonly #seen = new Set<number>();
  #static = false;
  #verifying = false;
  /** Records since the last CHECKPOINT. */
  #inEpoch = 0;
  #checkpoints = 0;

  /** @throws HvmError HVM_IMAGE when a record of this type has no place here */
  next(type: number, place: Place): void {
    const refuse = (expected: string): never => {
      throw imageFault(place, `out of order: expected ${expected}`);
    };
    const once = (): void => {
      if (this.#seen.has(type)) throw imageFault(place, 'is there twice: expected once');
      this.#seen.add(type);
    };
    switch (type) {
      case REC_X86_CPUID_POLICY:
      case REC_X86_MSR_POLICY:
        if (this.version < 3 || this.#static) refuse('it before STATIC_DATA_END, in version 3');
        once();
        return;
      case REC_STATIC_DATA_END:
        if (this.version < 3) refuse('none in version 2');
        once();
        this.#static = true;
        return;
      default:
        this.#dynamic(type, refuse, once);
    }
  }

  #dynamic(type: number, refuse: (expected: string) => never, once: () => void): void {
    if (!this.#static) {
      if (this.version >= 3 && type !== REC_END) refuse('STATIC_DATA_END first');
      this.#static = true;
    }
    const missing = STATE.filter((t) => !this.#seen.has(t)).map(recordName);
    switch (type) {
      case REC_PAGE_DATA:
        if (missing.length < STATE.length) refuse('pages before the state they belong to');
        break;
      case REC_VERIFY:
        if (this.#verifying) refuse('VERIFY once');
        this.#verifying = true;
        break;
      case REC_CHECKPOINT:
        if (missing.length > 0) refuse(`${missing.join(', ')} first`);
        for (const t of STATE) this.#seen.delete(t);
        this.#checkpoints++;
        this.#inEpoch = 0;
        return;
      case REC_END: {
        const whole = this.#inEpoch === 0 && (this.#checkpoints > 0 || this.#seen.size === 0);
        if (!whole && missing.length > 0) refuse(`${missing.join(', ')} first`);
        return;
      }
      default:
        once();
    }
    this.#inEpoch++;
  }
}
