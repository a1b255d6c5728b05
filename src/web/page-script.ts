// SPDX-License-Identifier: GPL-2.0-only
// What the page does, in the browser: tells the machine of keys and buttons, shows what the machine tells.
// A backslash is doubled here: the text is a template.

export const SCRIPT = `
'use strict';
const token = new URLSearchParams(location.search).get('token');
const of = (path) => path + '?token=' + token;
const $ = (id) => document.getElementById(id);
const put = (element, text) => { if (element.textContent !== text) element.textContent = text; };
const count = (n) => n.toLocaleString('en');
let state = null;
let lost = false;

// Errors stay until something succeeds.
const trouble = (text) => put($('trouble'), text);

// One after another: keys must not overtake each other.
let sending = Promise.resolve();
const send = (path, body) => (sending = sending.then(async () => {
  try {
    const answer = await fetch(of(path), { method: 'POST', body });
    const said = await answer.text();
    trouble(answer.ok ? '' : said);
    return answer.ok;
  } catch {
    trouble('The machine cannot be reached: ' + (path === '/key' ? 'the key' : body) + ' was not passed on.');
    return false;
  }
}));

// The screen, in whole steps of the display's own pixels wherever they fit.
const [BASE_WIDTH, BASE_HEIGHT, MOST_HEIGHT, EVENTS] = [640, 400, 480, 396];
function fit() {
  const stage = $('stage');
  const full = document.fullscreenElement === stage;
  const dots = window.devicePixelRatio;
  let [width, height] = [innerWidth, innerHeight];
  if (!full) {
    const main = document.querySelector('main');
    const style = getComputedStyle(main);
    width = main.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    if (innerWidth > 1060) width -= EVENTS;
    const steps = Math.min(Math.floor(width * dots / BASE_WIDTH), Math.floor((innerHeight - 200) * dots / BASE_HEIGHT));
    const scale = Math.max(steps / dots, 1);
    if (width >= BASE_WIDTH) [width, height] = [BASE_WIDTH * scale, Math.max(BASE_HEIGHT * scale, MOST_HEIGHT)];
    else height = width * MOST_HEIGHT / BASE_WIDTH;
  }
  stage.style.width = width + 'px';
  stage.style.height = height + 'px';
  $('left').style.width = full || innerWidth <= 1060 ? '' : width + 'px';
  const screen = $('screen');
  if (screen.naturalWidth === 0) return;
  const room = Math.min(width / screen.naturalWidth, height / screen.naturalHeight);
  const whole = Math.floor(room * dots + 0.001) / dots;
  const sharp = whole > 0 && whole > room * 0.6;
  screen.classList.toggle('soft', !sharp);
  screen.style.width = screen.naturalWidth * (sharp ? whole : room) + 'px';
}
addEventListener('resize', fit);
document.addEventListener('fullscreenchange', fit);
$('screen').addEventListener('load', fit);

function showButtons() {
  const ended = state === null || state.phase === 'ended';
  const off = { run: ended, step: ended, checkpoint: ended, restore: state === null || state.noWayBack !== '' };
  for (const [id, is] of Object.entries(off)) $(id).setAttribute('aria-disabled', String(is || lost));
  const paused = state !== null && state.phase === 'paused';
  put($('run-word'), paused ? 'Resume' : 'Pause');
  $('restore').title = state === null ? '' : state.noWayBack;
}

function showPhase() {
  const phase = lost ? 'lost' : state === null ? 'lost' : state.phase;
  $('phase').dataset.phase = phase;
  put($('phase'), lost ? 'no contact' : phase === 'lost' ? 'starting' : phase);
  put($('why'), lost ? 'The connection to the machine is lost; trying again.' : state === null ? '' : state.why);
}

function cell(row, text, kind) {
  const td = row.insertCell();
  td.textContent = text;
  if (kind) td.className = kind;
}

function showState(next) {
  state = next;
  showPhase();
  showButtons();
  put($('instructions'), count(next.instructions));
  put($('time'), (next.ms / 1000).toFixed(2) + ' s');
  put($('kept'), next.checkpoint === null ? 'none' : 'at ' + count(next.checkpoint));
  const registers = $('registers');
  if (registers.childElementCount !== next.registers.length) {
    registers.replaceChildren(...next.registers.map(([name, value]) => {
      const pair = document.createElement('div');
      if (value.length > 6) pair.className = 'broad';
      pair.append(Object.assign(document.createElement('dt'), { textContent: name }));
      pair.append(Object.assign(document.createElement('dd'), { className: 'mono' }));
      return pair;
    }));
  }
  next.registers.forEach(([, value], i) => put(registers.children[i].lastChild, value));
  put($('missing-count'), next.missing.length === 0 ? 'nothing' : count(next.missing.length));
  const list = next.missing.map(([what, times]) => what + (times > 1 ? ' \\u00d7' + count(times) : ''));
  if ($('missing-list').dataset.said !== list.join('|')) {
    $('missing-list').dataset.said = list.join('|');
    $('missing-list').replaceChildren(...list.map((text) => Object.assign(document.createElement('li'), { textContent: text })));
  }
}

const MOST_ROWS = 400;
const wanted = (row) => {
  const filter = $('filter').value.trim().toLowerCase();
  return filter === '' || row.dataset.text === undefined || row.dataset.text.includes(filter);
};
function showIo({ lines, left }) {
  const log = $('events');
  const follow = log.scrollTop + log.clientHeight >= log.scrollHeight - 40;
  const body = $('rows');
  const add = (kind) => {
    const row = body.insertRow();
    row.className = kind;
    return row;
  };
  for (const { verb, at, name, value, times, nobody } of lines.slice(-MOST_ROWS)) {
    const row = add(verb + (nobody ? ' nobody' : ''));
    row.dataset.text = [verb, at, name, value, nobody ? 'nobody' : ''].join(' ').toLowerCase();
    cell(row, verb);
    cell(row, at);
    cell(row, value);
    cell(row, times > 1 ? '\\u00d7' + count(times) : '', 'times');
    cell(row, (name + (nobody ? ' (nobody there)' : '')).trim(), 'name');
    row.hidden = !wanted(row);
  }
  if (left > 0) {
    const row = add('left');
    const td = row.insertCell();
    td.colSpan = 5;
    td.textContent = '\\u2026 ' + count(left) + ' more';
  }
  while (body.rows.length > MOST_ROWS) body.rows[0].remove();
  if (follow) log.scrollTop = log.scrollHeight;
}
$('filter').addEventListener('input', () => {
  for (const row of $('rows').rows) row.hidden = !wanted(row);
  $('events').scrollTop = $('events').scrollHeight;
});

const source = new EventSource(of('/events'));
const on = (kind, then) => source.addEventListener(kind, (e) => then(JSON.parse(e.data)));
on('screen', (png) => { $('screen').src = 'data:image/png;base64,' + png; });
on('text', (text) => { $('screen').alt = text || 'Graphics'; });
on('what', (text) => { put($('what'), text); document.title = text + ' \\u2013 trapline'; });
on('state', showState);
on('io', showIo);
const contact = (there) => {
  if (lost === !there) return;
  lost = !there;
  showPhase();
  showButtons();
};
source.onopen = () => contact(true);
source.onerror = () => contact(false);

// Keys go to the machine while its screen has the focus; Ctrl-] gives the keyboard back to the page.
const NAMES = { ArrowUp: 'Up', ArrowDown: 'Down', ArrowLeft: 'Left', ArrowRight: 'Right', Escape: 'Esc' };
$('stage').addEventListener('keydown', (e) => {
  if (['Shift', 'Control', 'Alt', 'Meta', 'AltGraph', 'Dead'].includes(e.key)) return;
  if (e.ctrlKey && (e.key === ']' || e.code === 'BracketRight')) {
    $('run').focus();
    e.preventDefault();
    return;
  }
  const single = [...e.key].length === 1;
  const held = (e.ctrlKey ? 'Ctrl-' : '') + (e.altKey ? 'Alt-' : '') + (e.shiftKey && !single ? 'Shift-' : '');
  const plain = single && held === '';
  send('/key', plain ? (e.key === '{' || e.key === '\\\\' ? '\\\\' + e.key : e.key) : '{' + held + (NAMES[e.key] || e.key) + '}');
  e.preventDefault();
});
$('stage').addEventListener('click', () => $('stage').focus());

const actions = {
  run: () => send('/button', state !== null && state.phase === 'paused' ? 'resume' : 'pause'),
  step: () => send('/button', 'step'),
  checkpoint: () => send('/button', 'checkpoint'),
  restore: () => send('/button', 'restore'),
  full: () => (document.fullscreenElement ? document.exitFullscreen() : $('stage').requestFullscreen())
    .then(() => $('stage').focus()).catch((error) => trouble('No full screen: ' + error.message)),
};
for (const [id, act] of Object.entries(actions)) {
  $(id).addEventListener('click', () => { if ($(id).getAttribute('aria-disabled') !== 'true') act(); });
}
addEventListener('keydown', (e) => {
  if (e.ctrlKey || e.altKey || e.metaKey || e.target.matches('input') || $('stage').contains(e.target)) return;
  const button = document.querySelector('button[aria-keyshortcuts="' + CSS.escape(e.key.toLowerCase()) + '"]');
  if (button === null) return;
  button.click();
  e.preventDefault();
});
$('typing').addEventListener('submit', async (e) => {
  e.preventDefault();
  const field = $('line');
  if (await send('/key', field.value + '\\\\n')) field.value = '';
});
showButtons();
fit();
$('stage').focus();
`;
