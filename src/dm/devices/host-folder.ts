// SPDX-License-Identifier: GPL-2.0-only
// host-folder: drive C of the built-in DOS services, a folder of the host and what the program wrote; ports 560h to 567h.
//
// Our own: guests/dos/host.inc says the same. 560h takes the bytes of a request and gives those of its answer; a byte to
// 562h does it, and 562h then reads 0 or a DOS error. 564h ends the machine with an exit code, 566h counts a call of
// INT 21h that the DOS services do not have. Files are opened for each read, so that nothing outside has to be saved.
import type { DeviceContext, DeviceState, DeviceWitness, IoSize } from '../device.ts';
import { RegisterDevice } from '../device.ts';
import { dword, entryBytes, field, text, timeOf } from './dos-bytes.ts';
import { namesOf, parsed } from './dos-change.ts';
import * as dos from './dos-entry.ts';
import { type HostFolder, type HostProgram, withProgram } from './dos-host.ts';
import { pathNames, template } from './dos-names.ts';
import { DosSearches } from './dos-search.ts';
import { DosVolume } from './dos-volume.ts';

const DATA = 0;
const COMMAND = 2;
const EXIT = 4;

const PROGRAM = 1;
const OPEN = 3;
const READ = 4;
const CLOSE = 5;
const FIND = 6;
const STAT = 7;
const PATTERN = 8;
const ENTER = 9;
const WHERE = 10;
const CREATE = 11;
const WRITE = 12;
const RESIZE = 13;
const DELETE = 14;
const RENAME = 15;
const MAKE_FOLDER = 16;
const REMOVE_FOLDER = 17;
const SET_ATTRIBUTES = 18;
const SET_TIME = 19;
const SIZE = 20;
const FREE = 21;
const FULL_NAME = 22;

const MOST_REQUEST = 4096 + 256;
const MOST_READ = 4096;
const MOST_OPEN = 250;
/** Of CREATE: the file must not be there. */
const FRESH = 0x80;

interface State {
  request: number[];
  answer: number[];
  status: number;
  /** JSON: paths of open files by number, null where there is none. */
  open: string;
  /** As `DosVolume` and `DosSearches` write themselves. */
  volume: string;
  searches: string;
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
  volume: '[]',
  searches: '[]',
  current: '',
  exitCode: -1,
};

export class HostFolderDevice extends RegisterDevice<State> {
  readonly #context: DeviceContext;
  readonly #program: HostProgram;
  readonly volume: DosVolume;
  readonly #searches: DosSearches;
  #files: (string[] | null)[] = [];

  constructor(context: DeviceContext, program: HostProgram, folder: HostFolder) {
    super('host-folder', POWER_ON);
    this.#context = context;
    this.#program = program;
    this.volume = new DosVolume(withProgram(folder, program));
    this.#searches = new DosSearches(this.volume);
  }

  /** What the program ended with; null: it has not. */
  get exitCode(): number | null {
    return this.state.exitCode < 0 ? null : this.state.exitCode;
  }

  override reset(): void {
    super.reset();
    this.#take();
  }

