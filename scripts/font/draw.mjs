// SPDX-License-Identifier: GPL-2.0-only
// From the drawn glyphs of glyphs.txt to bitmaps of 8x8 and 8x16 pixels; lines, blocks and shades are computed.

const NONE = -1;
const _ = NONE;

/** Source row of each of the sixteen rows: where a glyph is stretched without thickening its horizontals. */
const ZONES = {
  /** Capitals, digits, signs: rows 2 to 11. */
  C: [_, _, 0, 1, 1, 2, 2, 3, 4, 4, 5, 6, _, _, _, _],
  /** Capitals that reach below the line. */
  D: [_, _, 0, 1, 1, 2, 2, 3, 4, 4, 5, 6, 7, 7, _, _],
  /** Capitals under an accent. */
  A: [0, 1, 2, 3, 3, 3, 4, 5, 5, 5, 5, 6, _, _, _, _],
  /** Small letters. */
  x: [_, _, 0, 0, 1, 2, 3, 3, 4, 5, 5, 6, 7, _, _, _],
  /** Small letters that reach below the line. */
  d: [_, _, 0, 0, 1, 2, 3, 3, 3, 4, 4, 5, 6, 6, 7, _],
  /** Pictures. */
  s: [_, _, 0, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6, 7, _, _],
  /** The whole cell. */
  f: [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7],
};

const ACCENTS = {
  acute: ['....##..', '...##...'],
  grave: ['..##....', '...##...'],
  circumflex: ['..####..', '.##..##.'],
  diaeresis: ['.##..##.', '........'],
  ring: ['..####..', '..####..'],
  tilde: ['.###.##.', '##.###..'],
};

/** Arms of B3 to DA: up, down, left, right; 0 none, 1 single, 2 double. */
const LINES = [
  '1100 1110 1120 2210 0210 0120 2220 2200 0220 2020 2010 1020 0110',
  '1001 1011 0111 1101 0011 1111 1102 2201 2002 0202 2022 0222 2202 0022',
  '2222 1022 2011 0122 0211 2001 1002 0102 0201 2211 1122 1010 0101',
]
  .join(' ')
  .split(' ');

/** [above, below] of the middle that a line of `style` has its strokes at. */
const strokes = (middle, style) => (style === 2 ? [middle - 1, middle + 1] : [middle]);

/** A box-drawing glyph of 8 x `height`. */
function line(arms, height) {
  const [up, down, left, right] = [...arms].map(Number);
  const rows = new Array(height).fill(0);
  const dot = (x, y) => {
    rows[y] |= 0x80 >> x;
  };
  const middle = height === 8 ? 3 : 7;
  const vertical = Math.max(up, down);
  const horizontal = Math.max(left, right);
  const xs = vertical === 2 ? [2, 5] : [3, 4];
  const ys = strokes(middle, horizontal);
  if (vertical === 2 && horizontal === 2) {
    // The outline of a broad cross: a stroke runs through where the arm beside it is missing.
    for (let y = 0; y < height; y++) {
      const [first, last] = ys;
      const inUp = y < first;
      const inDown = y > last;
      for (const [x, beside] of [
        [xs[0], left],
        [xs[1], right],
      ]) {
        if ((inUp && up) || (inDown && down)) dot(x, y);
        if (!inUp && !inDown && !beside) dot(x, y);
        if ((y === first && up && beside) || (y === last && down && beside)) dot(x, y);
      }
    }
    for (let x = 0; x < 8; x++) {
      const inLeft = x < xs[0];
      const inRight = x > xs[1];
      for (const [y, beside] of [
        [ys[0], up],
        [ys[1], down],
      ]) {
        if ((inLeft && left) || (inRight && right)) dot(x, y);
        if (!inLeft && !inRight && !beside) dot(x, y);
      }
    }
    return rows;
  }
  if (vertical > 0) {
    const from = up ? 0 : Math.min(...ys);
    const to = down ? height - 1 : Math.max(...ys);
    for (const x of xs) for (let y = from; y <= to; y++) dot(x, y);
  }
  if (horizontal > 0) {
    const both = vertical === 2 && up && down;
    const from = left ? 0 : both ? xs[1] : xs[0];
    const to = right ? 7 : both ? xs[0] : xs[1];
    for (const y of ys) for (let x = from; x <= to; x++) dot(x, y);
  }
  return rows;
}

