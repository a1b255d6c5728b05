// SPDX-License-Identifier: GPL-2.0-only
// Which other monitors this machine has. Nothing is installed; what is missing is named, with the command that gets it.
import { type ExecFileOptions, execFile } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { release, tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import process from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { BENCH_MMIO } from '../toolstack/bench/programs.ts';
import type { AbsentPeer, Peer } from '../toolstack/bench/versus.ts';
import { HvmError } from '../util/errors.ts';
import { startLines } from './line-peer.ts';
import type { PeerName } from './names.ts';
import { startQemu } from './qemu.ts';
import { startV86 } from './v86.ts';

const INSTALL: Readonly<Record<PeerName, string>> = {
  v86: 'npm install v86',
  qemu: 'apt-get install -y --no-install-recommends qemu-system-x86',
  kvm: 'apt-get install -y g++, on a machine whose /dev/kvm this user may open',
  'unicorn-c': 'apt-get install -y g++ pkg-config libunicorn-dev',
  'unicorn-python': 'apt-get install -y python3-unicorn',
};

/** Why a peer is absent. */
class Absent extends Error {}

/** A question to a program takes no longer, and nor does the compiler. */
const QUESTION_TIMEOUT_MS = 120_000;

const NATIVE = fileURLToPath(new URL('../../native/', import.meta.url));
const PEERS = join(NATIVE, 'peers');

const execute = promisify(execFile);

/** What a program prints. @throws Absent with what it said when it fails */
async function ask(command: string, args: readonly string[], signal: AbortSignal): Promise<string> {
  const options: ExecFileOptions = { timeout: QUESTION_TIMEOUT_MS, signal, cwd: tmpdir() };
  try {
    const { stdout } = await execute(command, args, { ...options, encoding: 'utf8' });
    return stdout.trim();
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    const said = stderr?.trim().split('\n').at(-1);
    throw new Absent(said || message.split('\n')[0] || 'it failed', { cause: error });
  }
}

/** Every program of that name on PATH. */
function onPath(name: string): string[] {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .filter((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** The package's folder. @param given - with `--v86` */
function v86Folder(given: string | null): string {
  const isOne = (folder: string): boolean =>
    ['package.json', 'build/libv86.mjs', 'build/v86.wasm'].every((f) =>
      existsSync(join(folder, f)),
    );
  if (given !== null) {
    if (isOne(given)) return resolve(given);
    throw new HvmError(
      'HVM_USAGE',
      `--v86 '${given}': expected the folder of the npm package v86, with package.json, build/libv86.mjs and build/v86.wasm`,
    );
  }
  for (const from of [pathToFileURL(join(process.cwd(), 'x')).href, import.meta.url]) {
    try {
      const folder = dirname(createRequire(from).resolve('v86/package.json'));
      if (isOne(folder)) return folder;
    } catch {
      // Not here.
    }
  }
  throw new Absent('the npm package v86 is not installed here, and --v86 names none');
}

/** What finders share: where to build, who stops it. */
interface Search {
  /** For programs that are compiled, and for ROMs. */
  readonly folder: string;
  readonly v86: string | null;
  readonly signal: AbortSignal;
}

/** Compiles a program of native/peers/. @returns the program */
async function compile(name: string, more: readonly string[], search: Search): Promise<string> {
  const [compiler] = onPath('g++');
  if (compiler === undefined) throw new Absent('no g++ on PATH');
  const program = join(search.folder, name);
  const source = join(PEERS, `${name}.cc`);
  const options = ['-O2', '-std=c++17', '-o', program, source, ...more];
  await ask(compiler, options, search.signal);
  return program;
}

/** The loop for peers with the device of native/peers/peer.h, in hexadecimal digits. */
function hex(program: { codeFor(fs: number | null): Uint8Array }): string {
  return Buffer.from(program.codeFor(BENCH_MMIO >>> 4)).toString('hex');
}

/** A loop that ends at once. */
const RETF = 'cb';

/** The kind of KVM: one of its modules; a nested `kvm_pvm` runs real mode by emulation. */
function kvmModules(): string {
  const all = existsSync('/sys/module') ? readdirSync('/sys/module') : [];
  const kinds = all.filter((name) => /^kvm_/.test(name));
  return kinds.length === 0 ? 'kvm' : kinds.join(', ');
}

const FINDERS: Readonly<Record<PeerName, (search: Search) => Promise<Omit<Peer, 'name'>>>> = {
  async v86(search) {
    const v86 = v86Folder(search.v86);
    const { version } = JSON.parse(readFileSync(join(v86, 'package.json'), 'utf8')) as {
      version?: unknown;
    };
    return {
      version: String(version),
      answeredBy: 'a JavaScript function for the port or the memory, in the same thread',
      start: (program) => startV86(v86, search.folder, program),
    };
  },

  async qemu({ folder, signal }) {
    const names = ['qemu-system-i386', 'qemu-system-x86_64'];
    const [qemu] = names.flatMap(onPath);
    if (qemu === undefined) throw new Absent(`no ${names.join(', no ')} on PATH`);
    const text = await ask(qemu, ['--version'], signal);
    if (!existsSync('/proc/self/schedstat')) {
      throw new Absent('this kernel does not tell the CPU time of a thread in /proc/PID/schedstat');
    }
    if (!(await ask(qemu, ['-device', 'help'], signal)).includes('"pc-testdev"')) {
      throw new Absent(`${qemu} is built without the device pc-testdev`);
    }
    // If we are killed, it ends too.
    const [guard] = onPath('setpriv');
    const command = guard === undefined ? [qemu] : [guard, '--pdeathsig', 'KILL', qemu];
    return {
      version: /version ([\d.]+)/.exec(text)?.[1] ?? 'unknown',
      answeredBy: "TCG; QEMU's pc-testdev, a device in C: port 0xe0, memory 0xff000000",
      start: (program) => startQemu(command, folder, program),
    };
  },

  async kvm(search) {
    if (process.platform !== 'linux' || process.arch !== 'x64') {
      throw new Absent(`no KVM for x86 on ${process.platform} ${process.arch}`);
    }
    try {
      accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
    } catch {
      throw new Absent('no /dev/kvm that this user may open');
    }
    const program = await compile('kvm', [], search);
    // It may be there and yet make no machine: it is tried.
    using _trial = await startLines(program, [RETF]).catch((error: Error) => {
      throw new Absent(error.message);
    });
    return {
      version: `${kvmModules()}, Linux ${release().split('-')[0]}`,
      answeredBy: 'the processor, and a C++ program that answers every exit itself',
      start: (loop) => startLines(program, [hex(loop)]),
    };
  },

  async 'unicorn-c'(search) {
    const finder = join(NATIVE, 'find-unicorn.mjs');
    const { signal } = search;
    const include = await ask(process.execPath, [finder, '--include'], signal);
    const archive = await ask(process.execPath, [finder, '--archive'], signal);
    const more = [`-I${include}`, archive, '-lpthread', '-lm'];
    const program = await compile('unicorn', more, search);
    return {
      version: await ask(program, ['--version'], signal),
      answeredBy: 'a hook in C++, by the public interface of the library',
      start: (loop) => startLines(program, [hex(loop)]),
    };
  },

  async 'unicorn-python'({ signal }) {
    const about = 'import unicorn; print(unicorn.__version__)';
    for (const python of onPath('python3')) {
      const version = await ask(python, ['-I', '-c', about], signal).catch(() => null);
      if (version === null) continue;
      const script = join(PEERS, 'unicorn_python.py');
      return {
        version,
        answeredBy: 'a hook in Python',
        start: (loop) => startLines(python, ['-I', script, hex(loop)]),
      };
    }
    throw new Absent('no python3 on PATH has the module unicorn');
  },
};

function temporaryFolder(): string {
  const prefix = join(tmpdir(), 'trapline-peers-');
  try {
    return mkdtempSync(prefix);
  } catch (cause) {
    throw new HvmError('HVM_OUTPUT', `cannot make a folder ${prefix}*, which peers need`, {
      cause,
    });
  }
}

/** What was found, until disposed of. */
export interface FoundPeers extends Disposable {
  readonly peers: readonly Peer[];
  readonly absent: readonly AbsentPeer[];
}

/**
 * Looks for the peers `names`, and compiles those that are programs of ours.
 * @param v86 - the folder of the npm package, or null: where Node finds it
 * @throws HvmError HVM_USAGE when there is no v86 at `v86`
 */
export async function findPeers(
  names: readonly PeerName[],
  { v86, signal }: { v86: string | null; signal: AbortSignal },
): Promise<FoundPeers> {
  const folder = temporaryFolder();
  const peers: Peer[] = [];
  const absent: AbsentPeer[] = [];
  const forget = (): void => {
    process.off('exit', forget);
    rmSync(folder, { recursive: true, force: true });
  };
  // A second Ctrl-C waits for nobody.
  process.on('exit', forget);
  try {
    for (const name of names) {
      if (signal.aborted) break;
      try {
        peers.push({ name, ...(await FINDERS[name]({ folder, v86, signal })) });
      } catch (error) {
        if (signal.aborted) break;
        if (!(error instanceof Absent)) throw error;
        absent.push({ name, why: error.message, install: INSTALL[name] });
      }
    }
  } catch (error) {
    forget();
    throw error;
  }
  return { peers, absent, [Symbol.dispose]: forget };
}
