// SPDX-License-Identifier: GPL-2.0-only
// Every form of port I/O, and the accesses each must make.
import { both, type CodeForBoth, join } from '../../helpers/guest-code.ts';
import { answerTo, DATA, type Form, PORT, pattern } from './forms.ts';

/** IN and OUT, every width, by number and by DX. EAX is a1b2c3d4 before. */
export const PLAIN_PORT_FORMS: readonly Form[] = [
  {
    name: 'in al,imm8',
    sees: 'r1@p42',
    eax: 0xa1b2c344,
    code: both('66b8d4c3b2a1e442', 'b8d4c3b2a1e442', 'mov eax,0xa1b2c3d4; in al,0x42'),
  },
  {
    name: 'in ax,imm8',
    sees: 'r2@p42',
    eax: 0xa1b23344,
    code: both('66b8d4c3b2a1e542', 'b8d4c3b2a166e542', 'mov eax,0xa1b2c3d4; in ax,0x42'),
  },
  {
    name: 'in eax,imm8',
    sees: 'r4@p42',
    eax: 0x11223344,
    code: both('66b8d4c3b2a166e542', 'b8d4c3b2a1e542', 'mov eax,0xa1b2c3d4; in eax,0x42'),
  },
  {
    name: 'in al,dx',
    sees: 'r1@p1234',
    eax: 0xa1b2c344,
    code: both(
      '66b8d4c3b2a166ba34120000ec',
      'b8d4c3b2a1ba34120000ec',
      'mov eax,0xa1b2c3d4; mov edx,0x1234; in al,dx',
    ),
  },
  {
    name: 'in ax,dx',
    sees: 'r2@p1234',
    eax: 0xa1b23344,
    code: both(
      '66b8d4c3b2a166ba34120000ed',
      'b8d4c3b2a1ba3412000066ed',
      'mov eax,0xa1b2c3d4; mov edx,0x1234; in ax,dx',
    ),
  },
  {
    name: 'in eax,dx',
    sees: 'r4@p1234',
    eax: 0x11223344,
    code: both(
      '66b8d4c3b2a166ba3412000066ed',
      'b8d4c3b2a1ba34120000ed',
      'mov eax,0xa1b2c3d4; mov edx,0x1234; in eax,dx',
    ),
  },
  {
    name: 'out imm8,al',
    sees: 'w1@p42=d4',
    eax: 0xa1b2c3d4,
    code: both('66b8d4c3b2a1e642', 'b8d4c3b2a1e642', 'mov eax,0xa1b2c3d4; out 0x42,al'),
  },
  {
    name: 'out imm8,ax',
    sees: 'w2@p42=c3d4',
    eax: 0xa1b2c3d4,
    code: both('66b8d4c3b2a1e742', 'b8d4c3b2a166e742', 'mov eax,0xa1b2c3d4; out 0x42,ax'),
  },
  {
    name: 'out imm8,eax',
    sees: 'w4@p42=a1b2c3d4',
    eax: 0xa1b2c3d4,
    code: both('66b8d4c3b2a166e742', 'b8d4c3b2a1e742', 'mov eax,0xa1b2c3d4; out 0x42,eax'),
  },
  {
    name: 'out dx,al',
    sees: 'w1@p1234=d4',
    code: both(
      '66b8d4c3b2a166ba34120000ee',
      'b8d4c3b2a1ba34120000ee',
      'mov eax,0xa1b2c3d4; mov edx,0x1234; out dx,al',
    ),
  },
  {
    name: 'out dx,ax',
    sees: 'w2@p1234=c3d4',
    code: both(
      '66b8d4c3b2a166ba34120000ef',
      'b8d4c3b2a1ba3412000066ef',
      'mov eax,0xa1b2c3d4; mov edx,0x1234; out dx,ax',
    ),
  },
  {
    name: 'out dx,eax',
    sees: 'w4@p1234=a1b2c3d4',
    code: both(
      '66b8d4c3b2a166ba3412000066ef',
      'b8d4c3b2a1ba34120000ef',
      'mov eax,0xa1b2c3d4; mov edx,0x1234; out dx,eax',
    ),
  },
  {
    name: 'the upper half of edx is no part of a port number',
    sees: 'r1@p1234',
    code: both('66ba3412ffffec', 'ba3412ffffec', 'mov edx,0xffff1234; in al,dx'),
  },
  {
    name: 'ports up to ffff',
    sees: 'r4@pffff',
    code: both('66baffff000066ed', 'baffff0000ed', 'mov edx,0xffff; in eax,dx'),
  },
  {
    name: 'many in one block',
    sees: 'r1@p1 w1@p2=44 r2@p3 w2@p4=3546 r4@p5 w4@p6=15263748',
    eax: 0x15263749,
    code: both(
      'e401e6026641e503e704664166e50566e7066640',
      'e401e6024166e50366e70441e505e70640',
      'in al,1; out 2,al; inc ecx; in ax,3; out 4,ax; inc ecx; in eax,5; out 6,eax; inc eax',
    ),
  },
];

