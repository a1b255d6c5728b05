#!/usr/bin/env node
// SPDX-License-Identifier: GPL-2.0-only
// The program `trapline`: arguments in, exit code out.
import { hostIo } from './io.ts';
import { toFailure } from './output.ts';
import { runCli } from './program.ts';

// A reader that closed the pipe has seen enough: `trapline ... | head` is no error.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

try {
  process.exitCode = await runCli(process.argv.slice(2), hostIo());
} catch (error) {
  // Only a defect in the reporting itself comes here.
  process.exitCode = 70;
  process.stderr.write(`trapline: ${toFailure(error).stack ?? String(error)}\n`);
}
