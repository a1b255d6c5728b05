// SPDX-License-Identifier: GPL-2.0-only
// A race in a device of one's own: it fetches a value ahead, and a checkpoint between two reads throws it away.
import { explore, RegisterDevice } from 'trapline';

class Eager extends RegisterDevice {
  constructor() {
    super('counter', { next: 1, fetched: 0, lost: 0 });
  }

  read() {
    const value = this.state.fetched || this.state.next++;
    this.state.fetched = this.state.next++; // ahead of its time
    return value;
  }

  write() {}

  sleep() {
    if (this.state.fetched > 0) this.state.lost++;
    this.state.fetched = 0; // the mistake: nobody saves it
  }

  witness = () => ({ lost: this.state.lost });
}

const create = () => new Eager();
const counter = { name: 'counter', summary: 'eager', defaultRange: '0x200-0x207', create };
const { violations, schedules } = await explore({ guest: 'counter', devices: [counter] });
console.log(`${schedules} orders tried`, violations[0]?.findings, violations[0]?.schedule);
