// SPDX-License-Identifier: GPL-2.0-only
// What lies in a drive: an image that is only read, and what was written over it, sector by sector.
import { HvmError } from '../../util/errors.ts';

export const SECTOR_BYTES = 512;
/** A sector's number and its bytes. */
const ENTRY_BYTES = 4 + SECTOR_BYTES;

/** Where an image's bytes come from. */
export interface ImageSource {
  readonly bytes: number;
  /** Fills `into` from byte `at` on; what lies past the end of the image is 0. */
  read(at: number, into: Uint8Array): void;
}

/** Of bytes in memory. */
export function memoryImage(image: Uint8Array): ImageSource {
  return {
    bytes: image.length,
    read(at, into) {
      into.fill(0);
      into.set(image.subarray(at, at + into.length));
    },
  };
}

/** One floppy or disk. Writes stay in memory, above the image. */
export class Medium {
  readonly sectors: number;
  readonly #image: ImageSource;
  readonly #written = new Map<number, Uint8Array>();
  /** Text of `#written` as it was last asked for; null: something was written since. */
  #saved: string | null = '';

  /** @param sectors - more than the image has: the rest is 0 */
  constructor(image: ImageSource, sectors: number) {
    this.#image = image;
    this.sectors = sectors;
  }

  /** Sectors that were written to. */
  get dirty(): number {
    return this.#written.size;
  }

  /** @param into - 512 bytes. @returns false for a sector that is not there */
  read(sector: number, into: Uint8Array): boolean {
    if (!(sector >= 0 && sector < this.sectors)) return false;
    const over = this.#written.get(sector);
    if (over !== undefined) into.set(over);
    else this.#image.read(sector * SECTOR_BYTES, into);
    return true;
  }

  write(sector: number, from: Uint8Array): boolean {
    if (!(sector >= 0 && sector < this.sectors)) return false;
    this.#written.set(sector, from.slice(0, SECTOR_BYTES));
    this.#saved = null;
    return true;
  }

  /** Every sector that was written to, by number. */
  written(): [number, Uint8Array][] {
    return [...this.#written].sort((a, b) => a[0] - b[0]);
  }

  /** What was written, as text. */
  save(): string {
    if (this.#saved !== null) return this.#saved;
    const bytes = Buffer.alloc(this.#written.size * ENTRY_BYTES);
    this.written().forEach(([sector, data], i) => {
      bytes.writeUInt32LE(sector, i * ENTRY_BYTES);
      bytes.set(data, i * ENTRY_BYTES + 4);
    });
    this.#saved = bytes.toString('base64');
    return this.#saved;
  }

  /** @throws HvmError HVM_DEVICE_STATE */
  restore(state: string): void {
    if (state === this.#saved) return;
    const bytes = Buffer.from(state, 'base64');
    const count = bytes.length / ENTRY_BYTES;
    if (!Number.isInteger(count) || bytes.toString('base64') !== state) {
      throw new HvmError('HVM_DEVICE_STATE', 'written sectors: not whole sectors in base64');
    }
    const read = new Map<number, Uint8Array>();
    for (let i = 0; i < count; i++) {
      const at = i * ENTRY_BYTES;
      const sector = bytes.readUInt32LE(at);
      if (sector >= this.sectors) {
        throw new HvmError(
          'HVM_DEVICE_STATE',
          `written sectors: ${sector}, and the medium has ${this.sectors}`,
        );
      }
      read.set(sector, new Uint8Array(bytes.subarray(at + 4, at + ENTRY_BYTES)));
    }
    this.#written.clear();
    for (const [sector, data] of read) this.#written.set(sector, data);
    this.#saved = state;
  }
}
