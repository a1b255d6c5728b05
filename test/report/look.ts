// SPDX-License-Identifier: GPL-2.0-only
// What is asked of a page inside the browser. These functions are sent there: each has to stand alone.
// The names of the browser are known to all tests thereby; src/ is compiled without them.
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

/** Pairs of texts in drawings that lie on each other, and texts that leave their drawing. */
export function misplacedTexts(): string[] {
  const found: string[] = [];
  const texts = [...document.querySelectorAll('svg text')].map((element) => {
    let frame = element.closest('svg') as SVGSVGElement;
    while (frame.ownerSVGElement !== null) frame = frame.ownerSVGElement;
    return { said: element.textContent, box: element.getBoundingClientRect(), frame };
  });
  for (const [i, a] of texts.entries()) {
    if (a.box.width === 0) found.push(`${a.said} is not drawn`);
    const frame = a.frame.getBoundingClientRect();
    if (a.box.left < frame.left - 1 || a.box.right > frame.right + 1) {
      found.push(`${a.said} leaves its drawing`);
    }
    for (const b of texts.slice(i + 1)) {
      const wide = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
      const high = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
      if (wide > 0.5 && high > 0.5) found.push(`${a.said} | ${b.said}`);
    }
  }
  return found;
}

/** Texts with less contrast to what lies behind them than WCAG AA wants, 4.5. */
export function faintTexts(): string[] {
  type Colour = [number, number, number, number];
  const parse = (css: string): Colour => {
    const [r = 0, g = 0, b = 0, a = 1] = (css.match(/[\d.]+/g) ?? []).map(Number);
    return [r, g, b, a];
  };
  const luminance = ([r, g, b]: Colour): number => {
    const linear = (c: number): number =>
      c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4;
    return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  };
  const behind = (element: Element | null): Colour => {
    for (let e = element; e !== null; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour[3] === 1) return colour;
    }
    return [255, 255, 255, 1];
  };
  const found: string[] = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const element = node.parentElement;
    const said = node.textContent?.trim() ?? '';
    if (element === null || said === '' || element.tagName === 'title') continue;
    const style = getComputedStyle(element);
    const ink = parse(element.tagName === 'text' ? style.fill : style.color);
    const [a, b] = [luminance(ink), luminance(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)}: ${said.slice(0, 40)}`);
  }
  return found;
}

/** Figures in tables, folded away or not, that are broken over two lines. */
export function brokenFigures(): string[] {
  for (const details of document.querySelectorAll('details')) details.open = true;
  const found: string[] = [];
  const cells = document.querySelectorAll<HTMLElement>(
    'table:not(.actors table) :is(th,td):not(:first-child)',
  );
  for (const cell of cells) {
    const range = document.createRange();
    range.selectNodeContents(cell);
    const lines = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
    if (lines.size > 1) found.push(cell.textContent ?? '');
  }
  for (const details of document.querySelectorAll('details')) details.open = false;
  return found;
}

/** By how many pixels the page is wider than the window, with everything unfolded. */
export function tooWide(): number {
  for (const details of document.querySelectorAll('details')) details.open = true;
  const wide = document.documentElement.scrollWidth - window.innerWidth;
  for (const details of document.querySelectorAll('details')) details.open = false;
  return wide;
}
