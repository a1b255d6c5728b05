// SPDX-License-Identifier: GPL-2.0-only
// The guest registers that the recorded states show, kept as 64-bit numbers.
import type { cpu_user_regs } from '../../src/xen/common/sched.ts';

export const REGISTER_NAMES = [
  'rip',
  'rax',
  'rbx',
  'rcx',
  'rdx',
  'rsi',
  'rdi',
  'rsp',
  'rflags',
] as const;
export type RegisterName = (typeof REGISTER_NAMES)[number];

/** What a replay needs of the registers of one vCPU. */
export interface ReplayRegs extends cpu_user_regs {
  get(name: RegisterName): bigint;
  set(name: RegisterName, value: bigint): void;
}

/** Registers without a CPU behind them. */
export class PlainRegs implements ReplayRegs {
  readonly #values: Record<RegisterName, bigint> = {
    rip: 0n,
    rax: 0n,
    rbx: 0n,
    rcx: 0n,
    rdx: 0n,
    rsi: 0n,
    rdi: 0n,
    rsp: 0n,
    rflags: 0n,
  };

  get(name: RegisterName): bigint {
    return this.#values[name];
  }

  set(name: RegisterName, value: bigint): void {
    this.#values[name] = BigInt.asUintN(64, value);
  }

  get eax(): number {
    return Number(this.#values.rax & 0xffffffffn);
  }

  set eax(value: number) {
    this.#values.rax = (this.#values.rax & ~0xffffffffn) | BigInt(value >>> 0);
  }

  get rax_hi(): number {
    return Number(this.#values.rax >> 32n);
  }

  set rax_hi(value: number) {
    this.#values.rax = (this.#values.rax & 0xffffffffn) | (BigInt(value >>> 0) << 32n);
  }

  get eip(): number {
    return Number(this.#values.rip);
  }

  set eip(value: number) {
    this.#values.rip = BigInt(value);
  }
}