/** ESI and EDI at DATA, with rubbish above a 16-bit index; the same for the count. */
const SET_UP: Record<2 | 4, CodeForBoth> = {
  2: both(
    '66ba3412000066b90300050066be10f0341266bf1040341266be10403412',
    'ba34120000b903000500be10f03412bf10403412be10403412',
    'mov edx,0x1234; mov ecx,0x50003; mov esi,0x1234f010; mov edi,0x12344010; mov esi,0x12344010',
  ),
  4: both(
    '66ba3412000066b90300000066be1040000066bf10400000',
    'ba34120000b903000000be10400000bf10400000',
    'mov edx,0x1234; mov ecx,3; mov esi,0x4010; mov edi,0x4010',
  ),
};
const CLD = Uint8Array.of(0xfc);
const STD = Uint8Array.of(0xfd);
const FIRST = DATA + 0x10;

/** INS and OUTS: every width, single and repeated, up and down, 16-bit and 32-bit index, in both kinds of segment. */
export const STRING_PORT_FORMS: readonly Form[] = (['ins', 'outs'] as const).flatMap((op) =>
  ([1, 2, 4] as const).flatMap((size) =>
    [false, true].flatMap((rep) =>
      [false, true].flatMap((down) =>
        ([2, 4] as const).map((addrSize) => stringForm(op, size, rep, down, addrSize)),
      ),
    ),
  ),
);

function stringForm(
  op: 'ins' | 'outs',
  size: 1 | 2 | 4,
  rep: boolean,
  down: boolean,
  addrSize: 2 | 4,
): Form {
  // a32 rep o32 insd: 67 f3 66 6d, as the segment needs them
  const code = (bits: 16 | 32): Uint8Array => {
    const prefixes = [];
    if (addrSize * 8 !== bits) prefixes.push(0x67);
    if (rep) prefixes.push(0xf3);
    if (size !== 1 && size * 8 !== bits) prefixes.push(0x66);
    const opcode = (op === 'ins' ? 0x6c : 0x6e) + (size === 1 ? 0 : 1);
    return join(SET_UP[addrSize][bits], down ? STD : CLD, Uint8Array.of(...prefixes, opcode), CLD);
  };
  const text = `a${addrSize * 8} ${rep ? 'rep ' : ''}${op}${'bwxd'.charAt(size - 1)}${down ? ' down' : ''}`;
  const accesses = [];
  for (let i = 0; i < (rep ? 3 : 1); i++) {
    const at = FIRST + (down ? -i : i) * size;
    let data = '';
    for (let b = size - 1; b >= 0; b--)
      data += pattern(at + b)
        .toString(16)
        .padStart(2, '0');
    data = data.replace(/^0+(?=.)/, '');
    accesses.push(
      op === 'ins' ? `r${size}@p${PORT.toString(16)}` : `w${size}@p${PORT.toString(16)}=${data}`,
    );
  }
  return { name: text, code: { text, 16: code(16), 32: code(32) }, sees: accesses.join(' ') };
}

