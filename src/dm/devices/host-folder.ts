// SPDX-License-Identifier: GPL-2.0-only
// host-folder: one program and a folder of the host, read only, for the built-in DOS services; ports 560h to 567h.
//
// Our own: guests/dos/data.inc says the same. 560h takes the bytes of a request and gives those of its answer; a byte to
// 562h does it, and 562h then reads 0 or a DOS error. 564h ends the machine with an exit code, 566h counts a call that
// the DOS services do not have. Files are opened for each read, so that nothing outside has to be saved.
import type { DeviceContext, DeviceWitness, IoSize } from '../device.ts';
import { RegisterDevice } from '../device.ts';
import { FileNames } from './dos-names.ts';

/** What the host has. Names are in capitals, 8.3; paths are lists of them from the folder's root. */
export interface HostFolder {
  /** Sorted by name; null: no such folder. */
  list(path: readonly string[]): readonly HostEntry[] | null;
  /** Bytes of a file from `offset` on; fewer at its end or when it is gone. */
  read(path: readonly string[], offset: number, count: number): Uint8Array;
}

export interface HostEntry {
  readonly name: string;
  readonly folder: boolean;
  readonly bytes: number;
  /** Seconds since 1970, UTC: the same on every machine. */
  readonly modified: number;
}

export interface HostProgram {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Command tail as in a PSP: with its leading blank. */
  readonly tail: string;
}

const DATA = 0;
const COMMAND = 2;
const EXIT = 4;
const MISSING = 6;

const PROGRAM = 1;
const LOAD = 2;
const OPEN = 3;
const READ = 4;
const CLOSE = 5;
const FIND = 6;
const STAT = 7;
const PATTERN = 8;
const ENTER = 9;
const WHERE = 10;

const NO_FUNCTION = 1;
const NO_FILE = 2;
const NO_PATH = 3;
const NO_HANDLES = 4;
const NO_ACCESS = 5;
const NO_MORE = 18;

const MOST_REQUEST = 256;
const MOST_READ = 4096;
const MOST_OPEN = 32;
const MOST_PATTERNS = 255;
const FOLDER = 0x10;

interface State {
  request: number[];
  answer: number[];
  status: number;
  /** JSON: paths of open files by number, null where there is none. */
  open: string;
  /** JSON: what FIND looks for, by number. */
  patterns: string;
  /** The current folder, names joined by \. */
  current: string;
  /** -1: still running. */
  exitCode: number;
}

const POWER_ON: State = {
  request: [],
  answer: [],
  status: 0,
  open: '[]',
  patterns: '[]',
  current: '',
  exitCode: -1,
};

/** Thrown inside a command only: a DOS error. */
class DosError {
  readonly code: number;
  constructor(code: number) {
    this.code = code;
  }
}

export class HostFolderDevice extends RegisterDevice<State> {
  readonly #context: DeviceContext;
  readonly #program: HostProgram;
  readonly #names: FileNames;
  readonly #folder: HostFolder;
  readonly #missing: (what: string) => void;

  /** @param missing - told of each call that is not there */
  constructor(
    context: DeviceContext,
    program: HostProgram,
    folder: HostFolder,
    missing: (what: string) => void,
  ) {
    super('host-folder', POWER_ON);
    this.#context = context;
    this.#program = program;
    this.#folder = folder;
    this.#names = new FileNames(folder);
    this.#missing = missing;
  }

  /** What the program ended with; null: it has not. */
  get exitCode(): number | null {
    return this.state.exitCode < 0 ? null : this.state.exitCode;
  }

  read(offset: number, size: IoSize): number {
    if (offset === COMMAND) return this.state.status;
    if (offset !== DATA) return 0xff;
    let value = 0;
    for (let i = 0; i < size && i < 4; i++) {
      value |= (this.state.answer.shift() ?? 0) << (8 * i);
    }
    return value >>> 0;
  }

