// SPDX-License-Identifier: GPL-2.0-only
// The look of the page: light and dark, wide and narrow. Nothing changes its size when what it says changes.
import { DARK, LIGHT } from '../util/page-colours.ts';

export const STYLE = `
:root{color-scheme:light dark;${LIGHT}}
@media (prefers-color-scheme:dark){:root{${DARK}}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);font:15px/1.4 system-ui,"DejaVu Sans",sans-serif}
header,main{padding:0 16px}
header{display:flex;flex-wrap:wrap;gap:4px 14px;align-items:baseline;padding-top:12px;padding-bottom:10px}
h1{font-size:17px;margin:0}
h2{font-size:14px;margin:0}
#what{color:var(--muted);font-size:13px;margin:0;overflow-wrap:anywhere}
code,kbd,output,.mono{font-family:ui-monospace,"DejaVu Sans Mono",monospace;font-variant-numeric:tabular-nums}
main{display:grid;grid-template-columns:auto minmax(380px,1fr);gap:16px;align-items:start;padding-bottom:16px}
main>*{min-width:0}
:focus-visible{outline:3px solid var(--blue);outline-offset:2px}
#stage{display:grid;place-items:center;background:#000;border-radius:4px;overflow:hidden}
#screen{display:block;image-rendering:pixelated}
#screen.soft{image-rendering:auto}
#hint{margin:8px 0 0;color:var(--muted);font-size:13px}
kbd{font-size:12px;border:1px solid var(--line);border-radius:4px;padding:0 4px;background:var(--bg);color:var(--muted)}
#buttons{display:flex;flex-wrap:wrap;gap:8px;margin:10px 0 0}
button,input{font:inherit;color:inherit;background:var(--card);border:1px solid var(--muted);border-radius:6px;padding:6px 10px;min-height:36px}
button{cursor:pointer;display:inline-flex;gap:8px;align-items:center;justify-content:space-between}
button:hover:not([aria-disabled=true]){border-color:var(--blue);background:var(--blue-bg)}
button:active:not([aria-disabled=true]){translate:0 1px}
button[aria-disabled=true]{cursor:not-allowed;color:var(--muted);border-style:dashed;border-color:var(--line);background:none}
#run{min-width:108px}
form{display:flex;gap:8px;margin:10px 0 0;align-items:center}
form label{font-size:13px;color:var(--muted)}
form input{flex:1;min-width:0}
#trouble{margin:10px 0 0;min-height:34px;padding:6px 10px;border-radius:6px;font-size:14px}
#trouble:not(:empty){background:var(--red-bg);color:var(--red);border-left:5px solid var(--red)}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px}
#state{display:grid;grid-template-columns:auto 1fr;gap:4px 12px;align-items:center;padding:10px 12px;margin:10px 0 0}
#phase{display:inline-block;min-width:86px;text-align:center;border-radius:12px;padding:2px 10px;font-weight:700;font-size:13px}
#phase[data-phase=running]{background:var(--green-bg);color:var(--green)}
#phase[data-phase=paused]{background:var(--amber-bg);color:var(--amber)}
#phase[data-phase=ended]{background:var(--purple-bg);color:var(--purple)}
#phase[data-phase=lost]{background:var(--red-bg);color:var(--red)}
#why{font-size:14px;min-height:1.4em;overflow-wrap:anywhere}
dl{display:flex;flex-wrap:wrap;gap:2px 18px;margin:0;grid-column:1/-1}
dl div{display:flex;gap:6px}
dt{color:var(--muted);font-size:13px}
dd{margin:0;font-size:13px}
#registers{border-top:1px solid var(--line);padding-top:6px;margin-top:4px;display:grid;grid-template-columns:repeat(auto-fill,minmax(98px,1fr))}
#registers .broad{grid-column:span 2}
#io{display:flex;flex-direction:column;height:calc(100vh - 68px);min-height:420px}
.bar{display:flex;flex-wrap:wrap;gap:6px 12px;align-items:center;padding:8px 12px;border-bottom:1px solid var(--line)}
.bar h2{flex:1}
.bar input{min-height:30px;padding:2px 8px;width:170px;font-size:13px}
#events{flex:1;overflow-y:auto;overscroll-behavior:contain}
table{border-collapse:collapse;width:100%;table-layout:fixed;font:13px/1.5 ui-monospace,"DejaVu Sans Mono",monospace}
th{position:sticky;top:0;background:var(--card);color:var(--muted);font-weight:400;text-align:left;box-shadow:0 1px var(--line)}
th,td{padding:0 6px;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
th:first-child,td:first-child{padding-left:12px;width:62px}
th:nth-child(2),td:nth-child(2){width:76px}
th:nth-child(3),td:nth-child(3){width:92px}
th:nth-child(4),td:nth-child(4){width:78px;text-align:right;padding-right:14px}
tr.in td:first-child,tr.read td:first-child{color:var(--blue)}
tr.out td:first-child,tr.write td:first-child{color:var(--amber)}
tr.nobody td{color:var(--red)}
tr.left td{color:var(--muted);text-align:center}
td.name,td.times{color:var(--muted)}
#missing{border-top:1px solid var(--line);padding:6px 12px;font-size:13px;max-height:30%;overflow-y:auto}
#missing summary{cursor:pointer;color:var(--muted)}
#missing ul{margin:4px 0;padding-left:20px}
#missing li{overflow-wrap:anywhere}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
@media (max-width:1060px){
main{grid-template-columns:minmax(0,1fr)}
#left{max-width:100%}
#stage{margin:0 auto}
#io{height:60vh}
}
@media (max-width:480px){
header,main{padding-left:10px;padding-right:10px}
kbd{display:none}
#buttons button{flex:1;justify-content:center}
form label{display:none}
#hint{display:none}
}
@media (prefers-reduced-motion:reduce){button:active{translate:none}}
`;
