// SPDX-License-Identifier: GPL-2.0-only
// What a device model in another process is handed over: its server, the devices and their ranges, the pages' layout.
import type { SetUp } from '../../dm/process/documents.ts';
import { PROTOCOL, PROTOCOL_VERSION } from '../../dm/process/frames.ts';
import { parseServedDevice } from '../../dm/process/spec.ts';
import {
  IOREQ_BUFFER_SLOT_NUM,
  IOREQ_SIZE,
  IOREQ_SLOTS_PER_PAGE,
  PAGE_SIZE,
} from '../../xen/public/hvm_ioreq.ts';
import { deviceLabel } from '../servers.ts';
import type { BridgeWorkerData } from './process-host.ts';

export function setUpOf({ name, server, memory, devices }: BridgeWorkerData): SetUp {
  return {
    protocol: PROTOCOL,
    version: PROTOCOL_VERSION,
    server,
    name,
    vcpus: memory.vcpus,
    page: {
      bytes: PAGE_SIZE,
      slots: IOREQ_SLOTS_PER_PAGE,
      slotBytes: IOREQ_SIZE,
      ringEntries: IOREQ_BUFFER_SLOT_NUM,
    },
    devices: devices.map((text) => {
      const { factory, range } = parseServedDevice(text);
      return {
        key: deviceLabel(factory.name, range),
        name: factory.name,
        space: range.space,
        first: range.start,
        last: range.end,
      };
    }),
  };
}
