// SPDX-License-Identifier: GPL-2.0-only
// `trapline serve <image>`: a PC with its screen and keyboard in a page of a browser on this machine.

import type { LoadOptions } from '../../machine/loader.ts';
import { ASSERT } from '../../util/assert.ts';
import type { CliCommand, RunHooks } from '../command.ts';
import type { ExitCode } from '../exit-codes.ts';
import { addGuest, type GuestOptions, numberValue } from '../options.ts';
import { addPcOptions, type PcFlags, pcGuestRequest } from '../pc-options.ts';

export interface ServeRequest {
  guest: string;
  load: LoadOptions;
  port: number;
}

/** @returns when the signal has come. @param ready - told the page's address */
export type ServeRunner = (
  request: ServeRequest,
  hooks: RunHooks & { ready(address: string): void; output(byte: number): void },
) => Promise<void>;

export function serveCommand(runner: ServeRunner): CliCommand {
  return {
    name: 'serve',
    summary: 'a PC with its screen and keyboard in a page of your browser',
    purpose:
      'Runs an image on a PC and shows it in a page on 127.0.0.1: screen, keyboard, pause, single steps, checkpoint and restore, and the accesses as they happen. Ctrl-C ends it.',
    examples: [
      ['dos.img', 'prints the address of the page'],
      ['dos.img --bios seabios --port 8080', 'at a port of your choice'],
    ],
    exitCodes: [5, 130, 143],
    configure(command) {
      addGuest(command);
      addPcOptions(command);
      command.option('--port <n>', 'of 127.0.0.1 (0: any)', numberValue('--port', 0, 65535), 0);
    },
    async run(invocation, args, raw): Promise<ExitCode> {
      const options = raw as GuestOptions & PcFlags & { port: number };
      const [guest] = args;
      ASSERT(guest !== undefined, 'a guest is given');
      const { io, output, signal } = invocation;
      const { load } = pcGuestRequest(guest, options);
      await runner(
        { guest, load, port: options.port },
        {
          signal,
          tick: () => io.breathe(),
          ready: (address) => output.text(`${address}\n`),
          output: () => {},
        },
      );
      return 130;
    },
  };
}
