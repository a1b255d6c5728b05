// SPDX-License-Identifier: GPL-2.0-only
// A PC of the real-mode age: its devices, its clock, who types at it, and the state of all that is inside the monitor.
import type { MachineCpu } from '../../cpu/machine-cpu.ts';
import type { DeviceContext } from '../../dm/device.ts';
import type { Ata } from '../../dm/devices/ata.ts';
import type { Board, Timed } from '../../dm/devices/board.ts';
import type { Fdc } from '../../dm/devices/fdc.ts';
import type { I8042 } from '../../dm/devices/i8042.ts';
import type { Vga } from '../../dm/devices/vga/vga.ts';
import type { DeviceSpec } from '../../dm/registry.ts';
import type { GuestRam } from '../../mem/guest-ram.ts';
import { plainCopy } from '../../util/plain-copy.ts';
import type { domain } from '../../xen/common/sched.ts';
import { type RTCState, rtc_advance, rtc_init, rtc_next_event } from '../../xen/hvm/rtc.ts';
import { type hvm_irq, vpic_init } from '../../xen/hvm/vpic.ts';
import { type PITState, pit_advance, pit_init, pit_next_event } from '../../xen/hvm/vpit.ts';
import { PcClock } from './clock.ts';
import type { PcConfig } from './config.ts';
import { PcDevices } from './devices.ts';
import { writeFolder } from './folder-write.ts';
import { PicInterrupts } from './interrupts.ts';
import type { Key } from './keys.ts';
import { writeBack } from './media.ts';
import { Missing } from './missing.ts';
import type { PcState } from './state.ts';
import { there } from './there.ts';
import { Typist } from './typist.ts';
import { PcVideoWindow } from './video-window.ts';

/** The parts inside the monitor; there once the domain is. */
interface Inside {
  irq: hvm_irq;
  pit: PITState;
  rtc: RTCState;
}

/** What the wires ask of the CPU, done by the run loop at the next instruction boundary. */
export class PcBoard implements Board {
  a20 = true;
  resetWanted = false;
  /** Whether something is asked for that has not been done. */
  changed = false;
  onChange: () => void = () => {};

  setA20(on: boolean): void {
    if (on === this.a20) return;
    this.a20 = on;
    this.changed = true;
    this.onChange();
  }
  resetCpu(): void {
    this.resetWanted = true;
    this.changed = true;
    this.onChange();
  }
}

export class Pc implements Disposable {
  readonly config: PcConfig;
  readonly ram: GuestRam;
  readonly board: PcBoard = new PcBoard();
  readonly clock: PcClock;
  readonly #devices: PcDevices;
  readonly #missing: Missing;
  #folderKept = false;
  #window: PcVideoWindow | null = null;
  #inside: Inside | null = null;
  readonly #timed: Timed[] = [];

  /** What types the script, if there is one, and the keys that are pressed. */
  readonly typist: Typist;

