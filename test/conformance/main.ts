// SPDX-License-Identifier: GPL-2.0-only
// Entry of `npm run conformance -- FILE... [--json]`.
import process from 'node:process';
import { main } from './conformance.ts';
import { miniCpu } from './mini-cpu.ts';

process.exitCode = main(process.argv.slice(2), process.cwd(), miniCpu, (text) => {
  process.stdout.write(`${text}\n`);
});
