// SPDX-License-Identifier: GPL-2.0-only
// From a script that shows a failure to a short one with small numbers that shows it, too.
import { cut, type Script, type Step } from './step.ts';

/** Scripts tried for one failure. */
const MOST_TRIES = 4000;

/** @param fails - whether a script shows the failure; it does for `script` */
export function shrink(script: Script, fails: (script: Script) => boolean): Step[] {
  let best = [...script];
  let tries = 0;
  const better = (candidate: Step[]): boolean => {
    if (tries++ >= MOST_TRIES || !fails(candidate)) return false;
    best = candidate;
    return true;
  };
  for (let again = true; again && tries < MOST_TRIES; ) {
    again = false;
    for (let length = best.length; length >= 1; length = Math.floor(length / 2)) {
      for (let at = best.length - length; at >= 0; at--) {
        if (better([...best.slice(0, at), ...best.slice(at + length)])) again = true;
      }
    }
    for (let at = 0; at < best.length; at++) {
      for (const step of simpler(best[at] as Step)) {
        if (!better(best.with(at, step))) continue;
        again = true;
        break;
      }
    }
  }
  return best;
}

/** Steps like this one with less in them, the simplest first. */
function simpler(step: Step): Step[] {
  switch (step.do) {
    case 'read':
      return step.size === 1 ? [] : [{ ...step, size: 1 }];
    case 'write': {
      const { low, high } = step.value;
      const values = [0, 1, low & 0xff, low & 0xffff, low & 0x80, low & (low - 1)]
        .map((value) => value >>> 0)
        .filter((value) => value < low || high !== 0);
      const narrow: Step[] =
        step.size === 1 ? [] : [{ ...step, size: 1, value: cut(step.value, 1) }];
      return [...narrow, ...values.map((value) => ({ ...step, value: { low: value, high: 0 } }))];
    }
    case 'input':
      return step.byte > 1 ? [{ ...step, byte: 1 }] : [];
    case 'time':
      return step.ns > 1
        ? [
            { ...step, ns: 1 },
            { ...step, ns: Math.floor(step.ns / 10) },
          ]
        : [];
    default:
      return [];
  }
}
