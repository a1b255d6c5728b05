#!/usr/bin/env node
// SPDX-License-Identifier: GPL-2.0-only
// The program `trapline`: arguments in, exit code out.
import { helpPage } from './help-pages.ts';

// A reader that closed the pipe has seen enough: `trapline ... | head` is no error.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

const argv = process.argv.slice(2);
const page = helpPage(argv);
if (page !== null) process.stdout.write(page);
else {
  const [{ hostIo }, { toFailure }, { runCli }] = await Promise.all([
    import('./io.ts'),
    import('./output.ts'),
    import('./program.ts'),
  ]);
  try {
    process.exitCode = await runCli(argv, hostIo());
  } catch (error) {
    // Only a defect in the reporting itself comes here.
    process.exitCode = 70;
    process.stderr.write(`trapline: ${toFailure(error).stack ?? String(error)}\n`);
  }
}