/** Shades, lines and blocks: B0 to DF; null for any other code. */
function computed(code, height) {
  const fill = (row) => Array.from({ length: height }, (_row, y) => row(y));
  if (code === 0xb0) return fill((y) => (y % 2 === 0 ? 0x88 : 0x22));
  if (code === 0xb1) return fill((y) => (y % 2 === 0 ? 0xaa : 0x55));
  if (code === 0xb2) return fill((y) => (y % 2 === 0 ? 0x77 : 0xdd));
  if (code === 0xdb) return fill(() => 0xff);
  if (code === 0xdc) return fill((y) => (y >= height / 2 ? 0xff : 0));
  if (code === 0xdd) return fill(() => 0xf0);
  if (code === 0xde) return fill(() => 0x0f);
  if (code === 0xdf) return fill((y) => (y < height / 2 ? 0xff : 0));
  const arms = LINES[code - 0xb3];
  return code >= 0xb3 && arms !== undefined ? line(arms, height) : null;
}

const rowBits = (text) => [...text].reduce((bits, c) => bits * 2 + (c === '#' ? 1 : 0), 0);

/** @returns {Map<number, {zone: string, rows: number[]}>} glyphs as drawn, eight rows each */
function parse(text) {
  const glyphs = new Map();
  for (const [index, source] of text.split('\n').entries()) {
    if (source === '' || source.startsWith('# ')) continue;
    const [code, zone, ...rest] = source.split(' ');
    const bad = (what) => new Error(`glyphs.txt, line ${index + 1}: ${what}`);
    const number = Number.parseInt(code, 16);
    if (glyphs.has(number)) throw bad(`${code} is there twice`);
    if (zone.startsWith('=')) {
      const base = glyphs.get(Number.parseInt(zone.slice(1), 16));
      const accent = ACCENTS[rest[0]];
      if (base === undefined || accent === undefined) throw bad('no such base or accent');
      const rows = [...accent.map(rowBits), ...base.rows.slice(2)];
      glyphs.set(number, { zone: base.zone, rows, accented: true });
      continue;
    }
    if (!Object.hasOwn(ZONES, zone)) throw bad(`no zone ${zone}`);
    if (rest.length > 8 || rest.some((row) => !/^[.#]{8}$/.test(row))) throw bad('not 8x8');
    const rows = rest.map(rowBits);
    while (rows.length < 8) rows.push(0);
    glyphs.set(number, { zone, rows, accented: false });
  }
  return glyphs;
}

function tall({ zone, rows, accented }) {
  const picked = ZONES[zone].map((row) => (row === NONE ? 0 : rows[row]));
  // An accent is not stretched: two rows, and one of air below it.
  if (accented) picked.splice(2, 3, rows[0], rows[1], 0);
  return picked;
}

/**
 * @param text - contents of glyphs.txt
 * @returns 256 glyphs of 16 and of 8 bytes, leftmost pixel in bit 7
 */
export function drawFont(text) {
  const glyphs = parse(text);
  const font = (height) =>
    Array.from({ length: 256 }, (_glyph, code) => {
      const ready = computed(code, height);
      if (ready !== null) return ready;
      const drawn =
        glyphs.get(code) ?? (code === 0 ? { zone: 'C', rows: new Array(8).fill(0) } : null);
      if (drawn === null) throw new Error(`glyphs.txt has no ${code.toString(16)}`);
      return height === 8 ? drawn.rows : tall(drawn);
    });
  return { tall: font(16), small: font(8) };
}
