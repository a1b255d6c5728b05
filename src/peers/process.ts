// SPDX-License-Identifier: GPL-2.0-only
// A peer's process: what it says, how it ends, and that it does end.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import process from 'node:process';
import { PeerFailure } from '../toolstack/bench/versus.ts';

/** A slice takes some 20 ms; a start, on a busy machine, a second. */
const ANSWER_TIMEOUT_MS = 30_000;
/** What is kept of what it says on stderr, and of an answer that does not end. */
const MOST_TEXT = 4000;

const alive = new Set<ChildProcessWithoutNullStreams>();
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

/** Takes what it waits for from the beginning of `text`, or null: not all there yet. */
type Taker = (text: string) => { value: string; rest: string } | null;

const line: Taker = (text) => {
  const end = text.indexOf('\n');
  return end < 0 ? null : { value: text.slice(0, end), rest: text.slice(end + 1) };
};
const byte: Taker = (text) =>
  text === '' ? null : { value: text.slice(0, 1), rest: text.slice(1) };

/** The line that says most: the first that names an error, else the last. */
function errorLine(text: string): string {
  const lines = text.trim().split('\n');
  return lines.find((one) => /^\w*(Error|Exception): /.test(one)) ?? lines.at(-1) ?? '';
}

export class PeerProcess implements Disposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #timeoutMs: number;
  #said = '';
  #errors = '';
  /** Why nothing more will come. */
  #end: string | null = null;
  #wake: () => void = () => {};

  /** @param timeoutMs - how long an answer may take */
  constructor(command: string, args: readonly string[], timeoutMs: number = ANSWER_TIMEOUT_MS) {
    this.#timeoutMs = timeoutMs;
    // A process group of its own: Ctrl-C reaches us alone, and we stop it between two slices.
    const child = spawn(command, args, { stdio: 'pipe', detached: true });
    this.#child = child;
    alive.add(child);
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      this.#said += text;
      if (this.#said.length > MOST_TEXT) this.#stop('it talks without end');
      this.#wake();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-MOST_TEXT);
    });
    // Written to one that is dead: its end says more.
    child.stdin.on('error', () => {});
    child.once('error', (error) => this.#stop(error.message));
    child.once('close', (code, signal) => {
      alive.delete(child);
      const said = errorLine(this.#errors);
      this.#stop(`it ended (${signal ?? code})${said === '' ? '' : `: ${said}`}`);
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  send(bytes: string | Uint8Array): void {
    this.#child.stdin.write(bytes);
  }

  /** The next line. @throws PeerFailure when none comes */
  line(): Promise<string> {
    return this.#next(line);
  }

  /** The next byte, as a character. @throws PeerFailure when none comes */
  byte(): Promise<string> {
    return this.#next(byte);
  }

  async #next(take: Taker): Promise<string> {
    const timer = setTimeout(
      () => this.#stop(`no answer within ${this.#timeoutMs / 1000} s`),
      this.#timeoutMs,
    );
    try {
      for (;;) {
        const taken = take(this.#said);
        if (taken !== null) {
          this.#said = taken.rest;
          return taken.value;
        }
        if (this.#end !== null) throw new PeerFailure(this.#end);
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #stop(why: string): void {
    this.#end ??= why;
    this.#child.kill('SIGKILL');
    this.#wake();
  }

  [Symbol.dispose](): void {
    this.#stop('it was stopped');
  }
}
