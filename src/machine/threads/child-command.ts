// SPDX-License-Identifier: GPL-2.0-only
// The command of a device model that we start ourselves: a process group that ends with us, and its last words.
import { type ChildProcess, spawn } from 'node:child_process';
import { SOCKET_VARIABLE } from '../../dm/process/client.ts';

/** Characters of its output that are kept, and that go into a message. */
const KEPT = 2048;
const SAID = 200;

export class ChildCommand {
  /** How it ended: for messages. */
  readonly exited: Promise<string>;
  #ended: string | null = null;
  #said = '';
  readonly #child: ChildProcess;

  /** @param socket - where it is to connect, in its environment */
  constructor([program, ...words]: readonly string[], socket: string) {
    // A group of its own: whatever it starts in turn ends with it.
    this.#child = spawn(program as string, words, {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, [SOCKET_VARIABLE]: socket },
    });
    const hear = (bytes: Buffer): void => {
      this.#said = (this.#said + bytes.toString('utf8')).slice(-KEPT);
    };
    this.#child.stdout?.on('data', hear);
    this.#child.stderr?.on('data', hear);
    this.exited = new Promise((resolve) => {
      const ended = (how: string): void => {
        this.#ended ??= how;
        this.#killGroup();
        resolve(this.#ended);
      };
      this.#child.on('error', (error) => ended(`cannot be started: ${error.message}`));
      this.#child.on('exit', (code, signal) => {
        ended(signal === null ? `ended with code ${code}` : `was ended by ${signal}`);
      });
    });
  }

  /** Of the process and of its group. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** How it ended, or null while it runs. */
  get ended(): string | null {
    return this.#ended;
  }

  /** The last line of what it printed; empty when it printed nothing. */
  get lastWords(): string {
    const lines = this.#said.split(/[\r\n]+/).filter((line) => line.trim() !== '');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is to be kept out.
    return (lines.at(-1) ?? '').replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').slice(0, SAID);
  }

  /** Ends it, now. */
  kill(): void {
    if (this.#ended === null) this.#killGroup();
  }

  #killGroup(): void {
    const { pid } = this.#child;
    if (pid !== undefined) killGroup(pid);
  }
}

/** Ends every process of a group. */
export function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nobody is left in it.
  }
}
