// SPDX-License-Identifier: GPL-2.0-only
// The devices that come with the package, in the order `list devices` shows them.
import { blank } from './devices/blank.ts';
import { counter } from './devices/counter.ts';
import { debugcon } from './devices/debugcon.ts';
import { mailbox } from './devices/mailbox.ts';
import { rmw } from './devices/rmw.ts';
import { sequence } from './devices/sequence.ts';
import { serial } from './devices/serial.ts';
import { verdict } from './devices/verdict.ts';
import type { DeviceFactory } from './factory.ts';

export const BUILTIN_DEVICES: readonly DeviceFactory[] = [
  counter,
  sequence,
  rmw,
  debugcon,
  verdict,
  serial,
  blank,
  mailbox,
];
