// SPDX-License-Identifier: GPL-2.0-only
// Where a shutdown that nobody aimed has landed, as far as the vCPU's own thread can tell.

import { TeeTracer } from '../../machine/tee-tracer.ts';
import type { vcpu } from '../../xen/common/sched.ts';
import { NullTracer, type Tracer } from '../../xen/common/trace.ts';
import type { WindowName } from '../windows.ts';

/** Hears of refused and of ended deferrals: a shutdown that paused the vCPU from outside leaves no trace here. */
export class LandingTracer extends NullTracer {
  #window: WindowName = 'between-instructions';

  /** A tracer that hears everything after this one. */
  before(other: Tracer): Tracer {
    return new TeeTracer([this, other]);
  }
  /** The window of the shutdown that has just been carried out. */
  take(): WindowName {
    const window = this.#window;
    this.#window = 'between-instructions';
    return window;
  }
  override start_deferral(_v: vcpu, granted: boolean): void {
    if (!granted) this.#window = 'before-send';
  }
  // Only the vCPU's own thread gets here: its deferral ended and found the shutdown.
  override pause_nosync(): void {
    this.#window = 'in-flight';
  }
}
