// SPDX-License-Identifier: GPL-2.0-only
// --report FILE: the document of --json, or a page to look at, in a file that is there and whole or not there.
import type { Command } from 'commander';
import { HvmError } from '../util/errors.ts';
import { OutputFile } from './output-file.ts';

export interface ReportOptions {
  report?: string;
}

/** To be called within the output group. @param page - the command can also write a page */
export function addReportOption(command: Command, page = false): void {
  const what = page
    ? 'also write the JSON document, or a page to look at if the name ends in .html, to this file, whole or not at all'
    : 'also write the JSON document to this file, whole or not at all';
  command.optionsGroup('Output:').option('--report <file>', what);
}

function isPage(path: string): boolean {
  return /\.html$/i.test(path);
}

/**
 * Claims the report file, runs `body`, writes what it returns.
 * @param page - the document as a page; absent: the command has none
 * @throws HvmError before `body` runs: HVM_OUTPUT when the file cannot be written, HVM_USAGE for a page that is not
 */
export async function withReport<T>(
  options: ReportOptions,
  body: () => T | Promise<T>,
  page?: (document: T) => string,
): Promise<T> {
  const { report } = options;
  if (report === undefined) return body();
  if (isPage(report) && page === undefined) {
    throw new HvmError(
      'HVM_USAGE',
      `--report '${report}': this command has no page, only a JSON document; expected a name like 'report.json'`,
    );
  }
  using file = new OutputFile(report);
  const document = await body();
  const text =
    isPage(report) && page !== undefined ? page(document) : JSON.stringify(document, null, 2);
  file.write(`${text.trimEnd()}\n`);
  file.commit();
  return document;
}
