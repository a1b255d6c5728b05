// SPDX-License-Identifier: GPL-2.0-only
// Help without the program: the build writes every page down, so that --help need not load twenty commands first.
import { readFileSync } from 'node:fs';

/**
 * What `trapline <argv>` prints, if it asks for help and the build has left the page.
 * @returns null: the program itself has to say it
 */
export function helpPage(argv: readonly string[]): string | null {
  const [last, ...before] = argv.toReversed();
  if (last !== '--help' && last !== '-h') return null;
  try {
    const text = readFileSync(new URL('./help-pages.json', import.meta.url), 'utf8');
    const pages = JSON.parse(text) as Record<string, string>;
    const name = before.toReversed().join(' ');
    return Object.hasOwn(pages, name) ? (pages[name] ?? null) : null;
  } catch {
    // Not built, or half of it: slower, but the same.
    return null;
  }
}