/** What a repeated INS must leave in RAM: answers in the order of the accesses. */
export function insResult(form: Form, ram: Uint8Array): string | null {
  const match = /^a\d\d (rep )?ins(.)( down)?$/.exec(form.name);
  if (match === null) return null;
  const size = 'bwxd'.indexOf(match[2] ?? '') + 1;
  const step = match[3] === undefined ? size : -size;
  for (let i = 0; i < (match[1] === undefined ? 1 : 3); i++) {
    for (let b = 0; b < size; b++) {
      const found = ram[FIRST + i * step + b];
      const wanted = (answerTo(i)[0] >>> (8 * b)) & 0xff;
      if (found !== wanted) return `element ${i}, byte ${b}: ${found}, not ${wanted}`;
    }
  }
  return null;
}

/** String port I/O at its edges. */
export const ODD_STRING_FORMS: readonly Form[] = [
  {
    name: 'rep insb of nothing',
    sees: '',
    code: both(
      '6631c966ba3412000066bf00400000f36c',
      '31c9ba34120000bf00400000f36c',
      'xor ecx,ecx; mov edx,0x1234; mov edi,0x4000; rep insb',
    ),
  },
  {
    name: 'repne is rep',
    sees: 'r1@p1234 r1@p1234',
    code: both(
      '66b90200000066ba3412000066bf00400000f26c',
      'b902000000ba34120000bf00400000f26c',
      'mov ecx,2; mov edx,0x1234; mov edi,0x4000; repne insb',
    ),
  },
  {
    name: 'a 16-bit index wraps',
    sees: 'r2@p1234 r2@p1234',
    modes: [16],
    code: both(
      '66b90200000066ba3412000066bffeff0000f36d',
      'b902000000ba34120000bffeff0000f3666d',
      'mov ecx,2; mov edx,0x1234; mov edi,0xfffe; rep insw',
    ),
  },
  {
    name: 'outsb with a segment override',
    sees: 'w1@p1234=55 w1@p1234=7a',
    modes: [16],
    code: both(
      'b800038ec066be0210000066b90200000066ba34120000f3266e',
      '66b800038ec0be02100000b902000000ba34120000f3266e',
      'mov ax,0x300; mov es,ax; mov esi,0x1002; mov ecx,2; mov edx,0x1234; es rep outsb',
    ),
  },
  {
    name: 'insb into device memory',
    sees: 'r1@p1234 w1@8010=44 r1@p1234 w1@8011=46',
    code: both(
      '66b90200000066ba3412000066bf10800000f36c',
      'b902000000ba34120000bf10800000f36c',
      'mov ecx,2; mov edx,0x1234; mov edi,0x8010; rep insb',
    ),
  },
  {
    name: 'insd across the end of RAM',
    sees: 'r4@p1234 w2@8000=1122',
    code: both(
      '66ba3412000066bffe7f0000666d',
      'ba34120000bffe7f00006d',
      'mov edx,0x1234; mov edi,0x7ffe; insd',
    ),
  },
  {
    name: 'outsw from device memory',
    sees: 'r2@8010 w2@p1234=3344 r2@8012 w2@p1234=3546',
    code: both(
      '66b90200000066ba3412000066be10800000f36f',
      'b902000000ba34120000be10800000f3666f',
      'mov ecx,2; mov edx,0x1234; mov esi,0x8010; rep outsw',
    ),
  },
  {
    name: 'string I/O behind other code in its block',
    sees: 'r1@p1234 w1@p1234=44',
    code: both(
      '66ba3412000066bf0040000066436c66be004000006e6643',
      'ba34120000bf00400000436cbe004000006e43',
      'mov edx,0x1234; mov edi,0x4000; inc ebx; insb; mov esi,0x4000; outsb; inc ebx',
    ),
  },
];
