// SPDX-License-Identifier: GPL-2.0-only
// `trapline ledger check <file>`: judges a recorded history, apart from the run that made it.
import { checkLedger } from '../../ledger/checker.ts';
import type { LedgerCheckDocument } from '../check-schemas.ts';
import { ledgerCheckSchema } from '../check-schemas.ts';
import type { CliCommand } from '../command.ts';
import { formatCount, formatTable } from '../format.ts';
import type { Styler } from '../output.ts';
import { renderViolations } from '../violations.ts';

/** The result as text. */
export function renderLedgerCheck(document: LedgerCheckDocument, style: Styler): string {
  const { accesses, chain } = document;
  const rows = [
    ['lines', `${formatCount(document.lines)}, ${formatCount(document.events)} events`],
    ['chain', chain === 'intact' ? 'intact' : `broken at line ${chain.brokenAt}`],
    [
      'accesses',
      `issued ${formatCount(accesses.issued)}, answered ${formatCount(accesses.answered)}, retired ${formatCount(accesses.retired)}`,
    ],
    ['checkpoints', formatCount(document.checkpoints)],
    ['lost', formatCount(document.lost)],
    ['duplicated', formatCount(document.duplicated)],
    ['reordered', formatCount(document.reordered)],
  ];
  const verdict = document.ok
    ? style('good', 'every access happened exactly once, in order')
    : style('bad', 'the ledger proves a violation');
  return [
    style('bold', document.file),
    formatTable(rows, { indent: '  ' }),
    ...renderViolations(document, style),
    verdict,
  ].join('\n');
}

export const ledgerCheck: CliCommand = {
  name: 'ledger check',
  summary: 'judge a recorded ledger of accesses',
  purpose:
    'Reads a ledger that stress --ledger wrote and proves from it alone that every access was issued, answered and retired exactly once and in order, and that the file is as it was written.',
  examples: [
    ['run.jsonl', 'is anything wrong with that run?'],
    ['run.jsonl --json', 'the same for a program, with every violation'],
  ],
  exitCodes: [0, 1],
  configure(command) {
    command.argument('<file>', 'the ledger, JSON Lines');
  },
  async run({ output }, args) {
    const file = args[0] ?? '';
    const { byKind, ...report } = await checkLedger(file);
    const document: LedgerCheckDocument = {
      schema: 'trapline.ledger-check/1',
      file,
      ...report,
      byKind: { ...byKind },
    };
    output.result(ledgerCheckSchema, document, (style) => renderLedgerCheck(document, style));
    return document.ok ? 0 : 1;
  },
};
