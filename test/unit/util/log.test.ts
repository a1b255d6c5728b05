// SPDX-License-Identifier: GPL-2.0-only
// Levels and the limit on warnings a guest can cause.
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../src/util/clock.ts';
import type { LogLevel } from '../../../src/util/log.ts';
import {
  createLogger,
  LOG_LEVELS,
  RateLimitedWarnings,
  silentLogger,
} from '../../../src/util/log.ts';

function recorder(threshold?: LogLevel): {
  lines: string[];
  logger: ReturnType<typeof createLogger>;
} {
  const lines: string[] = [];
  const logger = createLogger((level, message) => lines.push(`${level}: ${message}`), threshold);
  return { lines, logger };
}

describe('createLogger()', () => {
  it.each(LOG_LEVELS.map((level, index) => [level, index + 1] as const))(
    '%s lets %d levels through',
    (threshold, count) => {
      const { lines, logger } = recorder(threshold);
      for (const level of LOG_LEVELS) logger[level]('x');
      expect(lines).toEqual(LOG_LEVELS.slice(0, count).map((level) => `${level}: x`));
    },
  );

  it('has a silent form', () => {
    expect(() => silentLogger.warn('x')).not.toThrow();
  });
});

describe('RateLimitedWarnings', () => {
  it('says each key once per interval, then how many it left out', () => {
    const { lines, logger } = recorder();
    const clock = new ManualClock();
    const warnings = new RateLimitedWarnings(logger, clock, { intervalMs: 100 });
    for (let i = 0; i < 4; i++) warnings.warn('port', 'nobody at port 0x80');
    warnings.warn('other', 'nobody at port 0x81');
    clock.advance(99);
    warnings.warn('port', 'nobody at port 0x80');
    clock.advance(1);
    warnings.warn('port', 'nobody at port 0x80');
    clock.advance(100);
    warnings.warn('port', 'nobody at port 0x80');
    expect(lines).toEqual([
      'warn: nobody at port 0x80',
      'warn: nobody at port 0x81',
      'warn: nobody at port 0x80 (4 more like it)',
      'warn: nobody at port 0x80',
    ]);
    expect(warnings.dropped).toBe(4);
  });

  it('lets a burst through', () => {
    const { lines, logger } = recorder();
    const warnings = new RateLimitedWarnings(logger, new ManualClock(), { burst: 3 });
    for (let i = 0; i < 5; i++) warnings.warn('k', String(i));
    expect(lines).toEqual(['warn: 0', 'warn: 1', 'warn: 2']);
  });

  it('remembers a bounded number of keys', () => {
    const { lines, logger } = recorder();
    const warnings = new RateLimitedWarnings(logger, new ManualClock(), { maxKeys: 2 });
    for (let i = 0; i < 10; i++) warnings.warn(String(i), String(i));
    expect(lines).toEqual(['warn: 0', 'warn: 1']);
    expect(warnings.dropped).toBe(8);
  });
});
