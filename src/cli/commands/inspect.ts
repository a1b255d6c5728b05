// SPDX-License-Identifier: GPL-2.0-only
// `trapline inspect <file>`: every record of an image, with offsets and what it means.
import { type InspectedEntry, inspectImage } from '../../toolstack/image/inspect.ts';
import type { ImageSource } from '../../toolstack/image/read.ts';
import type { CliCommand } from '../command.ts';
import type { ExitCode } from '../exit-codes.ts';
import { formatCount, formatTable } from '../format.ts';
import { type InspectDocument, inspectSchema } from '../image-schemas.ts';
import type { Styler } from '../output.ts';

const hex = (n: number): string => `0x${n.toString(16)}`;

function entryRows(entries: readonly InspectedEntry[]): string[][] {
  return entries.map(({ offset, type, instance, bytes, registers }) => {
    const where = registers === undefined ? '' : `rip ${registers.rip}, cr0 ${registers.cr0}`;
    return ['', hex(offset), `  ${type} ${instance}`, formatCount(bytes), where];
  });
}

/** The result as text. */
export function renderInspection(document: InspectDocument, style: Styler): string {
  const { damage, headers, records } = document;
  const rows = records.flatMap((r) => [
    [String(r.record), hex(r.offset), r.type, formatCount(r.bytes), r.meaning],
    ...entryRows((r.entries ?? []) as InspectedEntry[]),
  ]);
  const version =
    headers === null
      ? ''
      : `, stream version ${headers.version}, x86 HVM, Xen ${headers.xenMajor}.${headers.xenMinor}`;
  const lines = [
    style('bold', `${document.file}${version}`),
    formatTable([['record', 'offset', 'type', 'bytes', 'meaning'], ...rows], {
      right: [0, 1, 3],
      indent: '  ',
    }),
  ];
  if (damage !== null) lines.push(style('bad', damage));
  return lines.join('\n');
}

/** @param source - opens a file, or `-` */
export function inspectCommand(source: (file: string) => ImageSource): CliCommand {
  return {
    name: 'inspect',
    summary: 'list the records of an image',
    purpose:
      'Reads an image of Xen (libxc, version 2 or 3, HVM), of trapline or not, and lists its records with offsets and meaning, as far as it can be read. With --json also every register and all of our own state.',
    examples: [
      ['counter.img', 'what is in there?'],
      ['counter.img --json', 'registers and state for a program'],
    ],
    exitCodes: [0, 1],
    configure(command) {
      command.argument('<file>', 'the image; -: stdin');
    },
    async run({ output }, args): Promise<ExitCode> {
      const { name, bytes } = source(args[0] ?? '-');
      const result = await inspectImage({ name, bytes });
      const document = { schema: 'trapline.inspect/1' as const, file: name, ...result };
      output.result(inspectSchema, document, (style) => renderInspection(document, style));
      return result.damage === null ? 0 : 1;
    },
  };
}
