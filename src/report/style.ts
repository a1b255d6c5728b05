// SPDX-License-Identifier: GPL-2.0-only
// The one style of every page: light and dark by the reader's choice, narrow and wide, and on paper.
import { DARK, LIGHT } from '../util/page-colours.ts';

export const STYLE = `
:root{color-scheme:light dark;${LIGHT}}
@media (prefers-color-scheme:dark){:root{${DARK}}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);font:15px/1.45 system-ui,"DejaVu Sans",sans-serif;overflow-wrap:anywhere}
main{max-width:1240px;margin:0 auto;padding:20px 16px 40px}
h1{font-size:24px;line-height:1.25;margin:0 0 4px}
h2{font-size:18px;margin:28px 0 10px}
h3{font-size:15px;margin:0 0 8px}
p{margin:0 0 8px}
code,pre{font-family:ui-monospace,"DejaVu Sans Mono",monospace;font-size:.87em}
code{background:var(--bg);border-radius:4px;padding:1px 4px}
pre{background:var(--bg);border:1px solid var(--line);border-radius:6px;padding:8px 10px;margin:6px 0 0;white-space:pre-wrap}
.muted{color:var(--muted)}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px;margin:0}
.card>p:last-child{margin-bottom:0}
.verdict{border-left:8px solid var(--muted);margin-bottom:14px}
.verdict.good{border-left-color:var(--green);background:var(--green-bg)}
.verdict.bad{border-left-color:var(--red);background:var(--red-bg)}
.verdict .word{font-weight:700;letter-spacing:.04em;text-transform:uppercase;font-size:13px}
.good .word,.figure.good b{color:var(--green)}
.bad .word,.figure.bad b{color:var(--red)}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(132px,1fr));gap:10px;margin:0 0 14px}
.figure{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:8px 10px}
.figure b{display:block;font-size:18px;font-variant-numeric:tabular-nums}
.figure span{color:var(--muted);font-size:13px}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(340px,100%),1fr));gap:14px;align-items:start}
.sides{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(520px,100%),1fr));gap:18px;align-items:start}
.sides>section{min-width:0}
.chart svg{display:block;width:100%;max-width:440px;height:auto;overflow:visible}
.chart figcaption{font-size:13px;color:var(--muted);margin-top:8px}
text{font-size:12px;fill:var(--text)}
.tick,.value{fill:var(--muted);font-variant-numeric:tabular-nums}
.mid{text-anchor:middle}.end{text-anchor:end}
.bar{fill:var(--blue)}.bar.ours{fill:var(--purple)}.line{fill:none;stroke:var(--blue);stroke-width:1.5}
.area{fill:var(--blue);opacity:.16}
.grid{stroke:var(--line);stroke-width:1}.axis{stroke:var(--muted);stroke-width:1}
details{margin-top:8px;font-size:13px}
summary{cursor:pointer;color:var(--muted)}
table{border-collapse:collapse;margin-top:6px;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:2px 10px 2px 0;font-weight:400}
table:not(.actors table) :is(th,td):not(:first-child){white-space:nowrap}
.card>ul{margin:0;padding-left:20px}
td.good{color:var(--green)}td.bad{color:var(--red)}
.wide{overflow-x:auto}
th{color:var(--muted)}th:first-child,td:first-child{text-align:left}
.violations{margin:0;padding:0;list-style:none}
.violations li{border-top:1px solid var(--line);padding:8px 0}
.violations li:first-child{border-top:0;padding-top:0}
.violations b{color:var(--red)}
.spaced{margin:0 0 14px}
.lanes+.charts{margin-top:14px}
.values{font-size:17px;font-variant-numeric:tabular-nums}
.lanes{container-type:inline-size;border:1px solid var(--line);border-radius:10px;background:var(--card)}
.lanes ol{list-style:none;margin:0;padding:0}
.event,.lane-names{display:grid;grid-template-columns:1fr auto;grid-template-areas:"art art" "words slot" "parts parts";column-gap:10px}
.lane-names{position:sticky;top:0;z-index:1;background:var(--card);border-bottom:1px solid var(--line);border-radius:10px 10px 0 0;padding:8px 0 6px}
.lane-names .art{display:grid;grid-template-columns:repeat(4,1fr);text-align:center;min-height:0}
.lane-name{font-weight:600;font-size:13px;line-height:1.2}
.lane-name small{display:block;font-weight:400;color:var(--muted);font-size:12px}
.lane-names .slot{display:none}
.event{border-top:1px solid var(--line);break-inside:avoid}
.event:first-child{border-top:0}
.art{grid-area:art;position:relative;min-height:42px}
.art>svg{position:absolute;inset:0;width:100%;height:100%;overflow:hidden}
.head{overflow:visible}
.life{stroke:var(--line);stroke-width:2}
.event{--ink:var(--muted)}
.event.from-toolstack{--ink:var(--purple)}
.event.from-guest,.event.from-vcpu,.event.from-device{--ink:var(--text)}
.event.mark-first{--ink:var(--blue)}
.event.mark-again,.event.mark-lost{--ink:var(--red)}
.event.mark-parts{--ink:var(--amber)}
.event.mark-decides{--ink:var(--green)}
.event .arrow{stroke:var(--ink);stroke-width:1.5}
.event .head path{fill:var(--ink)}
.event .art text{fill:var(--ink);paint-order:stroke;stroke:var(--card);stroke-width:5px;stroke-linejoin:round}
.mark-again .arrow,.mark-lost .arrow,.mark-first .arrow,.mark-parts .arrow{stroke-width:3}
.mark-again .art text,.mark-lost .art text,.mark-first .art text,.mark-parts .art text,.mark-decides .art text{font-weight:700}
.mark-first{background:var(--blue-bg)}
.mark-again,.mark-lost{background:var(--red-bg)}
.mark-parts{background:var(--amber-bg)}
.mark-decides{background:var(--green-bg)}
.mark-shutdown,.mark-checkpoint{background:var(--purple-bg)}
.event.mark-first .art text{stroke:var(--blue-bg)}
.event.mark-again .art text,.event.mark-lost .art text{stroke:var(--red-bg)}
.event.mark-parts .art text{stroke:var(--amber-bg)}
.event.mark-decides .art text{stroke:var(--green-bg)}
.event.mark-shutdown .art text,.event.mark-checkpoint .art text{stroke:var(--purple-bg)}
.slot{grid-area:slot;padding:0 12px 8px 0;display:flex;flex-direction:column;align-items:flex-end;gap:2px;font-size:12px}
.chip{border:1px solid currentColor;border-radius:10px;padding:0 8px;font-family:ui-monospace,"DejaVu Sans Mono",monospace;font-size:11px;line-height:18px;font-weight:700}
.chip.same{border-color:transparent;font-weight:400}
.chip[data-slot=NONE]{color:var(--muted)}.chip[data-slot=READY]{color:var(--blue)}
.chip[data-slot=INPROCESS]{color:var(--purple)}.chip[data-slot=RESP_READY]{color:var(--green)}
.change{color:var(--muted);text-align:right}
.words{grid-area:words;display:flex;gap:8px;padding:0 0 8px 12px;font-size:14px}
.words .n{color:var(--muted);min-width:1.6em;text-align:right;font-variant-numeric:tabular-nums}
.words code{background:none;color:var(--muted);padding:0}
.badge{color:var(--ink);text-transform:uppercase;letter-spacing:.03em;font-size:12px;border:1.5px solid var(--ink);border-radius:4px;padding:0 5px;margin-right:2px}
.parts{grid-area:parts;display:grid;grid-template-columns:1fr 1fr;margin:0 12px 12px;border:2px solid var(--amber);border-radius:8px;overflow:hidden}
.parts div{padding:8px 10px}.parts div+div{border-left:2px solid var(--amber)}
.parts dt{font-weight:700;font-size:13px;color:var(--amber)}.parts dd{margin:0;font-size:14px}
.lanes>p{padding:0 12px}
.card+p,.card+.lanes,.card+.actors,pre+.sides{margin-top:12px}
.actors{background:var(--card);border:1px solid var(--line);border-radius:10px;overflow-x:auto}
.actors table{border-collapse:collapse;width:100%;font-size:13px}
.actors th,.actors td{padding:7px 9px;vertical-align:top;text-align:left;border-bottom:1px solid var(--line)}
.actors .lane{width:50px;padding:7px 2px;text-align:center;font-size:11px}
.actors td.lane{background:linear-gradient(var(--line),var(--line)) center/2px 100% no-repeat;vertical-align:middle}
.actors .dot{display:inline-block;width:13px;height:13px;border-radius:50%;background:currentColor}
.actors td.said{min-width:200px}.actors td.breaks{background:color-mix(in srgb,var(--amber) 14%,transparent)}
.actors td.slot{display:table-cell;white-space:nowrap}.actors .change{display:block}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
footer{margin-top:28px;font-size:13px;color:var(--muted)}
@container (min-width:760px){
.event,.lane-names{grid-template-columns:minmax(340px,42%) 138px 1fr;grid-template-areas:"art slot words" "parts parts parts"}
.slot{padding:15px 0 8px;align-items:center}.change{text-align:center}
.words{padding:15px 14px 8px 0}
.lane-names .slot{display:block;text-align:center;padding:0;font-size:13px;font-weight:600}
}
@media print{
:root{color-scheme:light;${LIGHT}}
body{background:#fff;font-size:12px}main{max-width:none;padding:0}
.lane-names{position:static}.card,.figure,.event{break-inside:avoid}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
`;
