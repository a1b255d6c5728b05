// SPDX-License-Identifier: GPL-2.0-only
// What a machine wants of its CPU besides the back-end's contract. The addon's CPU has it; the scripted one, too.
import type { CpuBackend, CpuRegisters } from './backend.ts';
import type { StringWords } from './string-words.ts';

/** INS and OUTS that the owner of a CPU carries out by himself. */
export interface StringRuns {
  /**
   * After EXIT_PIO_STRING, at the first element.
   * @returns false: an instruction whose linear addresses are not physical ones, or that is single-stepped
   */
  read(into: StringWords): boolean;
  /** All elements of the instruction just read were done: the CPU stands behind it. They are the owner's to charge. */
  done(): void;
}

/**
 * Accesses that a CPU puts into their slots by itself: the one answered last, whenever it comes again with nothing but
 * other instructions in between.
 */
export interface RequestSender {
  /** @param slot - 32 bytes of an ioreq page, kept for good. @returns a number for `arm()`; 0: it is not to be had */
  slot(slot: Uint8Array): number;
  /**
   * From the next `goOnWith()` on, until `disarm()`.
   * @param word - the slot's word with the state; @param port - its channel
   */
  arm(slot: number, word: number, port: number): void;
  disarm(): void;
  /** How many were sent so. */
  readonly sent: number;
}

export interface MachineCpu extends CpuBackend {
  readonly regs: CpuRegisters & {
    /** Ends the interrupt shadow. */
    clearShadow(): void;
  };
  /** One byte per RAM page: 1 once the guest or the host stored into it. */
  readonly dirty: Uint8Array;
  /** For `kickCpu()` from another thread. */
  readonly kickId: number;
  /** The low word of `exitAddr`, which is all of it for ports and below 4 GiB. */
  readonly exitPort: number;
  /** Of EXIT_MMIO: at most 4 bytes, and the only access of an instruction that is complete with its answer. */
  readonly exitSole: boolean;
  /** `run()`, with its exit in one word: see `whatOf` and its parts in run-page.ts. Signed 32 bits. */
  goOn(): number;
  /** `answer(data, 0)`, then `goOn()`. */
  goOnWith(data: number): number;
  /**
   * The same, for an access that `sender` has sent, when nothing was asked of the CPU since.
   * @returns WHAT_DISTURBED, and nothing has happened: the slot is not as it was sent
   */
  goOnAgain(data: number): number;
  /** Null: the CPU does not send requests by itself. */
  readonly sender: RequestSender | null;
  /** Null: only element by element, or by the registers. */
  readonly strings: StringRuns | null;
  /** A wish: `icount` is asked for at each IN and OUT. */
  countsAtPorts: boolean;
  /** Instructions charged and not yet counted. */
  readonly charged: number;
  /** An exception asked for and not yet delivered, or null. */
  injected: { readonly vector: number; readonly errorCode: number } | null;
  injectException(vector: number, errorCode: number): void;
  catchExceptions: boolean;
  readonly exception: { vector: number; errorCode: number };
  readonly exceptionsTaken: number;
  readonly irqsTaken: number;
  a20: boolean;
  /** Makes pages of RAM below 1 MiB device memory from the next instruction on, or RAM again. Their bytes stay. */
  setDevice(gpa: number, bytes: number, device: boolean): void;
  /** Guest-physical address of a linear one, or -1. */
  translate(linear: number): number;
  mayWrite(linear: number): boolean;
  /** Notes an access that the CPU does not make itself in the guest's page tables. */
  markAccess(linear: number, write: boolean): void;
  /** The byte an instruction fetch at this linear address would get, or -1. */
  codeByte(linear: number): number;
  /** Host changed RAM behind `GuestRam`'s back. */
  hostWrote(offset: number, length: number): void;
  /** Host put back what was there: translations are forgotten, pages not marked. */
  forgetCode(offset: number, length: number): void;
  /**
   * Accesses may stay in the guest from now on, as the rows of `page` say (see posted-page.ts), while its POSTED_ON is
   * 1: then `run()` may return EXIT_BUDGET before `deadline`. Absent: the CPU knows no such thing.
   * @param rings - pages of buffered requests
   */
  usePosted?(page: Uint8Array, rings: readonly Uint8Array[]): void;
  /** Calls `page(offset)` for every RAM page written since the last call, and starts over. */
  takeDirty(page: (offset: number) => void): void;
}
