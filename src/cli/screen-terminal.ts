// SPDX-License-Identifier: GPL-2.0-only
// The terminal as a PC's screen and keyboard. However the process ends, the terminal is as it was.
import { AnsiScreen, ENTER_SCREEN, LEAVE_SCREEN } from '../screen/ansi.ts';
import { Desk } from '../screen/desk.ts';
import { terminalKeys } from '../screen/terminal-keys.ts';
import { HvmError } from '../util/errors.ts';

/** The terminal's two ends, as `process` has them. */
export interface TerminalEnds {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  on(event: 'exit', listener: () => void): unknown;
  off(event: 'exit', listener: () => void): unknown;
}

export class ScreenTerminal implements Disposable {
  readonly desk: Desk;
  readonly #ends: TerminalEnds;
  readonly #screen = new AnsiScreen();
  #open = true;
  readonly #onData = (chunk: Buffer | string): void => {
    const { keys, leave } = terminalKeys(chunk.toString());
    this.desk.press(keys);
    if (leave) this.desk.done = true;
  };
  /** Also when the program dies of something unforeseen. */
  readonly #restore = (): void => {
    if (!this.#open) return;
    this.#open = false;
    this.#ends.stdin.setRawMode(false);
    this.#ends.stdout.write(LEAVE_SCREEN);
  };

  /** @throws HvmError HVM_USAGE without a terminal on both ends */
  constructor(ends: TerminalEnds) {
    if (ends.stdin.isTTY !== true || ends.stdout.isTTY !== true) {
      throw new HvmError(
        'HVM_USAGE',
        '--screen without a terminal: expected one on stdin and stdout',
      );
    }
    this.#ends = ends;
    this.desk = new Desk((frame) => {
      // A terminal that does not know its size says 0.
      const { columns, rows } = ends.stdout;
      const text = this.#screen.draw(frame, columns || 80, rows || 25);
      // A terminal that cannot keep up is shown the next picture.
      if (text !== '') ends.stdout.write(text);
    });
    ends.on('exit', this.#restore);
    ends.stdin.setRawMode(true);
    ends.stdin.on('data', this.#onData);
    ends.stdin.resume();
    ends.stdout.write(ENTER_SCREEN);
  }

  [Symbol.dispose](): void {
    this.#restore();
    this.#ends.stdin.off('data', this.#onData);
    this.#ends.stdin.pause();
    this.#ends.off('exit', this.#restore);
  }
}
