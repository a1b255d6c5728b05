// SPDX-License-Identifier: GPL-2.0-only
// Where the emulator library is: prints its include folder (--include) or its static archive (--archive), and exits
// with 5 and one line when it is not there. UNICORN_DIR names a copy to use instead of the system's.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

function pkgConfig(variable) {
  try {
    return execFileSync('pkg-config', [`--variable=${variable}`, 'unicorn'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return '';
  }
}

/** `{include, archive}` of the first place that has both, or null. */
export function findUnicorn() {
  const own = process.env.UNICORN_DIR;
  const places = own
    ? [
        [join(own, 'include'), join(own, 'lib', 'libunicorn.a')],
        [join(own, 'include'), join(own, 'libunicorn.a')],
      ]
    : [
        [pkgConfig('includedir'), join(pkgConfig('libdir'), 'libunicorn.a')],
        ...['/usr/lib/x86_64-linux-gnu', '/usr/lib', '/usr/local/lib'].map((lib) => [
          lib.startsWith('/usr/local') ? '/usr/local/include' : '/usr/include',
          join(lib, 'libunicorn.a'),
        ]),
      ];
  for (const [include, archive] of places) {
    if (include && existsSync(join(include, 'unicorn', 'unicorn.h')) && existsSync(archive))
      return { include, archive };
  }
  return null;
}

if (process.argv[1] && import.meta.url.endsWith(process.argv[1].split('/').pop() ?? '')) {
  const found = findUnicorn();
  if (!found) {
    console.error(
      'libunicorn (header and static archive) not found: apt-get install -y libunicorn-dev, or set UNICORN_DIR',
    );
    process.exit(5);
  }
  console.log(process.argv.includes('--archive') ? found.archive : found.include);
}
