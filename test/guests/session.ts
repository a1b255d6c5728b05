// SPDX-License-Identifier: GPL-2.0-only
// A PC that a test drives: keys typed one after another, the screen and memory looked at, COM1 recorded.
import type { InputSource } from '../../src/dm/device.ts';
import { NO_INPUT, RegisterDevice } from '../../src/dm/device.ts';
import { CP437 } from '../../src/dm/devices/vga/cp437.ts';
import type { DeviceFactory } from '../../src/dm/factory.ts';
import { parseIoRange } from '../../src/dm/range.ts';
import { loadGuest } from '../../src/machine/loader.ts';
import { Machine } from '../../src/machine/machine.ts';
import type { PcRequest } from '../../src/machine/pc/request.ts';
import { RunLoop } from '../../src/machine/run-loop.ts';
import { scanCodes } from './keys.ts';

const TEXT = 0xb8000;
const MODE = 0x449;
const KEYBOARD_HEAD = 0x41a;
const KEYBOARD_TAIL = 0x41c;
const INSTRUCTIONS_PER_MS = 10_000;
/** A guest that does not take a key within so much of its own time never will. */
const KEY_MS = 20_000;

/** Port 998h: progress, 999h: the verdict. */
class Reporter extends RegisterDevice<{ writes: number }> {
  readonly #report: (value: number) => void;
  constructor(report: (value: number) => void) {
    super('reporter', { writes: 0 });
    this.#report = report;
  }
  read(): number {
    return 0xff;
  }
  write(offset: number, _size: number, value: number): void {
    if (offset === 1) this.#report(value);
  }
}

export class Session implements Disposable {
  readonly machine: Machine;
  readonly #loop: RunLoop;
  /** What came out of COM1. */
  line = '';
  readonly #incoming: number[] = [];
  /** What the console's port got. */
  output = '';
  /** The first byte at port 999h: how a program of a test suite reports. */
  verdict: number | null = null;

  constructor(image: string, pc: PcRequest = {}) {
    const input: InputSource = { take: () => this.#incoming.shift() ?? NO_INPUT };
    this.machine = new Machine({
      guest: loadGuest(image, { machine: 'pc', pc }),
      devices: [{ factory: this.#reporter(), range: parseIoRange('0x998-0x999', () => 2) }],
      output: (byte) => (this.output += String.fromCharCode(byte)),
      line: { input, output: (byte) => (this.line += String.fromCharCode(byte)) },
    });
    this.#loop = new RunLoop(this.machine);
  }

  #reporter(): DeviceFactory {
    return {
      name: 'reporter',
      summary: '',
      defaultRange: '0x998-0x999',
      create: () => new Reporter((value) => (this.verdict ??= value)),
    };
  }

  /** So much of the guest's time. */
  run(ms: number): void {
    const { cpu } = this.machine;
    const end = cpu.icount + ms * INSTRUCTIONS_PER_MS;
    this.#loop.deadline = end;
    this.machine.inputArrived();
    const stop = this.#loop.run();
    if (stop !== 'deadline' && stop !== 'verdict') {
      throw new Error(
        `the guest stopped: ${stop} ${this.machine.domain.crashed?.reason ?? ''}\n${this.text()}`,
      );
    }
  }

  /** Until `done`, at most so much of the guest's time. */
  until(what: string, done: () => boolean, mostMs: number, stepMs = 20): void {
    for (let ms = 0; !done(); ms += stepMs) {
      if (ms >= mostMs) throw new Error(`no ${what} after ${mostMs} ms:\n${this.text()}`);
      this.run(stepMs);
    }
  }

  /** A .COM program to its end. @returns its exit code, and the first byte it wrote to port 999h */
  finish(mostMs: number): { exitCode: number | null; verdict: number | null } {
    const { pc } = this.machine;
    this.#loop.deadline = this.machine.cpu.icount + mostMs * INSTRUCTIONS_PER_MS;
    this.#loop.run();
    return { exitCode: pc?.exitCode ?? null, verdict: this.verdict };
  }

  /** Until the screen shows `text` in a row. */
  expect(text: string, mostMs = 20_000): void {
    const lines = (): boolean =>
      this.text()
        .split('\n')
        .some((line) => line.includes(text));
    this.until(`'${text}' on screen`, lines, mostMs);
  }

  /** Each key after the one before it has left the BIOS's buffer. `\n` is Enter, `{Right}` a key by name. */
  type(text: string): void {
    const { ram } = this.machine;
    const keyboard = this.machine.pc?.keyboard;
    for (const codes of scanCodes(text)) {
      for (const code of codes) {
        keyboard?.key(code);
        this.run(4);
      }
      this.run(4);
      const taken = (): boolean => ram.read(KEYBOARD_HEAD, 2) === ram.read(KEYBOARD_TAIL, 2);
      this.until('taken key', taken, KEY_MS, 4);
    }
  }

  /** Bytes that come in over COM1. */
  receive(text: string): void {
    for (const char of text) {
      this.#incoming.push(char.charCodeAt(0));
      this.run(10);
    }
  }

  get mode(): number {
    return this.machine.ram.read(MODE, 1);
  }

  memory(gpa: number, bytes: number): Buffer {
    const into = new Uint8Array(bytes);
    this.machine.ram.readBytes(gpa, into);
    return Buffer.from(into);
  }

  /** The page of 80 by 25 characters and attributes. */
  cells(): Buffer {
    return this.memory(TEXT, 4000);
  }

  /** The same as text, trailing blanks cut. */
  text(): string {
    const cells = this.cells();
    const lines = Array.from({ length: 25 }, (_, row) => {
      let line = '';
      for (let i = row * 160; i < (row + 1) * 160; i += 2) line += CP437[cells[i] ?? 0] ?? ' ';
      return line.replace(/[ \u00a0]+$/, '');
    });
    return lines.join('\n').trimEnd();
  }

  [Symbol.dispose](): void {
    this.machine[Symbol.dispose]();
  }
}
