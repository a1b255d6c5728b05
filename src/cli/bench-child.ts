// SPDX-License-Identifier: GPL-2.0-only
// The program of our own process in a comparison with other monitors. Argument: the loop's name.
import { createInterface } from 'node:readline';
import { serveOwn } from '../peers/own.ts';
import { toFailure } from './output.ts';

try {
  await serveOwn(process.argv[2] ?? '', createInterface({ input: process.stdin }), (line) => {
    process.stdout.write(`${line}\n`);
  });
} catch (error) {
  const { code, message, exitCode } = toFailure(error);
  process.stderr.write(`${message} [${code}]\n`);
  process.exitCode = exitCode;
}
