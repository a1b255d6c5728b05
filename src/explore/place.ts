// SPDX-License-Identifier: GPL-2.0-only
// A vCPU's place and its local variables, as a hash. They live on the JavaScript stack, where nobody can look; but the
// path is deterministic, so they follow from the state in which the vCPU last stood between two calls (then it has
// none), how many points it has passed since, and the state it found after each point at which others have run.
import { StateHash } from './hash.ts';
import type { WorldState } from './state.ts';

export class VcpuPlace {
  readonly #world: WorldState;
  readonly #history: StateHash;
  readonly #scratch = new StateHash();
  #a = 0;
  #b = 0;
  /** Points passed. */
  #passed = 0;

  constructor(world: WorldState, history: StateHash) {
    this.#world = world;
    this.#history = history;
  }

  #addAll(h: StateHash): void {
    this.#world.addTo(h);
    h.add(this.#history.a);
    h.add(this.#history.b);
  }

  /** The vCPU stands between two calls. */
  boundary(): void {
    const h = this.#scratch;
    h.reset();
    this.#addAll(h);
    this.#a = h.a;
    this.#b = h.b;
    this.#passed = 0;
  }

  /** It comes to a point. */
  passes(): void {
    this.#passed++;
  }

  /** Others have run at the point; it goes on. */
  resumes(): void {
    const h = this.#scratch;
    h.reset(this.#a, this.#b);
    h.add(this.#passed);
    this.#addAll(h);
    this.#a = h.a;
    this.#b = h.b;
    this.#passed = 0;
  }

  /** Of a vCPU inside a call. */
  addTo(h: StateHash): void {
    h.add(this.#a);
    h.add(this.#b);
    h.add(this.#passed);
  }
}
