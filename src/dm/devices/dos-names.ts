// SPDX-License-Identifier: GPL-2.0-only
// Paths and names as DOS programs write them: drive C only, 8.3, never out of the root.

const DRIVE = 'C';
const NAME = /^[A-Z0-9!#$%&'()@^_`{}~-]{1,8}(\.[A-Z0-9!#$%&'()@^_`{}~-]{1,3})?$/;

/** Whether a file may have this name, in capitals. */
export const isDosName = (name: string): boolean => NAME.test(name);

/**
 * A path as names from the root, `..` taken away, each cut to 8.3 as DOS does.
 * @param current - the current folder, names joined by \
 * @returns null: another drive, or above the root
 */
export function pathNames(current: string, path: string): string[] | null {
  const [, drive = DRIVE, rest = ''] = /^(?:([A-Za-z]):)?([\s\S]*)$/.exec(path.toUpperCase()) ?? [];
  if (drive !== DRIVE) return null;
  const fromRoot = /^[\\/]/.test(rest) || current === '';
  const names = fromRoot ? [] : current.split('\\');
  for (const part of rest.split(/[\\/]/)) {
    if (part === '' || part === '.') continue;
    if (part !== '..') names.push(shortened(part));
    else if (names.pop() === undefined) return null;
  }
  return names;
}

/** Eight characters, three behind the dot; blanks at the end do not count. */
function shortened(name: string): string {
  const [base, extension] = halves(name);
  const short = base.slice(0, 8).trimEnd();
  const rest = extension.slice(0, 3).trimEnd();
  return rest === '' ? short : `${short}.${rest}`;
}

function halves(name: string): [base: string, extension: string] {
  const dot = name.indexOf('.');
  return dot < 0 ? [name, ''] : [name.slice(0, dot), name.slice(dot + 1)];
}

/** A name as eleven characters, as in a file control block; `*` as so many `?`. */
export function template(name: string): string {
  return halves(name)
    .map((part, i) => {
      const length = i === 0 ? 8 : 3;
      const star = part.indexOf('*');
      return star < 0
        ? part.slice(0, length).padEnd(length)
        : part.slice(0, Math.min(star, length)).padEnd(length, '?');
    })
    .join('');
}

/** Whether a name is one of those that eleven characters with `?` stand for. */
export function fits(name: string, wanted: string): boolean {
  const own = name === '.' || name === '..' ? name.padEnd(11) : template(name);
  return [...wanted].every((char, i) => char === '?' || char === own[i]);
}
