// SPDX-License-Identifier: GPL-2.0-only
// --report FILE: the same document as --json, in a file that is there and whole or not there.
import type { Command } from 'commander';
import { OutputFile } from './output-file.ts';

export interface ReportOptions {
  report?: string;
}

/** To be called within the output group. */
export function addReportOption(command: Command): void {
  command
    .optionsGroup('Output:')
    .option('--report <file>', 'also write the JSON document to this file, whole or not at all');
}

/**
 * Claims the report file, runs `body`, writes what it returns.
 * @throws HvmError HVM_OUTPUT before `body` runs when the file cannot be written
 */
export async function withReport<T>(
  options: ReportOptions,
  body: () => T | Promise<T>,
): Promise<T> {
  if (options.report === undefined) return body();
  using file = new OutputFile(options.report);
  const document = await body();
  file.write(`${JSON.stringify(document, null, 2)}\n`);
  file.commit();
  return document;
}
