// SPDX-License-Identifier: GPL-2.0-only
// npm run image:verify -- [images] [seed]: images of random moments, judged by Xen's own verifier.
import { judgeImages } from './xen-verifier.ts';

const [images = 1000, seed = 1] = process.argv.slice(2).map(Number);
let done = 0;
const judged = judgeImages(process.cwd(), images, seed, () => {
  done++;
  if (done % 100 === 0) process.stderr.write(`${done} of ${images}\n`);
});
const lines = [
  `verify-stream-v2 accepts ${judged.accepted} of ${judged.images} images of ${judged.guests} guests, seed ${seed}`,
];
if (judged.refused !== null) lines.push(judged.refused);
process.stdout.write(`${lines.join('\n')}\n`);
process.exitCode = judged.accepted === images ? 0 : 1;
