// SPDX-License-Identifier: GPL-2.0-only
// The colours of every page, light and dark, as properties of CSS. Each ink has a contrast of 4.5 and more on --bg, on
// --card and on the background of its own name.

export const LIGHT = `
--bg:#f4f5f7;--card:#fff;--line:#d5d9df;--text:#1b1f24;--muted:#535b66;
--blue:#0b57d0;--red:#b3261e;--green:#146c2e;--purple:#6b3fa0;--amber:#7a4f00;
--red-bg:#fdecea;--green-bg:#e6f4ea;--amber-bg:#fff4d6;--purple-bg:#f3ebfc;--blue-bg:#e8f0fe;`;

export const DARK = `
--bg:#0f1318;--card:#171c23;--line:#343c47;--text:#e7eaee;--muted:#a9b2bd;
--blue:#8ab4f8;--red:#ff9b93;--green:#81d99a;--purple:#cdb0ff;--amber:#f6c667;
--red-bg:#3a1a1a;--green-bg:#12301c;--amber-bg:#352a10;--purple-bg:#2a2140;--blue-bg:#16263f;`;
