// SPDX-License-Identifier: GPL-2.0-only
// Entry of `npm run conformance -- FILE... [--json] [--first] [--cpu real|mini]`.
import process from 'node:process';
import { main } from './conformance.ts';
import { miniCpu } from './mini-cpu.ts';
import { realCpu } from './real-cpu.ts';

process.exitCode = main(
  process.argv.slice(2),
  process.cwd(),
  { real: realCpu, mini: miniCpu },
  {
    out: (text) => process.stdout.write(`${text}\n`),
    error: (text) => process.stderr.write(`${text}\n`),
  },
);
