// SPDX-License-Identifier: GPL-2.0-only
// The program of `npm run bench` and `npm run bench:check`.
import { toFailure } from '../src/cli/output.ts';
import { benchMain } from './run.ts';

try {
  process.exitCode = await benchMain(process.argv.slice(2), (text) => {
    process.stdout.write(`${text}\n`);
  });
} catch (error) {
  const failure = toFailure(error);
  process.stderr.write(`bench: ${failure.message}\n`);
  process.exitCode = failure.exitCode;
}
