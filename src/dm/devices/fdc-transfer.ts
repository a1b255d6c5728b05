// SPDX-License-Identifier: GPL-2.0-only
// Sectors on their way between a floppy and memory. Data moves by DMA only.
import { type FloppyDrive, type SectorFault, sectorBuffer } from './fdc-drive.ts';
import type { DmaChannel } from './i8237.ts';

const ST1_END = 0x80;
const ST1_OVERRUN = 0x10;

/** The command and the data rate; sectors that are moved are counted. */
interface Asked {
  readonly command: readonly number[];
  readonly rate: number;
  sectorsRead: number;
  sectorsWritten: number;
}

export interface TransferEnd {
  readonly fault: SectorFault | null;
  /** Cylinder, head, sector and size as the result names them. */
  readonly chrn: readonly number[];
}

export class FloppyTransfer {
  readonly #dma: DmaChannel;
  readonly #sector = sectorBuffer();

  constructor(dma: DmaChannel) {
    this.#dma = dma;
  }

  readId({ command, rate }: Asked, drive: FloppyDrive | undefined): TransferEnd {
    const head = ((command[1] ?? 0) >>> 2) & 1;
    const fault = drive === undefined ? { st1: 1, st2: 0 } : drive.readable(rate, head);
    return { fault, chrn: [drive?.cylinder ?? 0, head, 1, 2] };
  }

  /** Four bytes per sector come by DMA: its cylinder, head, number and size. */
  formatTrack(asked: Asked, drive: FloppyDrive | undefined): TransferEnd {
    const { command, rate } = asked;
    const [, select = 0, size = 0, sectors = 0, , filler = 0] = command;
    const head = (select >>> 2) & 1;
    const id = new Uint8Array(4);
    let fault: SectorFault | null = size === 2 ? null : { st1: 0x04, st2: 0 };
    this.#sector.fill(filler);
    for (let i = 0; i < sectors && fault === null; i++) {
      if (this.#dma.fromMemory(id).moved < 4) fault = { st1: ST1_OVERRUN, st2: 0 };
      else {
        const [c = 0, h = 0, r = 0] = id;
        const found = drive?.find(rate, c, h, r) ?? { st1: 1, st2: 0 };
        if (typeof found !== 'number') fault = found;
        else this.#store(asked, drive, found);
      }
    }
    return { fault, chrn: [drive?.cylinder ?? 0, head, sectors, size] };
  }

  #store(asked: Asked, drive: FloppyDrive | undefined, sector: number): void {
    drive?.medium?.write(sector, this.#sector);
    asked.sectorsWritten++;
  }

  /** READ DATA, WRITE DATA and their kin: from sector to sector until the DMA count ends, or the last sector. */
  move(asked: Asked, drive: FloppyDrive | undefined, seeks: boolean): TransferEnd {
    const { command, rate } = asked;
    const [first = 0, , cylinder = 0, , , size = 0, last = 0] = command;
    let [, , , head = 0, sector = 0] = command;
    const kind = first & 0x1f;
    const multiTrack = (first & 0x80) !== 0;
    // A last sector that the track does not have: the chip finds no data; see docs/decisions.md.
    const ofTrack = drive?.format?.sectorsPerTrack ?? 0;
    let at = cylinder;
    let fault: SectorFault | null = size === 2 ? null : { st1: 0x04, st2: 0 };
    if (kind === 0x02) sector = 1;
    if (seeks && drive !== undefined && drive.cylinder !== cylinder) drive.seek(cylinder);
    while (fault === null) {
      const found = drive?.find(rate, at, head, sector) ?? { st1: 1, st2: 0 };
      if (typeof found !== 'number') {
        fault = found;
        break;
      }
      const { moved, terminal } = this.#moveSector(asked, kind, drive, found);
      if (moved === 0) {
        fault = { st1: ST1_OVERRUN, st2: 0 };
        break;
      }
      const atEnd = sector === last || (multiTrack && sector === ofTrack && last > ofTrack);
      if (!atEnd) sector = (sector + 1) & 0xff;
      else {
        sector = 1;
        // With MT the other side follows side 0; the cylinder is over otherwise.
        const more = multiTrack && head === 0;
        head = multiTrack ? head ^ 1 : head;
        if (!more) at++;
        if (!more && kind === 0x16) break;
        if (!more && !terminal) fault = { st1: ST1_END, st2: 0 };
      }
      if (terminal) break;
    }
    return { fault, chrn: [at, head, sector, size] };
  }

  #moveSector(
    asked: Asked,
    kind: number,
    drive: FloppyDrive | undefined,
    sector: number,
  ): { moved: number; terminal: boolean } {
    if (kind === 0x05 || kind === 0x09) {
      this.#sector.fill(0);
      const done = this.#dma.fromMemory(this.#sector);
      if (done.moved > 0) this.#store(asked, drive, sector);
      return done;
    }
    drive?.medium?.read(sector, this.#sector);
    asked.sectorsRead++;
    // VERIFY moves nothing: it ends with the last sector.
    if (kind === 0x16) return { moved: this.#sector.length, terminal: false };
    return this.#dma.toMemory(this.#sector);
  }
}
