// SPDX-License-Identifier: GPL-2.0-only
// A device as a user writes one, in a module of its own: importing it registers it. A generator of pseudo-random numbers
// whose state depends on every access, so that an access too many or too few shows in all later answers.
const { registerDevice } = await import(
  new URL('../../../dist/dm/registry.js', import.meta.url).href
);

class Dice {
  name = 'dice';
  #state = 1;
  #mix(n) {
    this.#state = (Math.imul(this.#state ^ n, 0x9e3779b1) + 0x7f4a7c15) >>> 0;
  }
  read(offset, size, high) {
    this.#mix(offset * 16 + size);
    if (size === 8) high.hi = this.#state >>> 7;
    return this.#state;
  }
  write(offset, size, value, valueHigh) {
    this.#mix(offset + size * 4096 + value + valueHigh);
  }
  reset() {
    this.#state = 1;
  }
  sleep() {}
  wake() {}
  save() {
    return { state: this.#state };
  }
  restore({ state }) {
    this.#state = state;
  }
  witness() {
    return { state: this.#state };
  }
}

registerDevice({
  name: 'dice',
  summary: 'numbers that depend on every access before',
  defaultRange: '0x300-0x307',
  create: () => new Dice(),
});
