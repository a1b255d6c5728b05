// SPDX-License-Identifier: GPL-2.0-only
// The page itself: one document without anything from elsewhere.

export const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>trapline</title>
<style>
body { margin: 0; padding: 1rem; font: 15px/1.4 system-ui, sans-serif; background: #16181d; color: #e8e8ea; }
main { display: grid; grid-template-columns: minmax(320px, 2fr) minmax(240px, 1fr); gap: 1rem; }
@media (max-width: 800px) { main { grid-template-columns: minmax(0, 1fr); } }
h1 { font-size: 1.1rem; margin: 0 0 .7rem; }
#screen { width: 100%; height: auto; aspect-ratio: 4 / 3; background: #000; image-rendering: pixelated; display: block; border: 2px solid #444; box-sizing: border-box; }
#screen:focus { outline: none; border-color: #7db4ff; }
button { font: inherit; padding: .3rem .8rem; margin: .6rem .4rem 0 0; background: #2b303b; color: inherit; border: 1px solid #666; border-radius: 4px; }
button:hover { background: #3a4150; }
#state { margin: .6rem 0 0; color: #c3c7d0; }
#events { margin: 0; height: 60vh; overflow: auto; font: 13px/1.35 monospace; background: #0e0f13; padding: .5rem; box-sizing: border-box; white-space: pre-wrap; overflow-wrap: anywhere; }
h2 { font-size: .95rem; margin: 0 0 .4rem; }
</style>
<h1 id="what">trapline</h1>
<main>
<section>
<img id="screen" tabindex="0" alt="The guest's screen" width="640" height="400">
<div id="buttons">
<button id="pause">Pause</button><button id="resume">Resume</button><button id="step">Step</button><button id="checkpoint">Checkpoint</button><button id="restore">Restore</button>
</div>
<p id="state" role="status">Click the screen, then type.</p>
</section>
<section><h2>I/O events</h2><pre id="events"></pre></section>
</main>
<script>
const token = new URLSearchParams(location.search).get('token');
const of = (path) => path + '?token=' + token;
const element = (id) => document.getElementById(id);
const post = async (path, body) => {
  const answer = await fetch(of(path), { method: 'POST', body });
  return answer.text();
};
// One after another: keys must not overtake each other.
let sending = Promise.resolve();
const send = (path, body) => (sending = sending.then(() => post(path, body)).catch(() => ''));
const source = new EventSource(of('/events'));
const on = (kind, then) => source.addEventListener(kind, (e) => then(JSON.parse(e.data)));
on('screen', (png) => { element('screen').src = 'data:image/png;base64,' + png; });
on('text', (text) => { element('screen').alt = text || 'Graphics'; });
on('state', (text) => { element('state').textContent = text; });
on('what', (text) => { element('what').textContent = text; });
on('io', (lines) => {
  const log = element('events');
  const all = log.textContent.split('\\n').concat(lines);
  log.textContent = all.slice(-300).join('\\n');
  log.scrollTop = log.scrollHeight;
});
source.onerror = () => { element('state').textContent = 'The machine has gone.'; };
const NAMES = { ArrowUp: 'Up', ArrowDown: 'Down', ArrowLeft: 'Left', ArrowRight: 'Right', Escape: 'Esc' };
element('screen').addEventListener('keydown', (e) => {
  if (['Shift', 'Control', 'Alt', 'Meta', 'AltGraph', 'Dead'].includes(e.key)) return;
  const held = (e.ctrlKey ? 'Ctrl-' : '') + (e.altKey ? 'Alt-' : '');
  const plain = [...e.key].length === 1 && held === '';
  send('/key', plain ? (e.key === '{' || e.key === '\\\\' ? '\\\\' + e.key : e.key) : '{' + held + (NAMES[e.key] || e.key) + '}');
  e.preventDefault();
});
for (const button of document.querySelectorAll('button'))
  button.addEventListener('click', async () => { element('state').textContent = await send('/button', button.id); });
element('screen').focus();
</script>
`;
