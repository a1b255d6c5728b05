// SPDX-License-Identifier: GPL-2.0-only
// A PC of the real-mode age: which devices it has, at which ports, how they are wired, and the state of all that is
// inside the monitor.
import type { MachineCpu } from '../../cpu/machine-cpu.ts';
import { type DeviceContext, NO_INPUT } from '../../dm/device.ts';
import { Ata } from '../../dm/devices/ata.ts';
import { type Board, type PortDevice, PortView, type Timed } from '../../dm/devices/board.ts';
import { BiosLog, Port92, PostPort } from '../../dm/devices/board-ports.ts';
import { Cmos } from '../../dm/devices/cmos.ts';
import { debugcon } from '../../dm/devices/debugcon.ts';
import { Fdc } from '../../dm/devices/fdc.ts';
import { FwCfg } from '../../dm/devices/fw-cfg.ts';
import { HostFolderDevice } from '../../dm/devices/host-folder.ts';
import { I8042 } from '../../dm/devices/i8042.ts';
import { type BusMemory, I8237 } from '../../dm/devices/i8237.ts';
import { PciHost } from '../../dm/devices/pci-host.ts';
import { Serial } from '../../dm/devices/serial.ts';
import { UnservedCalls } from '../../dm/devices/unserved.ts';
import { verdict } from '../../dm/devices/verdict.ts';
import { Vga } from '../../dm/devices/vga/vga.ts';
import type { DeviceFactory } from '../../dm/factory.ts';
import { parseIoRange } from '../../dm/range.ts';
import type { DeviceSpec } from '../../dm/registry.ts';
import type { GuestRam } from '../../mem/guest-ram.ts';
import { BugError } from '../../util/errors.ts';
import { plainCopy } from '../../util/plain-copy.ts';
import type { domain } from '../../xen/common/sched.ts';
import { calendarOf } from '../../xen/hvm/calendar.ts';
import { type RTCState, rtc_advance, rtc_init, rtc_next_event } from '../../xen/hvm/rtc.ts';
import { type hvm_irq, vpic_init } from '../../xen/hvm/vpic.ts';
import { type PITState, pit_advance, pit_init, pit_next_event } from '../../xen/hvm/vpit.ts';
import { PcClock } from './clock.ts';
import type { PcConfig } from './config.ts';
import { EMPTY_FOLDER, hostFolder } from './folder.ts';
import { writeFolder } from './folder-write.ts';
import { PicInterrupts } from './interrupts.ts';
import type { Key } from './keys.ts';
import { type ImageFile, openMedium, writeBack } from './media.ts';
import { CONVENTIONAL_END, MEGABYTE, ROM_START, ramEnd } from './memory.ts';
import type { PcState } from './state.ts';
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
  /** In the order of their servers. */
  readonly devices: readonly DeviceSpec[];
  readonly clock: PcClock;
  /** What the BIOS wrote to its log at port 402h. */
  biosLog = '';
  #keyboard: I8042 | null = null;
  #fdc: Fdc | null = null;
  #ata: Ata | null = null;
  #program: HostFolderDevice | null = null;
  #folderKept = false;
  readonly #images: (ImageFile | null)[] = [];
  #vga: Vga | null = null;
  #window: PcVideoWindow | null = null;
  #inside: Inside | null = null;
  /** By interrupt line: which serial ports pull it. */
  readonly #pulled = new Map<number, number>();
  readonly #line: Partial<DeviceContext>;
  readonly #timed: Timed[] = [];
  readonly #missing = new Map<string, number>();
  /** A BIOS has begun to boot. */
  #booted = false;

  /** What types the script, if there is one, and the keys that are pressed. */
  readonly typist: Typist;

  /** @param icount - the CPU's instruction count; @param line - where COM1 goes, if not where the console does */
  constructor(
    config: PcConfig,
    ram: GuestRam,
    icount: () => number,
    line: Partial<DeviceContext> = {},
  ) {
    this.#line = line;
    this.config = config;
    this.ram = ram;
    this.clock = new PcClock(icount, this.#timed);
    this.typist = new Typist(config.script, {
      ram,
      keyboard: () => this.keyboard,
      frame: () => this.vga.frame(),
    });
    this.devices = this.#list();
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

  get fdc(): Fdc {
    return there(this.#fdc);
  }

  /** What a .COM program ended with; null: there is none, or it has not. */
  get exitCode(): number | null {
    return this.#program?.exitCode ?? null;
  }

  /** null without a disk. */
  get ata(): Ata | null {
    return this.#ata;
  }

  get keyboard(): I8042 {
    return there(this.#keyboard);
  }

  /** What is on screen. */
  get vga(): Vga {
    return there(this.#vga);
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

  #list(): DeviceSpec[] {
    const { board } = this;
    const specs: DeviceSpec[] = [];
    const add = (name: string, range: string, create: DeviceFactory['create']): void => {
      specs.push({
        factory: { name, summary: '', defaultRange: range, create },
        range: parseIoRange(range, () => 1),
      });
    };
    /** One device behind several ranges. */
    const addViews = (
      name: string,
      ranges: readonly string[],
      create: (context: DeviceContext) => PortDevice,
    ): void => {
      let made: PortDevice | null = null;
      ranges.forEach((range, index) => {
        const { start } = parseIoRange(range, () => 1);
        add(name, range, (context) => {
          made ??= create(context);
          return new PortView(made, start, index === 0);
        });
      });
    };
    // A word at 60h begins here; 61h alone is the monitor's.
    addViews('i8042', ['0x60-0x61', '0x64'], (context) => {
      this.#keyboard = new I8042(context, board);
      this.#timed.push(this.#keyboard);
      return this.#keyboard;
    });
    let dma: I8237 | null = null;
    addViews('i8237', ['0x0-0xf', '0x81-0x8f', '0xc0-0xdf'], () => {
      dma = new I8237(busMemory(this.ram, this.config));
      return dma;
    });
    addViews('fdc', ['0x3f0-0x3f5', '0x3f7'], (context) => {
      const images = this.config.floppies.map((f) => this.#open(f));
      const fdc = new Fdc(context, there(dma).channel(2), images);
      this.#fdc = fdc;
      this.#timed.push(fdc);
      return fdc;
    });
    addViews('vga', ['0x3b0-0x3df', 'mmio:0xa0000-0xbffff'], (context) => {
      this.#vga = new Vga(context, there(this.#window));
      return this.#vga;
    });
    if (this.config.disks.length > 0) {
      addViews('ata', ['0x1f0-0x1f7', '0x3f6'], (context) => {
        this.#ata = new Ata(
          context,
          this.config.disks.map((disk) => there(this.#open(disk))),
        );
        return this.#ata;
      });
    }
    add('cmos', '0x70-0x71', () => new Cmos(this.#cmosContents()));
    const { optionRom } = this.config;
    if (optionRom.bytes > 0) {
      const at = ramEnd(this.ram.sizeBytes, this.config);
      const bytes = (): Uint8Array => this.ram.bytes.subarray(at, at + optionRom.bytes);
      const files = [{ name: `vgaroms/${optionRom.name}`, bytes }];
      add('fw-cfg', '0x510-0x511', () => new FwCfg(files));
    }
    if (this.config.pci) {
      const create = (): PciHost => new PciHost(board, this.config.disks.length > 0);
      const defaultRange = '0xcf8-0xcff';
      specs.push({
        factory: { name: 'pci-host', summary: '', defaultRange, pciConfiguration: true, create },
        range: parseIoRange(defaultRange, () => 1),
      });
    }
    const { dos } = this.config;
    if (dos !== null) {
      add('host-folder', '0x560-0x567', (context) => {
        const program = { ...dos, bytes: new Uint8Array(Buffer.from(dos.program, 'base64')) };
        const folder = dos.folder === null ? EMPTY_FOLDER : hostFolder(dos.folder);
        this.#program = new HostFolderDevice(context, program, folder);
        return this.#program;
      });
    }
    add('post', '0x80', () => new PostPort((code) => this.#progress(code)));
    add('port92', '0x92', () => new Port92(board));
    add('bios-log', '0x402', () => new BiosLog((byte) => this.#log(byte)));
    if (this.#builtin || dos !== null) {
      add('unserved-calls', '0x568-0x56b', () => new UnservedCalls((what) => this.lacks(what)));
    }
    PORTS.forEach(({ range, irq }, index) => {
      add('serial', range, (context) => {
        const line = index === 0 ? this.#line : SILENT_LINE;
        return new Serial(this.#shared({ ...context, ...line }, index), irq);
      });
    });
    for (const factory of [debugcon, verdict]) {
      specs.push({ factory, range: parseIoRange(factory.defaultRange, () => 1) });
    }
    return specs;
  }

  /** Two devices may pull one line: it is high while one of them does. */
  #shared(context: DeviceContext, user: number): DeviceContext {
    const bit = 1 << user;
    return {
      ...context,
      raiseIrq: (line) => {
        this.#pulled.set(line, (this.#pulled.get(line) ?? 0) | bit);
        context.raiseIrq(line);
      },
      lowerIrq: (line) => {
        const left = (this.#pulled.get(line) ?? 0) & ~bit;
        this.#pulled.set(line, left);
        if (left === 0) context.lowerIrq(line);
      },
    };
  }

  #cmosContents(): ConstructorParameters<typeof Cmos>[0] {
    const { config, ram, fdc } = this;
    const [a, b] = fdc.drives;
    const { year } = calendarOf(Math.floor(config.startSeconds / 86400));
    return {
      conventionalBytes: CONVENTIONAL_END,
      extendedBytes: ramEnd(ram.sizeBytes, config) - MEGABYTE,
      floppies: [a.format?.driveType ?? EMPTY_DRIVE, b.format?.driveType ?? 0],
      disks: config.disks.length,
      century: Math.floor(year / 100),
      bootFromDisk: config.floppies[0] == null && config.disks.length > 0,
    };
  }

  /** Something the guest wanted is not there. */
  lacks(what: string): void {
    const times = this.#missing.get(what);
    if (times !== undefined || this.#missing.size < MOST_MISSING) {
      this.#missing.set(what, (times ?? 0) + 1);
    }
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
    return [...this.#missing, ...commands, ...ofDisks].sort((a, b) => b[1] - a[1]);
  }

  #open(config: PcConfig['floppies'][number]): ImageFile | null {
    const image = config === null ? null : openMedium(config);
    this.#images.push(image);
    return image;
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
    return writeFolder(dos.folder, there(this.#program).volume);
  }

  /** What is written to drive C stays in memory, whatever was asked for. */
  keepFolder(): void {
    this.#folderKept = true;
  }

  [Symbol.dispose](): void {
    for (const image of this.#images) image?.[Symbol.dispose]();
  }

  get #builtin(): boolean {
    return this.config.bios.startsWith('builtin');
  }

  #progress(code: number): void {
    if (code === BUILTIN_BOOTS && this.#builtin) this.#boots();
  }

  /** SeaBIOS and Bochs's BIOS tell in their logs that they boot. */
  #log(byte: number): void {
    if (this.biosLog.length >= 1 << 20) return;
    this.biosLog += String.fromCharCode(byte);
    if (byte === LINE_END && BOOTS.test(this.biosLog.slice(-LOG_LINE))) this.#boots();
  }

  /** What firmware looks for before it boots is not what the guest wanted. */
  #boots(): void {
    if (!this.#booted) {
      this.#missing.clear();
      this.fdc.invalid.clear();
      this.#ata?.invalid.clear();
    }
    this.#booted = true;
  }

  save(): PcState {
    const { irq, pit, rtc } = there(this.#inside);
    const missing = Object.fromEntries(this.#missing);
    return plainCopy({
      irq,
      pit,
      rtc,
      a20: this.board.a20,
      typist: this.typist.state,
      missing,
      booted: this.#booted,
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
    this.#booted = from.booted;
    this.#missing.clear();
    for (const [what, times] of Object.entries(from.missing)) this.#missing.set(what, times);
    this.board.a20 = from.a20;
    this.board.resetWanted = false;
    this.board.changed = false;
  }
}

/** What guests/bios/post.inc writes to port 80h before it boots. */
const BUILTIN_BOOTS = 0x0a;

/** What the logs of SeaBIOS and of Bochs's BIOS say before they jump to a boot sector. */
const BOOTS = /(^|\n)Booting from [0-9a-f]{1,4}:[0-9a-f]{1,4}\n$/i;
const LINE_END = 0x0a;
/** As much of the log as such a line takes. */
const LOG_LINE = 40;

/** So many different things are told apart. */
const MOST_MISSING = 256;

/** COM1 to COM4. */
const PORTS = [
  { range: '0x3f8-0x3ff', irq: 4 },
  { range: '0x2f8-0x2ff', irq: 3 },
  { range: '0x3e8-0x3ef', irq: 4 },
  { range: '0x2e8-0x2ef', irq: 3 },
] as const;
/** Nobody at the other end. */
const SILENT_LINE: Partial<DeviceContext> = { output: () => {}, input: { take: () => NO_INPUT } };

/** An empty drive is a 1.44M one. */
const EMPTY_DRIVE = 4;

/** Memory as devices on the bus reach it: ROM swallows writes. */
function busMemory(ram: GuestRam, config: PcConfig): BusMemory {
  const end = ramEnd(ram.sizeBytes, config);
  const isRom = (gpa: number): boolean => !config.shadow && gpa >= ROM_START && gpa < MEGABYTE;
  return {
    read(gpa, into) {
      if (gpa + into.length <= end) ram.readBytes(gpa, into);
      else into.fill(0xff);
    },
    write(gpa, from) {
      if (gpa + from.length <= end && !isRom(gpa)) ram.writeBytes(gpa, from);
    },
  };
}

function there<T>(part: T | null): T {
  if (part === null) throw new BugError('the PC is not built yet');
  return part;
}
