// SPDX-License-Identifier: GPL-2.0-only
// The devices of the package as a device model in a process of its own.
import { serveDevices } from 'trapline/device-client';

await serveDevices();
