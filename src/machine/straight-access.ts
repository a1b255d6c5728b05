// SPDX-License-Identifier: GPL-2.0-only
// The access that the straight way is at, and how many went that way.
import type { RequestSender } from '../cpu/machine-cpu.ts';
import type { IoSize } from '../dm/device.ts';
import { IOREQ_READ, type ioreq_dir } from '../xen/public/hvm_ioreq.ts';

/**
 * An access, in fields: the engine knows what kind of number each of them is. Of variables of a loop that it enters in
 * the middle it knows nothing.
 */
export class StraightAccess {
  /** The exit that is dealt with as this access was, but for its data; -1: none. */
  exit = -1;
  /** That exit where the CPU has put the access into its slot; -1: it is not asked to. */
  sent = -1;
  /** 1: of a port, 0: of memory. A boolean would be tested for all that can be true. */
  port: 0 | 1 = 1;
  dir: ioreq_dir = IOREQ_READ;
  /** The low 32 bits of the address, signed. */
  low = 0;
  /** In its device. */
  offset = 0;
  size: IoSize = 1;
  /** Of its data. */
  mask = 0;
  /** Of the slot, with the state. */
  word = 0;
  /** Its data, or its answer, when the device has been asked. */
  data = 0;
  /** `stirs` before it was asked. */
  stirs = 0;
  /** Who counts those like it that are not in `ports` and `memory` yet; null: there are none. */
  sender: RequestSender | null = null;
  /** Where he began. */
  before = 0;

  /** How many like it were begun and are not counted yet; all but the last are over. */
  get asked(): number {
    return this.sender === null ? 0 : this.sender.sent - this.before;
  }

  /** Accesses of ports that went the straight way. */
  get ports(): number {
    return this.portsOver + (this.port === 1 ? this.asked : 0);
  }
  /** Of memory. */
  get memory(): number {
    return this.memoryOver + (this.port === 1 ? 0 : this.asked);
  }
  /** The same without those of `asked`. */
  portsOver = 0;
  memoryOver = 0;
}
