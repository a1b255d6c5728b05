// SPDX-License-Identifier: GPL-2.0-only
// `trapline verify <file>`: whether an image can be restored, all of it checked, nothing run.
import { type ImageSource, loadImage } from '../../toolstack/image/read.ts';
import { restoreMachine } from '../../toolstack/image/restore.ts';
import type { CliCommand } from '../command.ts';
import type { ExitCode } from '../exit-codes.ts';
import { formatCount } from '../format.ts';
import { type VerifyDocument, verifySchema } from '../image-schemas.ts';

/** @param source - opens a file, or `-` */
export function verifyCommand(source: (file: string) => ImageSource): CliCommand {
  return {
    name: 'verify',
    summary: 'check an image without running it',
    purpose:
      'Reads every record of an image, checks its digest, and restores it into a machine that is not run. Damage is an error that names record and offset; an image that a crash has cut off behind a whole checkpoint is not ok, and can be restored.',
    examples: [
      ['counter.img', 'can it be restored?'],
      ['- --json', 'of a stream on stdin, for a program'],
    ],
    exitCodes: [0, 1],
    configure(command) {
      command.argument('<file>', 'the image; -: stdin');
    },
    async run({ output }, args): Promise<ExitCode> {
      const from = source(args[0] ?? '-');
      const image = await loadImage(from);
      restoreMachine(image, {}).machine[Symbol.dispose]();
      const { state, epochs, dropped } = image;
      const document: VerifyDocument = {
        schema: 'trapline.verify/1',
        file: from.name,
        ok: dropped === null,
        guest: state.guest.name,
        checkpoint: state.checkpoint,
        epochs,
        instructions: state.vcpus[0].icount,
        memory: state.guest.memoryBytes,
        dropped,
      };
      output.result(verifySchema, document, (style) => {
        const what = `${document.guest} at checkpoint ${formatCount(document.checkpoint)}, ${formatCount(document.instructions)} instructions, ${epochs === 1 ? 'one checkpoint' : `${formatCount(epochs)} checkpoints`} in ${from.name}`;
        return dropped === null
          ? `${what}\n${style('good', 'whole, and can be restored')}`
          : `${what}\n${style('bad', `cut off behind that checkpoint: ${dropped}`)}`;
      });
      return document.ok ? 0 : 1;
    },
  };
}
