// SPDX-License-Identifier: GPL-2.0-only
// Counts and keeps violations: all are counted, the first ones are kept.
import { copyList } from '../util/lists.ts';
import type { Access } from './events.ts';
import type { Violation, ViolationClass, ViolationKind } from './violations.ts';
import { describeAccess, describeIdentity, VIOLATION_KINDS } from './violations.ts';

/** Checkpoints remembered: an access that spans more is told with the oldest of them. */
const REMEMBERED = 64;

/** Collects violations in bounded memory. */
export class Reporter {
  readonly kept: Violation[] = [];
  total = 0;
  byKind: Partial<Record<ViolationKind, number>> = {};
  /** The latest checkpoints, newest last. */
  readonly #checkpoints: { seq: number; n: number; window: string }[] = [];
  readonly #limit: number;
  readonly #accesses = new Map<ViolationClass, number>();

  /** @param limit - violations kept; further ones are only counted */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Becomes what `other` is. */
  copyFrom(other: Reporter): void {
    copyList(this.#checkpoints, other.#checkpoints);
    // Searches do this 50,000 times a second, nearly always where nothing was found.
    if (this.total === 0 && other.total === 0) return;
    copyList(this.kept, other.kept);
    this.#accesses.clear();
    for (const [group, accesses] of other.#accesses) this.#accesses.set(group, accesses);
    this.byKind = { ...other.byKind };
    this.total = other.total;
  }

  /** A checkpoint went by. */
  sawCheckpoint(seq: number, n: number, window: string): void {
    if (this.#checkpoints.length === REMEMBERED) this.#checkpoints.shift();
    this.#checkpoints.push({ seq, n, window });
  }

  /** The checkpoint that fell into what began at event `firstSeq`, or else the last one. */
  #checkpointOf(firstSeq: number): { n: number; window: string } | null {
    const into = firstSeq < 0 ? undefined : this.#checkpoints.find(({ seq }) => seq > firstSeq);
    const which = into ?? this.#checkpoints.at(-1);
    return which === undefined ? null : { n: which.n, window: which.window };
  }

  /**
   * @param about - the access, or null
   * @param firstSeq - the earlier event, or -1
   * @param accesses - accesses this stands for in the count of its class
   */
  add(
    kind: ViolationKind,
    about: Access | null,
    firstSeq: number,
    seq: number,
    message: string,
    accesses = 1,
  ): void {
    const { class: group } = VIOLATION_KINDS[kind];
    this.total++;
    this.byKind[kind] = (this.byKind[kind] ?? 0) + 1;
    this.#accesses.set(group, this.accessesOf(group) + accesses);
    if (this.kept.length >= this.#limit) return;
    this.kept.push({
      kind,
      class: group,
      identity:
        about === null
          ? null
          : {
              vcpu: about.vcpu,
              insn: about.insn,
              access: about.access,
              rep: about.rep,
              count: about.count,
              lane: about.lane,
            },
      firstSeq: firstSeq < 0 ? null : firstSeq,
      seq,
      checkpoint: this.#checkpointOf(firstSeq),
      message,
    });
  }

  /** A violation about an access; the sentence begins with which one it is. */
  about(
    kind: ViolationKind,
    a: Access,
    firstSeq: number,
    seq: number,
    message: string,
    accesses: number,
  ): void {
    const sentence = `${describeIdentity(a)} (${describeAccess(a)}): ${message}`;
    this.add(kind, a, firstSeq, seq, sentence, accesses);
  }

  /** Accesses counted under a class. */
  accessesOf(group: ViolationClass): number {
    return this.#accesses.get(group) ?? 0;
  }
}
