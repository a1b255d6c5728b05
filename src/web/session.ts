// SPDX-License-Identifier: GPL-2.0-only
// A PC that is looked at through a page: runs, stands still, goes by single instructions, back to a checkpoint.
import type { Frame } from '../dm/devices/vga/frame.ts';
import { textDump } from '../dm/devices/vga/text.ts';
import type { Machine } from '../machine/machine.ts';
import { type Key, keysOf } from '../machine/pc/keys.ts';
import type { Pc } from '../machine/pc/platform.ts';
import { RunLoop } from '../machine/run-loop.ts';
import { encodePng } from '../screen/png.ts';
import { render } from '../screen/render.ts';
import { suspend } from '../toolstack/image/suspend.ts';
import type { Watch } from '../toolstack/limits.ts';
import { Pace } from '../toolstack/pace.ts';
import { Snapshot } from '../toolstack/snapshot.ts';
import { HvmError } from '../util/errors.ts';
import type { IoLine, IoLines } from './io-lines.ts';
import { type Commands, WebServer } from './server.ts';
import { endWords, shownOf } from './shown.ts';

/** Instructions between two looks at the page's wishes. */
const SLICE = 100_000;
const REST_MS = 20;
/** From one picture or list of accesses to the next. */
const PICTURE_MS = 80;
/** Accesses that a page which comes later is told. */
const RECENT = 100;
const BUTTONS = ['pause', 'resume', 'step', 'checkpoint', 'restore'];

export class WebSession implements Commands, Disposable {
  readonly server: WebServer;
  readonly #machine: Machine;
  readonly #pc: Pc;
  readonly #loop: RunLoop;
  readonly #lines: IoLines;
  readonly #watch: Watch;
  /** Pressed since the guest was last left: a checkpoint holds those that have reached the machine. */
  #keys: Key[] = [];
  readonly #wishes: string[] = [];
  #snapshot: Snapshot | null = null;
  #paused = false;
  /** Why it will not go on; null: it can. */
  #ended: string | null = null;
  #shown: Uint8Array = new Uint8Array();
  #said = '';
  #recent: IoLine[] = [];
  #pictureMs = 0;

  /** @param lines - hears the machine's accesses */
  constructor(machine: Machine, pc: Pc, lines: IoLines, watch: Watch) {
    this.#machine = machine;
    this.#pc = pc;
    this.#loop = new RunLoop(machine);
    this.#lines = lines;
    this.#watch = watch;
    this.server = new WebServer(this);
    this.server.send('what', pc.description, true);
  }

  key(names: string): void {
    this.#keys.push(...keysOf(names));
  }

  /**
   * Done between two instructions: here it is only noted.
   * @throws HvmError HVM_USAGE for what cannot be done, in words for the page
   */
  button(name: string): void {
    if (!BUTTONS.includes(name)) {
      throw new HvmError('HVM_USAGE', `button '${name}': expected ${BUTTONS.join(', ')}`);
    }
    const refused = this.#refusal(name);
    if (refused !== '') throw new HvmError('HVM_USAGE', `${name} refused: ${refused}`);
    this.#wishes.push(name);
  }

  /** Why a button can do nothing now; empty: it can. */
  #refusal(name: string): string {
    if (name === 'restore') return this.#noWayBack;
    const ended = this.#ended !== null && !this.#wishes.includes('restore');
    return ended && name !== 'pause' ? `the machine has ended (${this.#ended})` : '';
  }

  get #noWayBack(): string {
    if (this.#machine.domain.crashed !== null) return 'a crashed machine does not come back';
    const none = this.#snapshot === null && !this.#wishes.includes('checkpoint');
    return none ? 'there is no checkpoint yet' : '';
  }

  /** Until the signal. */
  async run(): Promise<void> {
    const { cpu } = this.#machine;
    let pace = this.#pace();
    while (!this.#watch.signal.aborted) {
      if (this.#wishes.length > 0) {
        while (this.#wishes.length > 0) this.#grant(this.#wishes.shift() ?? '');
        pace = this.#pace();
        this.#tell(true);
      }
      if (this.#paused || this.#ended !== null) {
        this.#tell(false);
        await this.#rest();
        continue;
      }
      this.#pc.press(this.#keys);
      this.#keys = [];
      this.#enter(this.#now + SLICE);
      this.#tell(false);
      await this.#watch.tick(cpu.icount, null);
      await pace.keep();
    }
  }

  /** Instructions so far. What a HLT has skipped the CPU counts only when it goes on. */
  get #now(): number {
    const { cpu } = this.#machine;
    return cpu.icount + cpu.charged;
  }

  #pace(): Pace {
    return new Pace(this.#pc.clock, this.#watch);
  }

  #rest(): Promise<void> {
    return new Promise((resolve) => this.#watch.idle(REST_MS, resolve));
  }

  #enter(deadline: number): void {
    this.#loop.deadline = deadline;
    const stop = this.#loop.run();
    if (stop === 'deadline' || stop === 'halted') return;
    this.#ended = endWords(stop, this.#machine);
  }

  #grant(wish: string): void {
    const { domain } = this.#machine;
    switch (wish) {
      case 'pause':
        this.#paused = true;
        break;
      case 'resume':
        this.#paused = false;
        break;
      case 'step':
        this.#paused = true;
        if (this.#ended === null) this.#enter(this.#now + 1);
        break;
      case 'checkpoint':
        if (this.#ended !== null) break;
        this.#checkpoint();
        break;
      case 'restore':
        if (this.#snapshot === null || domain.crashed !== null) break;
        this.#machine.regs.settle();
        this.#snapshot.reset(this.#machine);
        this.#ended = null;
        break;
      default:
    }
  }

  #checkpoint(): void {
    const snapshot = this.#snapshot ?? new Snapshot(this.#machine);
    const stop = suspend(this.#machine, this.#loop, snapshot, () => {});
    if (stop === null) this.#snapshot = snapshot;
    else this.#ended = endWords(stop, this.#machine);
  }

  /** @param now - without waiting for the next picture's time */
  #tell(now: boolean): void {
    const ms = this.#watch.clock.nowMs();
    if (!now && ms - this.#pictureMs < PICTURE_MS) return;
    this.#pictureMs = ms;
    const io = this.#lines.take();
    if (io.lines.length > 0) {
      this.server.send('io', io, false);
      this.#recent = [...this.#recent, ...io.lines].slice(-RECENT);
      this.server.remember('io', { lines: this.#recent, left: 0 });
    }
    const state = shownOf(this.#machine, {
      phase: this.#ended !== null ? 'ended' : this.#paused ? 'paused' : 'running',
      why: this.#ended ?? '',
      instructions: this.#now,
      checkpoint: this.#snapshot?.icount ?? null,
      noWayBack: this.#noWayBack,
    });
    const said = JSON.stringify(state);
    if (said !== this.#said) this.server.send('state', state, true);
    this.#said = said;
    this.#picture(this.#pc.vga.frame());
  }

  #picture(frame: Frame): void {
    const picture = render(frame);
    const key = Buffer.concat([picture.indices, Buffer.from(picture.palette.buffer)]);
    if (key.equals(this.#shown)) return;
    this.#shown = key;
    this.server.send('text', textDump(frame), true);
    this.server.send('screen', Buffer.from(encodePng(picture)).toString('base64'), true);
  }

  [Symbol.dispose](): void {
    this.server[Symbol.dispose]();
  }
}
