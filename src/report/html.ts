// SPDX-License-Identifier: GPL-2.0-only
// HTML by construction: what is put into a template is text and escaped, unless it is HTML made the same way.
import { createHash } from 'node:crypto';
import { BugError } from '../util/errors.ts';
import { STYLE } from './style.ts';

/** A piece of finished HTML. The class stays in this file: only `html` makes one. */
class Html {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }
  toString(): string {
    return this.#text;
  }
}

export type { Html };

/** What a template takes; null and false leave nothing. */
export type Part = Html | string | number | null | false | readonly Part[];

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Control characters, halves of pairs, and those that turn the direction of what follows: none can be shown. */
const UNPRINTABLE =
  /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufffe\uffff]/gu;

/** Text that means nothing but itself, in an element and in a quoted attribute. */
export function escapeText(text: string): string {
  return text
    .replaceAll(UNPRINTABLE, (c) => (c === '\n' || c === '\t' ? c : '\ufffd'))
    .replaceAll(/[&<>"']/g, (c) => ESCAPES[c] ?? '');
}

function render(part: Part): string {
  if (part === null || part === false) return '';
  if (part instanceof Html) return part.toString();
  if (typeof part === 'string') return escapeText(part);
  if (typeof part === 'number') return escapeText(String(part));
  return part.map(render).join('');
}

/**
 * A template: `html\`<p class="${c}">${text}</p>\``.
 * @throws BugError for an attribute without quotes: there, escaping would not be enough
 */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  let text = strings[0] ?? '';
  for (const [i, part] of parts.entries()) {
    if (/=\s*$/.test(text)) throw new BugError('an attribute of a template has no quotes');
    text += render(part) + (strings[i + 1] ?? '');
  }
  return new Html(text);
}

/** At most `length` characters, the last of them an ellipsis if there were more. */
export function clip(text: string, length: number): string {
  const all = [...text];
  return all.length <= length ? text : `${all.slice(0, length - 1).join('')}…`;
}

/**
 * A whole page in one file: no script, nothing fetched, and a policy that says so. The policy knows the style by its
 * hash, so a style that got into the text by any way would not apply.
 */
export function page(title: string, body: Html): string {
  const hash = createHash('sha256').update(STYLE).digest('base64');
  const policy = `default-src 'none'; style-src 'sha256-${hash}'; img-src data:; base-uri 'none'; form-action 'none'`;
  const head = html`<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>${title}</title>`;
  return `<!doctype html>
<html lang="en">
<head>
${head}
<style>${STYLE}</style>
</head>
<body>
${body}
</body>
</html>
`;
}
