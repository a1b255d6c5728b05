// SPDX-License-Identifier: GPL-2.0-only
// Preloaded into `trapline exactness` by native-faults.test.ts: the addon named by TRAPLINE_TEST_ADDON takes the place
// of the built one, and its self-test is not asked. Whether the matrix sees a fault is the question here.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const loader = require.resolve('node-gyp-build');
require(loader);
const path = process.env.TRAPLINE_TEST_ADDON;
const addon = require(path);
const load = () => ({ ...addon, selfTest: () => null });
// Threads load the addon by its path.
require.cache[loader].exports = Object.assign(load, { resolve: () => path });
