// SPDX-License-Identifier: GPL-2.0-only
// Leaves the totals of a test run in a file, for the closing line of .ci/run.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** A vitest reporter. A file that does not load, and an error outside any test, count as one failure each. */
export default class TotalsReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const file = process.env.TRAPLINE_TEST_TOTALS;
    if (file === undefined) return;
    const totals = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    for (const module of modules) {
      totals.failed += module.errors().length;
      for (const suite of module.children.allSuites()) totals.failed += suite.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        // 'pending' is a test that never ran: nothing was shown.
        totals[state === 'passed' || state === 'skipped' ? state : 'failed']++;
      }
    }
    mkdirSync(dirname(file), { recursive: true });
    const { passed, failed, skipped } = totals;
    writeFileSync(file, `${passed} passed, ${failed} failed, ${skipped} skipped\n`);
  }
}
