// SPDX-License-Identifier: GPL-2.0-only
// The device models of a PC: which there are, at which ports, and how they are wired to each other.
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
import { Vga, type VideoWindow } from '../../dm/devices/vga/vga.ts';
import type { DeviceFactory } from '../../dm/factory.ts';
import { parseIoRange } from '../../dm/range.ts';
import type { DeviceSpec } from '../../dm/registry.ts';
import type { GuestRam } from '../../mem/guest-ram.ts';
import { calendarOf } from '../../xen/hvm/calendar.ts';
import type { PcConfig } from './config.ts';
import { EMPTY_FOLDER, hostFolder } from './folder.ts';
import { type ImageFile, openMedium } from './media.ts';
import { CONVENTIONAL_END, MEGABYTE, ROM_START, ramEnd } from './memory.ts';
import type { Missing } from './missing.ts';
import { there } from './there.ts';

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

/** What the devices are joined to. */
interface Around {
  readonly config: PcConfig;
  readonly ram: GuestRam;
  readonly board: Board;
  readonly missing: Missing;
  /** Where COM1 goes, if not where the console does. */
  readonly line: Partial<DeviceContext>;
  /** Devices that do something by themselves are added. */
  readonly timed: Timed[];
  /** Video memory; there once the domain is. */
  readonly window: () => VideoWindow;
}

/** The devices themselves are there once their machine has made them of `specs`. */
export class PcDevices implements Disposable {
  /** In the order of their servers. */
  readonly specs: readonly DeviceSpec[];
  keyboard: I8042 | null = null;
  fdc: Fdc | null = null;
  ata: Ata | null = null;
  vga: Vga | null = null;
  program: HostFolderDevice | null = null;
  readonly #around: Around;
  readonly #images: (ImageFile | null)[] = [];
  /** By interrupt line: which serial ports pull it. */
  readonly #pulled = new Map<number, number>();

  constructor(around: Around) {
    this.#around = around;
    this.specs = this.#list();
  }

  #list(): DeviceSpec[] {
    const { board, config, ram, missing } = this.#around;
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
      this.keyboard = new I8042(context, board);
      this.#around.timed.push(this.keyboard);
      return this.keyboard;
    });
    let dma: I8237 | null = null;
    addViews('i8237', ['0x0-0xf', '0x81-0x8f', '0xc0-0xdf'], () => {
      dma = new I8237(busMemory(ram, config));
      return dma;
    });
    addViews('fdc', ['0x3f0-0x3f5', '0x3f7'], (context) => {
      const images = config.floppies.map((f) => this.#open(f));
      const fdc = new Fdc(context, there(dma).channel(2), images);
      this.fdc = fdc;
      this.#around.timed.push(fdc);
      return fdc;
    });
    addViews('vga', ['0x3b0-0x3df', 'mmio:0xa0000-0xbffff'], (context) => {
      this.vga = new Vga(context, this.#around.window());
      return this.vga;
    });
    if (config.disks.length > 0) {
      addViews('ata', ['0x1f0-0x1f7', '0x3f6'], (context) => {
        this.ata = new Ata(
          context,
          config.disks.map((disk) => there(this.#open(disk))),
        );
        return this.ata;
      });
    }
    add('cmos', '0x70-0x71', () => new Cmos(this.#cmosContents()));
    const { optionRom } = config;
    if (optionRom.bytes > 0) {
      const at = ramEnd(ram.sizeBytes, config);
      const bytes = (): Uint8Array => ram.bytes.subarray(at, at + optionRom.bytes);
      const files = [{ name: `vgaroms/${optionRom.name}`, bytes }];
      add('fw-cfg', '0x510-0x511', () => new FwCfg(files));
    }
    if (config.pci) {
      const create = (): PciHost => new PciHost(board, config.disks.length > 0);
      const defaultRange = '0xcf8-0xcff';
      specs.push({
        factory: { name: 'pci-host', summary: '', defaultRange, pciConfiguration: true, create },
        range: parseIoRange(defaultRange, () => 1),
      });
    }
    const { dos } = config;
    if (dos !== null) {
      add('host-folder', '0x560-0x567', (context) => {
        const program = { ...dos, bytes: new Uint8Array(Buffer.from(dos.program, 'base64')) };
        const folder = dos.folder === null ? EMPTY_FOLDER : hostFolder(dos.folder);
        this.program = new HostFolderDevice(context, program, folder);
        return this.program;
      });
    }
    add('post', '0x80', () => new PostPort((code) => missing.progress(code)));
    add('port92', '0x92', () => new Port92(board));
    add('bios-log', '0x402', () => new BiosLog((byte) => missing.log(byte)));
    if (config.bios.startsWith('builtin') || dos !== null) {
      add('unserved-calls', '0x568-0x56b', () => new UnservedCalls((what) => missing.add(what)));
    }
    PORTS.forEach(({ range, irq }, index) => {
      add('serial', range, (context) => {
        const line = index === 0 ? this.#around.line : SILENT_LINE;
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
    const { config, ram } = this.#around;
    const [a, b] = there(this.fdc).drives;
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

  #open(config: PcConfig['floppies'][number]): ImageFile | null {
    const image = config === null ? null : openMedium(config);
    this.#images.push(image);
    return image;
  }

  [Symbol.dispose](): void {
    for (const image of this.#images) image?.[Symbol.dispose]();
  }
}

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
