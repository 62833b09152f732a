/** Style sheet of the report, for light and dark mode. */
export const reportStyle = `
:root {
  color-scheme: light dark;
  --paper: #fbfaf8; --card: #fff; --ink: #1d2227; --soft: #646d76; --line: #e3e1dc; --tint: #f3f1ec; --accent: #1f5fbf;
  --good: #1d7a46; --neutral: #4a6b8a; --weak: #a86500; --bad: #c02b2b;
  --good-bg: #e2f3e8; --neutral-bg: #e5edf5; --weak-bg: #fbeed5; --bad-bg: #fbe3e1; --in: #1f5fbf; --out: #7a4fb0;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171a; --card: #1b1f23; --ink: #e4e7ea; --soft: #98a2ac; --line: #2d3339; --tint: #22272c; --accent: #7fb0ff;
    --good: #63cf93; --neutral: #8fb4d8; --weak: #f0b455; --bad: #ff8078;
    --good-bg: #16352a; --neutral-bg: #1f2f3f; --weak-bg: #3b2d12; --bad-bg: #43201f; --in: #7fb0ff; --out: #c49bf5;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main, header, footer { max-width: 78rem; margin: 0 auto; padding: 0 1.5rem; }
header { padding-top: 2rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .3rem; letter-spacing: -.01em; }
h2 .soft { font-weight: normal; font-size: .9rem; margin-left: .5rem; }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .7rem; }
h3 { font-size: .78rem; margin: 1.1rem 0 .35rem; color: var(--soft); text-transform: uppercase; letter-spacing: .05em; font-weight: 600; }
p { margin: .3rem 0; }
a { color: var(--accent); }
.soft { color: var(--soft); }
code, .mono { font-family: var(--mono); font-size: .87em; }
.verdicts { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.2rem 0 0; }
.verdict { background: var(--card); border: 1px solid var(--line); border-left: 5px solid var(--bad); border-radius: 8px; padding: .7rem 1rem; min-width: 15rem; max-width: 100%; }
.verdict.good { border-left-color: var(--good); }
.verdict strong { display: block; font-size: 1.1rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.summary { width: 100%; border-collapse: collapse; background: var(--card); border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
.summary th, .summary td { text-align: left; padding: .4rem .9rem; border-top: 1px solid var(--line); font-weight: normal; vertical-align: middle; }
.summary thead th { border-top: 0; background: var(--tint); color: var(--soft); font-size: .85rem; max-width: 16rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.wide { overflow-x: auto; }
.summary tbody th { white-space: nowrap; width: 1%; }
.summary tbody th button { all: unset; cursor: pointer; color: var(--accent); }
.summary tbody th button:hover { text-decoration: underline; }
.summary tbody th button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 2px; }
.tally { display: grid; grid-template-columns: minmax(4rem, 11rem) minmax(0, 1fr); align-items: center; gap: .9rem; }
.bar { width: 100%; height: .55rem; border-radius: 3px; overflow: hidden; background: var(--tint); }
.bar rect { fill: var(--bad); }
.bar .good { fill: var(--good); } .bar .neutral { fill: var(--neutral); } .bar .weak { fill: var(--weak); }
.many .tally { grid-template-columns: minmax(0, 1fr); gap: .2rem; }
.many td { padding-top: .6rem; }
.tally .numbers span { white-space: nowrap; margin-right: .5rem; }
.tally .numbers { font-variant-numeric: tabular-nums; font-size: .9rem; }
.filter { position: sticky; top: 0; z-index: 2; background: var(--paper); padding: .7rem 0; border-bottom: 1px solid var(--line); display: flex; flex-wrap: wrap; gap: .5rem .9rem; align-items: center; }
.filter input[type=search], .filter input[type=text] { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: .25rem .6rem; }
.filter input[type=search] { width: 15rem; } .filter input[type=text] { width: 9rem; font-family: var(--mono); font-size: .87em; }
.filter label { display: inline-flex; align-items: center; gap: .35rem; }
.filter fieldset { border: 0; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: .3rem .4rem; }
.pill { cursor: pointer; user-select: none; border-radius: 99px; padding: .1rem .65rem; font-size: .82rem; border: 1px solid var(--line); opacity: .5; }
.pill input { position: absolute; opacity: 0; pointer-events: none; }
.pill:has(:checked) { opacity: 1; border-color: transparent; }
.pill:has(:focus-visible) { outline: 2px solid var(--accent); outline-offset: 1px; }
.good-pill:has(:checked), .badge.good { color: var(--good); background: var(--good-bg); }
.neutral-pill:has(:checked), .badge.neutral { color: var(--neutral); background: var(--neutral-bg); }
.weak-pill:has(:checked), .badge.weak { color: var(--weak); background: var(--weak-bg); }
.bad-pill:has(:checked), .badge.bad { color: var(--bad); background: var(--bad-bg); }
.badge { display: inline-block; border-radius: 4px; padding: .05rem .45rem; font-size: .74rem; font-weight: 600; letter-spacing: .02em; white-space: nowrap; }
.badge.none { color: var(--soft); background: var(--tint); }
.cases { background: var(--card); border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
.case { border-top: 1px solid var(--line); margin-top: -1px; padding-top: 1px; scroll-margin-top: 4rem; }
.case > summary { display: flex; gap: .9rem; align-items: baseline; padding: .36rem .9rem; cursor: pointer; list-style: none; }
.case > summary::-webkit-details-marker { display: none; }
.case > summary:hover { background: var(--tint); }
.case > summary:focus-visible { outline: 2px solid var(--accent); outline-offset: -2px; }
.case[open] > summary { background: var(--tint); border-bottom: 1px solid var(--line); }
.case .id { flex: 0 0 4.2rem; font-family: var(--mono); font-size: .87em; }
.case .about { flex: 1; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.case .marks { flex: 0 0 auto; display: flex; gap: .4rem; }
.case .time { flex: 0 0 4.8rem; text-align: right; color: var(--soft); font-variant-numeric: tabular-nums; font-size: .85rem; }
.detail { padding: .6rem .9rem 1.1rem; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); gap: 0 1.5rem; }
.columns > section { min-width: 0; }
.columns > section + section { border-left: 1px solid var(--line); padding-left: 1.5rem; }
.agent { font-weight: 600; margin-top: .8rem; overflow-wrap: anywhere; }
.why { border-left: 4px solid var(--bad); background: var(--bad-bg); padding: .5rem .8rem; border-radius: 0 6px 6px 0; margin: .6rem 0; overflow-wrap: anywhere; }
.why.weak { border-left-color: var(--weak); background: var(--weak-bg); }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .9rem; margin: .4rem 0; }
.facts dt { color: var(--soft); } .facts dd { margin: 0; overflow-wrap: anywhere; min-width: 0; }
.events { margin: 0; padding: 0; list-style: none; }
.events li { font-family: var(--mono); font-size: .82rem; overflow-wrap: anywhere; white-space: pre-wrap; }
.wire { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; max-height: 32rem; overflow-y: auto; }
.wire table { border-collapse: collapse; width: 100%; font-family: var(--mono); font-size: .78rem; }
.wire th { position: sticky; top: 0; background: var(--tint); color: var(--soft); text-align: left; font-weight: normal; padding: .2rem .55rem; }
.wire td { padding: .13rem .55rem; vertical-align: top; border-top: 1px solid var(--line); white-space: nowrap; }
.wire td.payload { white-space: pre-wrap; overflow-wrap: anywhere; min-width: 9rem; width: 99%; }
.wire td.at { text-align: right; color: var(--soft); }
.wire tr.in .arrow, .wire tr.in .kind { color: var(--in); } .wire tr.out .arrow, .wire tr.out .kind { color: var(--out); }
.wire tr.remark td { color: var(--soft); white-space: pre-wrap; }
.wire tr.gap td { text-align: center; color: var(--soft); background: var(--tint); }
.kind { font-weight: 600; }
pre { margin: 0; overflow-x: auto; background: var(--tint); border-radius: 6px; padding: .5rem .7rem; font: .78rem/1.45 var(--mono); }
details.http > summary { cursor: pointer; color: var(--soft); font-size: .85rem; margin: .8rem 0 .3rem; }
#nothing { padding: 2rem 0; color: var(--soft); }
footer { padding-top: 2rem; padding-bottom: 3rem; color: var(--soft); font-size: .85rem; }
[hidden] { display: none !important; }
@media (max-width: 44rem) {
  main, header, footer { padding-left: .8rem; padding-right: .8rem; }
  .case > summary { flex-wrap: wrap; gap: .2rem .6rem; }
  .case .about { order: 3; flex: 1 0 100%; white-space: normal; }
  .case .time { display: none; } .case .marks { margin-left: auto; }
  .columns > section + section { border-left: 0; padding-left: 0; }
  .filter { position: static; } .tally { grid-template-columns: minmax(0, 1fr); gap: .2rem; }
}
@media print { .filter { display: none; } .wire { max-height: none; } }
`;