  write(offset: number, size: IoSize, value: number): void {
    const { state } = this;
    if (offset === DATA) {
      for (let i = 0; i < size && i < 4; i++) {
        if (state.request.length < MOST_REQUEST) state.request.push((value >>> (8 * i)) & 0xff);
      }
    } else if (offset === COMMAND) {
      this.#do(value & 0xff);
    } else if (offset === EXIT) {
      state.exitCode = value & 0xff;
      this.#context.endGuest(state.exitCode === 0 ? 'success' : 'failure');
    } else if (offset === MISSING) {
      this.#missing(
        `INT 21h function ${((value >>> 8) & 0xff).toString(16).toUpperCase().padStart(2, '0')}h`,
      );
    }
  }

  override witness(): DeviceWitness {
    return { exitCode: this.state.exitCode };
  }

  #do(command: number): void {
    const { state } = this;
    const request = Buffer.from(state.request);
    state.request = [];
    state.answer = [];
    try {
      state.answer = [...this.#answer(command, request)];
      state.status = 0;
    } catch (error) {
      if (!(error instanceof DosError)) throw error;
      state.status = error.code;
    }
  }

  #answer(command: number, request: Buffer): Uint8Array | number[] {
    const { state } = this;
    switch (command) {
      case PROGRAM: {
        const { name, bytes, tail } = this.#program;
        const size = Buffer.alloc(4);
        size.writeUInt32LE(bytes.length);
        return Buffer.concat([size, Buffer.from(`${name}\0${tail}\0`, 'latin1')]);
      }
      case LOAD: {
        const at = field(request, 0, 4);
        return this.#program.bytes.subarray(at, at + Math.min(field(request, 4, 2), MOST_READ));
      }
      case OPEN:
        return this.#open(text(request));
      case READ: {
        const path = this.#files()[field(request, 0, 1)] ?? null;
        if (path === null) throw new DosError(NO_ACCESS);
        const count = Math.min(field(request, 5, 2), MOST_READ);
        const bytes = this.#folder.read(path, field(request, 1, 4), count);
        return [bytes.length & 0xff, bytes.length >>> 8, ...bytes];
      }
      case CLOSE: {
        const files = this.#files();
        if (field(request, 0, 1) < files.length) files[field(request, 0, 1)] = null;
        state.open = JSON.stringify(files);
        return [];
      }
      case STAT:
        return entryBytes(this.#find(text(request)).entry);
      case PATTERN: {
        const patterns = JSON.parse(state.patterns) as string[];
        const wanted = `${state.current}>${text(request)}`;
        let number = patterns.indexOf(wanted);
        if (number < 0) number = patterns.push(wanted) - 1;
        if (number >= MOST_PATTERNS) throw new DosError(NO_HANDLES);
        state.patterns = JSON.stringify(patterns);
        return [number];
      }
      case FIND:
        return this.#next(field(request, 0, 1), field(request, 1, 2), field(request, 3, 1));
      case ENTER: {
        const path = this.#names.folder(state.current, text(request));
        if (path === null || this.#folder.list(path) === null) throw new DosError(NO_PATH);
        state.current = path.join('\\');
        return [];
      }
      case WHERE:
        return Buffer.from(`${state.current}\0`, 'latin1');
      default:
        throw new DosError(NO_FUNCTION);
    }
  }

  #files(): (string[] | null)[] {
    return JSON.parse(this.state.open) as (string[] | null)[];
  }

  #find(name: string): { path: string[]; entry: HostEntry } {
    const path = this.#names.folder(this.state.current, name);
    const last = path?.at(-1);
    if (path === null || last === undefined) throw new DosError(NO_PATH);
    const entries = this.#folder.list(path.slice(0, -1));
    if (entries === null) throw new DosError(NO_PATH);
    const entry = entries.find((e) => e.name === last);
    if (entry === undefined) throw new DosError(NO_FILE);
    return { path, entry };
  }

  #open(name: string): number[] {
    const { path, entry } = this.#find(name);
    if (entry.folder) throw new DosError(NO_ACCESS);
    const files = this.#files();
    const free = files.indexOf(null);
    const number = free < 0 ? files.length : free;
    if (number >= MOST_OPEN) throw new DosError(NO_HANDLES);
    files[number] = path;
    this.state.open = JSON.stringify(files);
    return [...entryBytes(entry), number];
  }

  #next(attributes: number, which: number, number: number): Uint8Array {
    const wanted = (JSON.parse(this.state.patterns) as string[])[number];
    if (wanted === undefined) throw new DosError(NO_MORE);
    const [current = '', pattern = ''] = wanted.split('>');
    const matches = this.#names.matching(current, pattern);
    if (matches === null) throw new DosError(NO_PATH);
    const entry = matches.filter((e) => !e.folder || (attributes & FOLDER) !== 0)[which];
    if (entry === undefined) throw new DosError(NO_MORE);
    return entryBytes(entry);
  }
}

/** A little-endian number; what the request has not counts as 0. */
function field(request: Buffer, at: number, bytes: number): number {
  let value = 0;
  for (let i = bytes - 1; i >= 0; i--) value = value * 256 + (request[at + i] ?? 0);
  return value;
}

function text(request: Buffer): string {
  const end = request.indexOf(0);
  return request.toString('latin1', 0, end < 0 ? request.length : end);
}

/** Attribute, time, date, size, name: the second half of a DTA. */
function entryBytes(entry: HostEntry): Buffer {
  const bytes = Buffer.alloc(22);
  const { time, date } = dosTime(entry.modified);
  bytes[0] = entry.folder ? FOLDER : 0x01;
  bytes.writeUInt16LE(time, 1);
  bytes.writeUInt16LE(date, 3);
  bytes.writeUInt32LE(entry.folder ? 0 : entry.bytes >>> 0, 5);
  bytes.write(entry.name, 9, 12, 'latin1');
  return bytes;
}

const FIRST_DAY = 315532800;
const LAST_SECOND = 4354819199;
const FIRST_YEAR = 1980;

function dosTime(seconds: number): { time: number; date: number } {
  let left = Math.min(Math.max(Math.floor(seconds), FIRST_DAY), LAST_SECOND) - FIRST_DAY;
  const of = left % 86400;
  left = Math.floor(left / 86400);
  let year = FIRST_YEAR;
  for (; left >= 365 + leap(year); year++) left -= 365 + leap(year);
  const months = [31, 28 + leap(year), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
  let month = 0;
  for (; left >= (months[month] ?? 31); month++) left -= months[month] ?? 31;
  const time =
    (Math.floor(of / 3600) << 11) | (Math.floor((of % 3600) / 60) << 5) | ((of % 60) >> 1);
  return { time, date: ((year - FIRST_YEAR) << 9) | ((month + 1) << 5) | (left + 1) };
}

const leap = (year: number): number => (year % 4 === 0 && year !== 2100 ? 1 : 0);