  /** @param icount - the CPU's instruction count; @param line - where COM1 goes, if not where the console does */
  constructor(
    config: PcConfig,
    ram: GuestRam,
    icount: () => number,
    line: Partial<DeviceContext> = {},
  ) {
    this.config = config;
    this.ram = ram;
    this.clock = new PcClock(icount, this.#timed);
    this.typist = new Typist(config.script, {
      ram,
      keyboard: () => this.keyboard,
      frame: () => this.vga.frame(),
    });
    // What firmware looks for before it boots is not what the guest wanted.
    this.#missing = new Missing(config.bios.startsWith('builtin'), () => {
      this.fdc.invalid.clear();
      this.ata?.invalid.clear();
    });
    this.#devices = new PcDevices({
      config,
      ram,
      board: this.board,
      missing: this.#missing,
      line,
      timed: this.#timed,
      window: () => there(this.#window),
    });
  }

  /** In a line, for people. */
  get description(): string {
    const { bios, floppies, disks } = this.config;
    const size = (bytes: number): string => {
      if (bytes < 1024) return `${bytes} bytes`;
      return bytes % 1048576 === 0 ? `${bytes / 1048576}M` : `${Math.floor(bytes / 1024)}K`;
    };
    const drives = floppies.map((f, i) =>
      f === null ? null : `${'AB'[i]}: ${f.path} (${size(f.bytes)})`,
    );
    const rest = disks.map((d, i) => `disk ${i}: ${d.path} (${size(d.bytes)})`);
    const media = [...drives, ...rest].filter((text) => text !== null);
    return [`PC with ${size(this.ram.sizeBytes)}, BIOS ${bios}`, ...media].join(', ');
  }

  /** In the order of their servers. */
  get devices(): readonly DeviceSpec[] {
    return this.#devices.specs;
  }

  get fdc(): Fdc {
    return there(this.#devices.fdc);
  }

  /** What a .COM program ended with; null: there is none, or it has not. */
  get exitCode(): number | null {
    return this.#devices.program?.exitCode ?? null;
  }

  /** null without a disk. */
  get ata(): Ata | null {
    return this.#devices.ata;
  }

  get keyboard(): I8042 {
    return there(this.#devices.keyboard);
  }

  /** What is on screen. */
  get vga(): Vga {
    return there(this.#devices.vga);
  }

  /** Somebody at the machine presses keys, between two instructions. */
  press(keys: readonly Key[]): void {
    if (keys.length > 0) this.typist.press(keys, this.clock.nowNs());
  }

  /** Puts what is inside the monitor into the domain. @returns the machine's interrupt lines */
  init(d: domain, cpu: MachineCpu): PicInterrupts {
    this.#window = new PcVideoWindow(d, cpu);
    const irq = vpic_init(d);
    const pit = pit_init(d);
    const rtc = rtc_init(d, irq, this.config.startSeconds);
    this.#inside = { irq, pit, rtc };
    this.#timed.push(
      { nextEventNs: () => pit_next_event(pit), advance: (now) => pit_advance(pit, irq, now) },
      { nextEventNs: () => rtc_next_event(rtc), advance: (now) => rtc_advance(rtc, irq, now) },
    );
    this.#timed.push(this.typist);
    return new PicInterrupts(irq);
  }

  /** What the BIOS wrote to its log at port 402h. */
  get biosLog(): string {
    return this.#missing.biosLog;
  }

  /** Something the guest wanted is not there. */
  lacks(what: string): void {
    this.#missing.add(what);
  }

  /** What the guest wanted that is not there: most wanted first. */
  get missing(): [what: string, times: number][] {
    const commands = [...this.fdc.invalid].map(([byte, times]): [string, number] => [
      `floppy controller command 0x${byte.toString(16)}`,
      times,
    ]);
    const ofDisks = [...(this.ata?.invalid ?? [])].map(([byte, times]): [string, number] => [
      `ATA command 0x${byte.toString(16)}`,
      times,
    ]);
    return [...this.#missing.counts, ...commands, ...ofDisks].sort((a, b) => b[1] - a[1]);
  }

  /** Into the image files, as far as they may be written to. @returns sectors written */
  writeBack(): number {
    let sectors = 0;
    this.config.floppies.forEach((config, i) => {
      const medium = this.fdc.drives[i]?.medium ?? null;
      if (config !== null && medium !== null) sectors += writeBack(config, medium);
    });
    this.config.disks.forEach((config, i) => {
      const medium = this.ata?.disks[i];
      if (medium !== undefined) sectors += writeBack(config, medium);
    });
    return sectors;
  }

  /** The same of drive C, into its folder. @returns files written or deleted there */
  writeFolderBack(): number {
    const { dos } = this.config;
    if (dos === null || dos.folder === null || !dos.writable || this.#folderKept) return 0;
    return writeFolder(dos.folder, there(this.#devices.program).volume);
  }

  /** What is written to drive C stays in memory, whatever was asked for. */
  keepFolder(): void {
    this.#folderKept = true;
  }

  [Symbol.dispose](): void {
    this.#devices[Symbol.dispose]();
  }

  save(): PcState {
    const { irq, pit, rtc } = there(this.#inside);
    const missing = Object.fromEntries(this.#missing.counts);
    return plainCopy({
      irq,
      pit,
      rtc,
      a20: this.board.a20,
      typist: this.typist.state,
      missing,
      booted: this.#missing.booted,
    });
  }

  restore(state: PcState): void {
    const { irq, pit, rtc } = there(this.#inside);
    const from = plainCopy(state);
    irq.isa_irq = from.irq.isa_irq;
    for (const [i, s] of irq.vpic.entries()) Object.assign(s, from.irq.vpic[i]);
    const { channels, ...rest } = from.pit;
    Object.assign(pit, rest);
    for (const [i, c] of pit.channels.entries()) Object.assign(c, channels[i]);
    Object.assign(rtc, from.rtc);
    this.typist.state = from.typist;
    const { counts } = this.#missing;
    this.#missing.booted = from.booted;
    counts.clear();
    for (const [what, times] of Object.entries(from.missing)) counts.set(what, times);
    this.board.a20 = from.a20;
    this.board.resetWanted = false;
    this.board.changed = false;
  }
}
