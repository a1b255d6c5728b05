// SPDX-License-Identifier: GPL-2.0-only
// The devices of a machine in their places: the servers with their ranges, who serves them, on this thread or elsewhere,
// and what devices of this thread say of themselves.
import type { DeviceContext } from '../dm/device.ts';
import { InlineServer } from '../dm/inline-server.ts';
import type { DeviceSpec } from '../dm/registry.ts';
import type { LedgerDevice, Witness } from '../ledger/events.ts';
import { BufferedPage } from '../mem/buffered-page.ts';
import type { GuestRam } from '../mem/guest-ram.ts';
import { IoreqPage } from '../mem/ioreq-page.ts';
import { xen_event_channel_signalled } from '../xen/common/event_channel.ts';
import type { domain, vcpu } from '../xen/common/sched.ts';
import { CountedDevice } from './counted-device.ts';
import { ramAfterWrite } from './fixtures.ts';
import type { PlacedDevice } from './posted-io.ts';
import {
  createServer,
  deviceLabel,
  enableServer,
  givePci,
  giveRange,
  serverOfDevice,
} from './servers.ts';
import type { RemoteServers } from './threads/remote-servers.ts';

/** What device models are joined to. */
interface Around {
  readonly domain: domain;
  readonly vcpu: vcpu;
  readonly ram: GuestRam;
  /** Device models are elsewhere; null: on this thread. */
  readonly remote: RemoteServers | null;
}

export class DeviceModels {
  /** Those on this thread. */
  readonly servers: InlineServer[] = [];
  /** Device ranges as the ledger's start names them. */
  readonly ranges: LedgerDevice[] = [];
  /** Devices of this thread of which a write may wait. */
  readonly placed: PlacedDevice[] = [];
  readonly #counted = new Map<string, CountedDevice>();

  /** @param turning - the page that becomes RAM with its device's first write */
  add(
    devices: readonly DeviceSpec[],
    context: DeviceContext,
    around: Around,
    turning: number | undefined,
  ): void {
    const { domain: d, remote } = around;
    let last = -1;
    devices.forEach(({ factory, range }, index) => {
      const label = deviceLabel(factory.name, range);
      const id = serverOfDevice(index);
      if (id !== last) this.#connect(factory.name, around);
      last = id;
      giveRange(d, id, label, range);
      if (factory.pciConfiguration === true) givePci(d, id, label);
      this.ranges.push({ name: label, space: range.space, first: range.start, last: range.end });
      if (remote !== null) return;
      const own = factory.create(context);
      const turns = range.space === 'mmio' && turning === range.start;
      const device = new CountedDevice(turns ? ramAfterWrite(own, d, turning) : own);
      const model = this.servers[id] as InlineServer;
      model.bus.attach(device, range);
      // A write after which the page is RAM cannot wait.
      if (!turns) this.placed.push({ device, range, model });
      this.#counted.set(label, device);
    });
    for (let id = 0; id <= last; id++) enableServer(d, id);
  }

  #connect(name: string, { domain: d, vcpu, ram, remote }: Around): void {
    const { id, ioreqPage, bufferedPage, vcpuPorts, ringPort } = createServer(d, remote === null);
    if (remote !== null) {
      remote.connect(id, name, vcpuPorts, ringPort, ram);
      return;
    }
    const server = new InlineServer(name, id);
    server.connect({
      ioreqPage: new IoreqPage(ioreqPage),
      bufferedPage: new BufferedPage(bufferedPage),
      vcpuPorts,
      bufferedPort: ringPort,
      notify: (port) => xen_event_channel_signalled(d.vcpu[vcpuPorts.indexOf(port)] ?? vcpu),
      ram,
    });
    this.servers.push(server);
  }

  /** What each device counted by itself, `name@range`. */
  witnesses(): Record<string, Witness> {
    const all: Record<string, Witness> = {};
    for (const [label, { counts }] of this.#counted) all[label] = { ...(counts[0] as Witness) };
    return all;
  }
  /** The devices' own counts, in the order of the devices; the objects live as long as the devices. */
  counts(): Witness[] {
    return [...this.#counted.values()].flatMap((device) => device.counts);
  }
  /** The devices go on counting from here. */
  setWitnesses(all: Readonly<Record<string, Witness>>): void {
    for (const [label, { counts }] of this.#counted) {
      const [mine] = counts;
      const saved = all[label];
      if (mine !== undefined && saved !== undefined) Object.assign(mine, saved);
    }
  }
  /** What each device testifies, `name@range`. */
  testimonies(): Record<string, Record<string, unknown>> {
    return Object.assign({}, ...this.servers.map((s) => s.witnesses()));
  }
  inputArrived(): void {
    for (const device of this.#counted.values()) device.inputArrived();
  }
}
