// SPDX-License-Identifier: GPL-2.0-only
// What the guest of a PC wanted that is not there. It is forgotten when firmware begins to boot: what that looks for
// before is not what the guest wanted.

/** What guests/bios/post.inc writes to port 80h before it boots. */
const BUILTIN_BOOTS = 0x0a;

/** What the logs of SeaBIOS and of Bochs's BIOS say before they jump to a boot sector. */
const BOOTS = /(^|\n)Booting from [0-9a-f]{1,4}:[0-9a-f]{1,4}\n$/i;
const LINE_END = 0x0a;
/** As much of the log as such a line takes. */
const LOG_LINE = 40;

/** So many different things are told apart. */
const MOST_MISSING = 256;

export class Missing {
  /** How often, by what it is. */
  readonly counts = new Map<string, number>();
  /** A BIOS has begun to boot. */
  booted = false;
  /** What the BIOS wrote to its log at port 402h. */
  biosLog = '';
  readonly #builtin: boolean;
  readonly #onBoot: () => void;

  /** @param builtin - the BIOS is our own; @param onBoot - others forget as well */
  constructor(builtin: boolean, onBoot: () => void) {
    this.#builtin = builtin;
    this.#onBoot = onBoot;
  }

  add(what: string): void {
    const times = this.counts.get(what);
    if (times !== undefined || this.counts.size < MOST_MISSING) {
      this.counts.set(what, (times ?? 0) + 1);
    }
  }

  /** The BIOS tells how far it is. */
  progress(code: number): void {
    if (code === BUILTIN_BOOTS && this.#builtin) this.#boots();
  }

  /** SeaBIOS and Bochs's BIOS tell in their logs that they boot. */
  log(byte: number): void {
    if (this.biosLog.length >= 1 << 20) return;
    this.biosLog += String.fromCharCode(byte);
    if (byte === LINE_END && BOOTS.test(this.biosLog.slice(-LOG_LINE))) this.#boots();
  }

  #boots(): void {
    if (!this.booted) {
      this.counts.clear();
      this.#onBoot();
    }
    this.booted = true;
  }
}
