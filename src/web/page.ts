// SPDX-License-Identifier: GPL-2.0-only
// The page itself: one document without anything from elsewhere.
import { SCRIPT } from './page-script.ts';
import { STYLE } from './page-style.ts';

export const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>trapline</title>
<style>${STYLE}</style>
<header><h1>trapline serve</h1><p id="what"></p></header>
<main>
<section id="left" aria-label="Machine">
<div id="stage" tabindex="0" role="application" aria-label="Screen and keyboard of the machine" aria-describedby="hint">
<img id="screen" alt="" draggable="false">
</div>
<p id="hint">Keys go to the machine while its screen has the focus; <kbd>Ctrl</kbd> <kbd>]</kbd> leaves it.</p>
<div id="buttons" role="toolbar" aria-label="Control of the machine">
<button id="run" type="button" aria-keyshortcuts="p"><span id="run-word">Pause</span> <kbd aria-hidden="true">P</kbd></button>
<button id="step" type="button" aria-keyshortcuts="s">Step <kbd aria-hidden="true">S</kbd></button>
<button id="checkpoint" type="button" aria-keyshortcuts="c">Checkpoint <kbd aria-hidden="true">C</kbd></button>
<button id="restore" type="button" aria-keyshortcuts="r">Restore <kbd aria-hidden="true">R</kbd></button>
<button id="full" type="button" aria-keyshortcuts="f">Full screen <kbd aria-hidden="true">F</kbd></button>
</div>
<div id="state" class="card">
<span id="phase" role="status" data-phase="lost">starting</span><span id="why" role="status"></span>
<dl>
<div><dt>instructions</dt><dd id="instructions" class="mono">0</dd></div>
<div><dt>guest time</dt><dd id="time" class="mono">0.00 s</dd></div>
<div><dt>checkpoint</dt><dd id="kept" class="mono">none</dd></div>
</dl>
<dl id="registers" aria-label="Registers"></dl>
</div>
<form id="typing"><label for="line">Type a line</label><input id="line" aria-label="Type a line" autocomplete="off" autocapitalize="off" spellcheck="false" placeholder="dir, {F1}, {Ctrl-C}"><button type="submit">Send</button></form>
<div id="trouble" role="alert"></div>
</section>
<section id="io" class="card" aria-labelledby="io-title">
<div class="bar"><h2 id="io-title">I/O events</h2><label class="unseen" for="filter">Show only</label><input id="filter" type="search" placeholder="only: vga, 3d5, out" autocomplete="off" spellcheck="false"></div>
<div id="events" role="log" aria-live="off" aria-labelledby="io-title" tabindex="0">
<table><thead><tr><th scope="col">what</th><th scope="col">where</th><th scope="col">value</th><th scope="col">times</th><th scope="col">device</th></tr></thead><tbody id="rows"></tbody></table>
</div>
<details id="missing"><summary>Wanted, and not there: <span id="missing-count">nothing</span></summary><ul id="missing-list"></ul></details>
</section>
</main>
<script>${SCRIPT}</script>
`;
