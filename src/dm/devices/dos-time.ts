// SPDX-License-Identifier: GPL-2.0-only
// DOS's dates: seconds since 1970 as two words, from 1980 to 2107, two seconds exact.

/** As in a directory: hours, minutes and half seconds; years since 1980, month and day. */
export interface DosTime {
  readonly time: number;
  readonly date: number;
}

const FIRST_DAY = 315532800;
const LAST_SECOND = 4354819199;
const FIRST_YEAR = 1980;
const DAY = 86400;

/** What is out of range becomes the first or the last moment that DOS knows. */
export function dosTime(seconds: number): DosTime {
  let left = Math.min(Math.max(Math.floor(seconds), FIRST_DAY), LAST_SECOND) - FIRST_DAY;
  const of = left % DAY;
  left = Math.floor(left / DAY);
  let year = FIRST_YEAR;
  for (; left >= 365 + leap(year); year++) left -= 365 + leap(year);
  let month = 0;
  const months = monthsOf(year);
  for (; left >= (months[month] ?? 31); month++) left -= months[month] ?? 31;
  const time =
    (Math.floor(of / 3600) << 11) | (Math.floor((of % 3600) / 60) << 5) | ((of % 60) >> 1);
  return { time, date: ((year - FIRST_YEAR) << 9) | ((month + 1) << 5) | (left + 1) };
}

/** The other way; words that are no date count as the nearest one. */
export function secondsOf({ time, date }: DosTime): number {
  const year = FIRST_YEAR + (date >>> 9);
  const month = Math.min(Math.max((date >>> 5) & 15, 1), 12) - 1;
  let days = Math.max(date & 31, 1) - 1;
  for (let y = FIRST_YEAR; y < year; y++) days += 365 + leap(y);
  days += monthsOf(year)
    .slice(0, month)
    .reduce((a, b) => a + b, 0);
  const of = (time >>> 11) * 3600 + ((time >>> 5) & 63) * 60 + (time & 31) * 2;
  return FIRST_DAY + days * DAY + of;
}

const monthsOf = (year: number): number[] => [
  31,
  28 + leap(year),
  31,
  30,
  31,
  30,
  31,
  31,
  30,
  31,
  30,
  31,
];

const leap = (year: number): number => (year % 4 === 0 && year !== 2100 ? 1 : 0);