  override save(): DeviceState {
    this.state.open = JSON.stringify(this.#files);
    this.state.volume = this.volume.text;
    this.state.searches = this.#searches.text;
    return super.save();
  }

  override restore(saved: DeviceState): void {
    super.restore(saved);
    this.#take();
  }

  #take(): void {
    this.volume.text = this.state.volume;
    this.#searches.text = this.state.searches;
    namesOf(this.state.current);
    this.#files = parsed(this.state.open).map((path) =>
      Array.isArray(path) ? namesOf(path.join('\\')) : null,
    );
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
      if (!(error instanceof dos.DosError)) throw error;
      state.status = error.code;
    }
  }

  #answer(command: number, request: Buffer): Uint8Array | number[] {
    const { volume } = this;
    switch (command) {
      case PROGRAM: {
        const { name, tail, environment } = this.#program;
        const texts = [name, tail, ...environment, ''].map((text) => `${text}\0`);
        return Buffer.from(texts.join(''), 'latin1');
      }
      case OPEN:
        return this.#open(this.#path(text(request, 1)), request[0] ?? 0);
      case CREATE: {
        const path = this.#path(text(request, 5));
        const flags = request[0] ?? 0;
        volume.create(path, flags, timeOf(request, 1), (flags & FRESH) !== 0);
        return this.#open(path, 0);
      }
      case READ: {
        const count = Math.min(field(request, 5, 2), MOST_READ);
        const bytes = volume.read(this.#file(request), field(request, 1, 4), count);
        return [bytes.length & 0xff, bytes.length >>> 8, ...bytes];
      }
      case WRITE: {
        const bytes = request.subarray(5, 5 + MOST_READ);
        const done = volume.write(this.#file(request), field(request, 1, 4), bytes);
        return [done & 0xff, done >>> 8];
      }
      case RESIZE:
        volume.resize(this.#file(request), field(request, 1, 4));
        return [];
      case CLOSE:
        if ((request[0] ?? 0) < this.#files.length) this.#files[request[0] ?? 0] = null;
        return [];
      case SIZE:
        return dword(volume.file(this.#file(request)).bytes);
      case SET_TIME:
        volume.setTime(this.#file(request), timeOf(request, 1));
        return [];
      case STAT:
        return entryBytes(volume.find(this.#path(text(request))));
      case SET_ATTRIBUTES:
        volume.setAttributes(this.#path(text(request, 1)), request[0] ?? 0);
        return [];
      case DELETE:
        volume.remove(this.#path(text(request)));
        return [];
      case RENAME:
        return this.#rename(request);
      case PATTERN:
        return this.#pattern(text(request));
      case FIND:
        return this.#next(request);
      case FREE:
        return dword(volume.freeBytes);
      default:
        return this.#ofFolders(command, request);
    }
  }

  #ofFolders(command: number, request: Buffer): Uint8Array | number[] {
    const { state, volume } = this;
    switch (command) {
      case ENTER: {
        const path = this.#path(text(request));
        if (volume.list(path) === null) throw new dos.DosError(dos.NO_PATH);
        state.current = path.join('\\');
        return [];
      }
      case WHERE:
        return Buffer.from(`${state.current}\0`, 'latin1');
      case MAKE_FOLDER:
        volume.makeFolder(this.#path(text(request, 4)), timeOf(request, 0));
        return [];
      case REMOVE_FOLDER: {
        const path = this.#path(text(request));
        if (path.join('\\') === state.current) throw new dos.DosError(dos.CURRENT_FOLDER);
        volume.removeFolder(path);
        return [];
      }
      case FULL_NAME: {
        const names = this.#path(text(request)).join('\\');
        return Buffer.from(`C:\\${names}\0`, 'latin1');
      }
      default:
        throw new dos.DosError(dos.NO_FUNCTION);
    }
  }

  #path(name: string): string[] {
    const path = pathNames(this.state.current, name);
    if (path === null) throw new dos.DosError(dos.NO_PATH);
    return path;
  }

  #file(request: Buffer): string[] {
    const path = this.#files[request[0] ?? 0] ?? null;
    if (path === null) throw new dos.DosError(dos.BAD_HANDLE);
    return path;
  }

  /** @param mode - 1, 2: it is to be written to */
  #open(path: string[], mode: number): number[] {
    const entry = this.volume.file(path);
    const forWriting = (mode & 3) !== 0;
    if (forWriting && (entry.attributes & dos.READ_ONLY) !== 0) {
      throw new dos.DosError(dos.NO_ACCESS);
    }
    const files = this.#files;
    const free = files.indexOf(null);
    const number = free < 0 ? files.length : free;
    if (number >= MOST_OPEN) throw new dos.DosError(dos.NO_HANDLES);
    files[number] = path;
    return [...entryBytes(entry), number];
  }

  /** Open files keep their numbers under the new name. */
  #rename(request: Buffer): number[] {
    const old = this.#path(text(request));
    const path = this.#path(text(request, request.indexOf(0) + 1));
    this.volume.rename(old, path);
    this.#files = this.#files.map((file) =>
      file !== null && old.every((name, i) => file[i] === name)
        ? [...path, ...file.slice(old.length)]
        : file,
    );
    return [];
  }

  /** The folder's number and the eleven characters that are looked for. */
  #pattern(name: string): number[] {
    const isFolder = /[\\/:]$/.test(name);
    const path = this.#path(isFolder ? `${name}*.*` : name);
    const wanted = path.pop();
    if (wanted === undefined) throw new dos.DosError(dos.NO_MORE);
    if (this.volume.list(path) === null) throw new dos.DosError(dos.NO_PATH);
    const number = this.#searches.number(path);
    if (number === null) throw new dos.DosError(dos.NO_HANDLES);
    return [number & 0xff, number >>> 8, ...Buffer.from(template(wanted), 'latin1')];
  }

  #next(request: Buffer): number[] {
    const attributes = request[0] ?? 0;
    const wanted = request.toString('latin1', 1, 12);
    const from = field(request, 12, 2);
    const found = this.#searches.next(field(request, 14, 2), from, attributes, wanted);
    if (found === null) throw new dos.DosError(dos.NO_MORE);
    const { place, entry } = found;
    return [(place + 1) & 0xff, (place + 1) >>> 8, ...entryBytes(entry)];
  }
}
