/** The page's style: light, dark, narrow and on paper. Nothing is fetched, so the fonts are the reader's. */
import { DARK_COLOURS, LIGHT_COLOURS, seriesStyle } from './palette.ts';

const LIGHT = `--page:#fff;--text:#1b1f24;--soft:#59636e;--rule:#d8dee4;--panel:#f6f8fa;--good:#1a7f37;--bad:#cf222e;${LIGHT_COLOURS}`;
const DARK = `--page:#14171c;--text:#e6e9ed;--soft:#9aa4b0;--rule:#343b45;--panel:#1c2128;--good:#57c06c;--bad:#ff7b72;${DARK_COLOURS}`;

const LAYOUT = `
*{box-sizing:border-box}
html{color-scheme:light dark;-webkit-text-size-adjust:100%}
body{margin:0 auto;padding:1.5rem clamp(.75rem,3vw,2.5rem) 4rem;max-width:90rem;background:var(--page);
color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
h1{font-size:1.6rem;line-height:1.2;margin:0 0 .25rem}
h2{font-size:1.25rem;margin:2.5rem 0 .75rem;padding-top:.75rem;border-top:1px solid var(--rule)}
h3{font-size:1rem;margin:1.5rem 0 .5rem}
p{max-width:70ch}
a{color:inherit}
.soft,.unit{color:var(--soft);font-weight:400}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:0}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
@media (max-width:40rem){dl{grid-template-columns:1fr}dd{margin-bottom:.4rem}}`;

const TABLES = `
.scroll{overflow-x:auto}
table{border-collapse:separate;border-spacing:0;font-size:.87rem;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .7rem;border-bottom:1px solid var(--rule);text-align:right;white-space:nowrap}
th{color:var(--soft);font-weight:600;vertical-align:bottom}
th .unit{display:block}
th.long{white-space:normal;min-width:6rem;max-width:8rem}
.left{text-align:left}
td.wrap{white-space:normal;min-width:13rem}
td:first-child{position:sticky;left:0;background:var(--page);white-space:normal;min-width:9rem}
tbody tr:hover{background:var(--panel)}
.holds{color:var(--good);font-weight:600}
.missed{color:var(--bad);font-weight:700}
.absent{color:var(--soft)}`;

const CHARTS = `
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,21rem),1fr));gap:1rem;margin:1rem 0}
figure{margin:0;padding:.75rem;border:1px solid var(--rule);border-radius:8px;max-width:30rem}
figcaption{font-weight:600;font-size:.9rem;margin-bottom:.25rem}
svg{display:block;width:100%;height:auto;font:12px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
svg text{fill:var(--text)}
svg .tick{fill:var(--soft);font-size:11px}
svg .value{font-variant-numeric:tabular-nums}
.grid{stroke:var(--rule);stroke-width:1}
.axis{stroke:var(--soft);stroke-width:1}
.bar{fill:var(--c)}
.whisker{stroke:var(--text);stroke-width:1.3}
.range{stroke:var(--c);stroke-width:2;opacity:.6}
.mark{fill:var(--c);stroke:var(--c);stroke-width:1.6}
.mark.hollow{fill:var(--page)}
.shapes{--c:var(--soft)}
.line{fill:none;stroke:var(--c);stroke-width:1.8;stroke-linejoin:round}
.point{fill:var(--c);stroke:transparent;stroke-width:8;opacity:0}
.point:hover,.point.lone{opacity:1}
.keys{display:flex;flex-wrap:wrap;gap:.4rem;margin:.75rem 0}
.key{display:inline-flex;align-items:center;gap:.45rem;padding:.2rem .65rem;border:1px solid var(--rule);
border-radius:1rem;background:none;color:inherit;font:inherit;font-size:.85rem;cursor:pointer}
.key svg{width:26px;height:10px}
.key[aria-pressed=false]{opacity:.45;text-decoration:line-through}
.contents{columns:20rem;padding-left:1.2rem;margin:.5rem 0;font-size:.9rem}`;

const PRINT = `
@media print{
body{max-width:none;padding:0;font-size:11px}
figure,table{break-inside:avoid}
h2,h3{break-after:avoid}
.scroll{overflow:visible}
th,td{padding:.15rem .35rem;white-space:normal}
.charts{grid-template-columns:repeat(2,1fr)}
.contents,.hint{display:none}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}`;

/** Dark is for screens only: paper is white. */
export function pageStyle(seriesCount: number): string {
  return [
    `:root{${LIGHT}}`,
    `@media screen and (prefers-color-scheme:dark){:root{${DARK}}}`,
    LAYOUT,
    TABLES,
    CHARTS,
    seriesStyle(seriesCount),
    PRINT,
  ].join('\n');
}
