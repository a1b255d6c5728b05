// SPDX-License-Identifier: GPL-2.0-only
// What reaches stdout: one text, or with --json exactly one document that its schema has checked.
import { styleText } from 'node:util';
import type { z } from 'zod';
import { BugError, ERROR_CODES, isHvmError } from '../util/errors.ts';
import { errorSchema } from './error-schema.ts';
import type { ExitCode } from './exit-codes.ts';
import type { CliIo, TextStream } from './io.ts';

export type ColorWhen = 'auto' | 'always' | 'never';

/** The few styles there are. Colour never carries meaning alone. */
export type Style = 'bold' | 'dim' | 'good' | 'bad';

/** Styles `text`, or leaves it as it is. */
export type Styler = (style: Style, text: string) => string;

const FORMATS = { bold: 'bold', dim: 'dim', good: 'green', bad: 'red' } as const;

/** `--color` first, then NO_COLOR, then FORCE_COLOR, then whether `stream` is a capable terminal. */
export function wantsColor(when: ColorWhen, env: CliIo['env'], stream: TextStream): boolean {
  if (when !== 'auto') return when === 'always';
  if ((env.NO_COLOR ?? '') !== '') return false;
  const force = env.FORCE_COLOR;
  if (force !== undefined) return force !== '0' && force !== 'false';
  return stream.isTTY === true && env.TERM !== 'dumb';
}

/** A styler for streams with colour (`on`) or without. */
export function createStyler(on: boolean): Styler {
  return on
    ? (style, text) => styleText(FORMATS[style], text, { validateStream: false })
    : (_, text) => text;
}

/** One failure as the program reports it. */
export interface Failure {
  code: string;
  message: string;
  exitCode: ExitCode;
  details: Readonly<Record<string, unknown>>;
  /** Present for our own defects only. */
  stack?: string;
}

/** Any thrown value as a failure: an `HvmError` by the table of codes, everything else is a defect of ours. */
export function toFailure(error: unknown): Failure {
  if (isHvmError(error)) {
    const { code, message, details } = error;
    return { code, message, details, exitCode: ERROR_CODES[code].exit };
  }
  const message = error instanceof Error ? error.message : String(error);
  const stack = error instanceof Error && error.stack !== undefined ? { stack: error.stack } : {};
  return { code: 'BUG', message, exitCode: 70, details: {}, ...stack };
}

/** JSON that never throws: integers beyond 2^53 as hex strings, no cycles expected. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, part: unknown) =>
      typeof part === 'bigint' ? `0x${part.toString(16)}` : part,
    ),
  );
}

/** The result side of one command. */
export class Output {
  readonly json: boolean;
  readonly style: Styler;
  readonly #io: CliIo;
  #emitted = false;

  constructor(io: CliIo, options: { json?: boolean; color: ColorWhen }) {
    this.#io = io;
    this.json = options.json === true;
    this.style = createStyler(!this.json && wantsColor(options.color, io.env, io.stdout));
  }

  /**
   * The result, once per command: `document` with --json, else what `render` makes of it.
   * @param schema - also the schema that is shipped in schemas/
   * @throws BugError when the document breaks its own schema
   */
  result<T extends { schema: string }>(
    schema: z.ZodType<T>,
    document: T,
    render: (style: Styler) => string,
  ): void {
    if (this.#emitted) throw new BugError('a command gave two results');
    const checked = schema.safeParse(document);
    if (!checked.success) {
      throw new BugError(`${document.schema} breaks its own schema: ${checked.error.message}`);
    }
    this.#emitted = true;
    const text = this.json ? JSON.stringify(document, null, 2) : render(this.style);
    this.#io.stdout.write(`${text.trimEnd()}\n`);
  }

  /** Text of the guest or for a person, on stdout. Nothing with --json. */
  text(text: string): void {
    if (!this.json) this.#io.stdout.write(text);
  }

  /** One line beside the result, on stderr. */
  note(line: string): void {
    this.#io.stderr.write(`${line}\n`);
  }

  /** Reports `failure`: one line on stderr, or with --json the one document, if there was none yet. */
  failure(failure: Failure): void {
    const { code, message, exitCode, stack } = failure;
    if (this.json && !this.#emitted) {
      this.#emitted = true;
      const details = plain(failure.details) as Record<string, unknown>;
      const document = { schema: 'trapline.error/1' as const, code, message, exitCode, details };
      this.#io.stdout.write(`${JSON.stringify(errorSchema.parse(document), null, 2)}\n`);
      return;
    }
    const oneLine = message.replaceAll(/\s*\n\s*/g, ' ');
    this.note(`trapline: ${oneLine} [${code}]`);
    if (exitCode === 70) {
      this.note('This is a defect of trapline. Please report it with the lines below.');
      if (stack !== undefined) this.note(stack);
    }
  }
}
