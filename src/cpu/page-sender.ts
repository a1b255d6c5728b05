// SPDX-License-Identifier: GPL-2.0-only
// What the addon's CPU is told of accesses that it is to put into their slots by itself: three words of the run page.
import type { RequestSender } from './machine-cpu.ts';
import type { NativeVcpu } from './native.ts';
import { PAGE_AGAIN_PORT, PAGE_AGAIN_SLOT, PAGE_AGAIN_WORD, PAGE_SENT } from './run-page.ts';

interface KnownSlot {
  readonly buffer: ArrayBufferLike;
  readonly offset: number;
  readonly number: number;
}

export class PageSender implements RequestSender {
  readonly #vcpu: NativeVcpu;
  readonly #words: Uint32Array;
  readonly #known: KnownSlot[] = [];

  /** @param words - the run page of `vcpu` */
  constructor(vcpu: NativeVcpu, words: Uint32Array) {
    this.#vcpu = vcpu;
    this.#words = words;
  }

  slot(slot: Uint8Array): number {
    const { buffer, byteOffset: offset } = slot;
    const known = this.#known.find((k) => k.buffer === buffer && k.offset === offset);
    if (known !== undefined) return known.number;
    const number = this.#vcpu.useSlot(slot);
    if (number !== 0) this.#known.push({ buffer, offset, number });
    return number;
  }

  arm(slot: number, word: number, port: number): void {
    this.#words[PAGE_AGAIN_SLOT] = slot;
    this.#words[PAGE_AGAIN_WORD] = word;
    this.#words[PAGE_AGAIN_PORT] = port;
  }
  disarm(): void {
    this.#words[PAGE_AGAIN_SLOT] = 0;
  }
  get sent(): number {
    return (this.#words[PAGE_SENT] ?? 0) + (this.#words[PAGE_SENT + 1] ?? 0) * 2 ** 32;
  }
}
