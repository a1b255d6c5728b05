// SPDX-License-Identifier: GPL-2.0-only
// The options of a PC as words of a command line: what shows a run again.
import type { LoadOptions } from '../machine/loader.ts';
import { EXPECT_NS } from '../machine/pc/config.ts';
import { calendarOf } from '../xen/hvm/calendar.ts';

/** The words that say the same again. */
export function pcWords(load: LoadOptions): string[] {
  const { machine, pc } = load;
  const words: string[] = machine === 'pc' ? ['--machine', 'pc'] : [];
  const add = (flag: string, value: string | undefined): void => {
    if (value !== undefined) words.push(flag, value);
  };
  add('--bios', pc?.bios);
  add('--vgabios', pc?.vgaBios);
  for (const path of pc?.floppies ?? []) add('--floppy', path);
  for (const path of pc?.disks ?? []) add('--disk', path);
  add('--dir', pc?.dir);
  if (pc?.writable === true) words.push('--writable');
  const timeouts = new Set<number>();
  for (const step of pc?.script ?? []) {
    if (step.kind === 'type') add('--type', step.text);
    else if (step.kind === 'wait') add('--wait', `${step.ns / 1e6}ms`);
    else if (step.kind === 'expect') {
      add('--expect', step.text);
      timeouts.add(step.timeoutNs);
    }
  }
  // One for all of them, as on a command line.
  for (const ns of timeouts) if (ns !== EXPECT_NS) add('--expect-timeout', `${ns / 1e6}ms`);
  const { startSeconds } = pc ?? {};
  if (startSeconds !== undefined) add('--rtc', isoTime(startSeconds));
  return words;
}

/** `2020-01-01T12:00:00` of seconds since 1970. */
function isoTime(seconds: number): string {
  const days = Math.floor(seconds / 86400);
  const inDay = seconds - days * 86400;
  const { year, month, day } = calendarOf(days);
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  const time = [inDay / 3600, (inDay / 60) % 60, inDay % 60].map(two).join(':');
  return `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}T${time}`;
}
