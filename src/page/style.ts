/** The one style sheet: light and dark, wide and narrow. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #f6f7f9; --card: #ffffff; --ink: #16202c; --soft: #5b6776; --line: #e2e6ec; --hover: #f2f6fb;
  --accent: #0b63ce; --on: #0a7a4b; --on-back: #e3f5ec; --off: #5b6776; --off-back: #eceff3; --warn: #8a5300; --warn-back: #fdf0d9;
  --bad: #a3252b; --bad-back: #fdeaea; --shadow: 0 1px 2px rgb(16 32 48 / .06), 0 4px 16px rgb(16 32 48 / .05);
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #0f141a; --card: #171e26; --ink: #e6ebf1; --soft: #96a3b3; --line: #28323d; --hover: #1d2630;
    --accent: #6fb1ff; --on: #6fdaa6; --on-back: #12362a; --off: #96a3b3; --off-back: #242d37; --warn: #f0c071; --warn-back: #3a2b10;
    --bad: #ff9a9a; --bad-back: #3b1a1d; --shadow: 0 1px 2px rgb(0 0 0 / .4);
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
code { font: .86em/1.4 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; color: var(--soft); }
.wide { max-width: 1160px; margin: 0 auto; padding-left: 24px; padding-right: 24px; }
.bar { background: var(--card); border-bottom: 1px solid var(--line); }
.bar .wide { display: flex; align-items: center; justify-content: space-between; height: 60px; }
.brand { display: flex; align-items: center; gap: 10px; color: var(--ink); font-size: 18px; font-weight: 650; letter-spacing: -.01em; }
.brand:hover { text-decoration: none; }
.logo { width: 28px; height: 28px; }
.logo rect { fill: var(--accent); }
.logo path { fill: none; stroke: var(--card); stroke-width: 3; stroke-linecap: round; }
.place { color: var(--soft); font-size: 13px; }
main.wide { padding-top: 28px; padding-bottom: 40px; min-height: calc(100vh - 140px); }
h1 { margin: 0; font-size: 26px; line-height: 1.25; letter-spacing: -.02em; overflow-wrap: anywhere; }
.under { margin: 4px 0 20px; color: var(--soft); overflow-wrap: anywhere; }
.crumbs ol { display: flex; flex-wrap: wrap; gap: 2px 0; margin: 0 0 14px; padding: 0; list-style: none; font-size: 14px; color: var(--soft); }
.crumbs li { overflow-wrap: anywhere; }
.crumbs li + li::before { content: "/"; margin: 0 8px; color: var(--line); }
.facts { display: grid; grid-template-columns: repeat(4, 1fr); gap: 14px; margin: 0 0 22px; }
.facts div { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 14px 16px; box-shadow: var(--shadow); }
.facts dt { color: var(--soft); font-size: 13px; }
.facts dd { margin: 2px 0 0; font-size: 20px; font-weight: 620; letter-spacing: -.01em; font-variant-numeric: tabular-nums; }
.list { width: 100%; border-collapse: separate; border-spacing: 0; background: var(--card); border: 1px solid var(--line); border-radius: 12px; box-shadow: var(--shadow); overflow: hidden; }
.list th { padding: 10px 16px; text-align: left; font-size: 12px; font-weight: 600; color: var(--soft); border-bottom: 1px solid var(--line); }
.list td { padding: 10px 16px; border-bottom: 1px solid var(--line); vertical-align: top; font-variant-numeric: tabular-nums; }
.list tr:last-child td { border-bottom: 0; }
.list tbody tr:hover { background: var(--hover); }
.list .number { text-align: right; white-space: nowrap; }
.points .main { white-space: nowrap; font-weight: 600; }
.points .main code { margin-left: 8px; font-weight: 400; }
.points .paths { color: var(--soft); overflow-wrap: anywhere; }
.entries .main { width: 56%; overflow-wrap: anywhere; }
.entries td:not(.main) { white-space: nowrap; color: var(--soft); }
.icon { width: 18px; height: 18px; margin-right: 10px; vertical-align: -4px; fill: none; stroke: var(--soft); stroke-width: 1.4; stroke-linejoin: round; }
.icon.folder { fill: var(--accent); stroke: none; opacity: .85; }
.target { color: var(--soft); }
.badges { display: flex; flex-wrap: wrap; gap: 6px; }
.badge { display: inline-block; padding: 1px 9px; border-radius: 99px; font-size: 12px; font-weight: 600; line-height: 20px; white-space: nowrap; }
.badge.on { color: var(--on); background: var(--on-back); }
.badge.off { color: var(--off); background: var(--off-back); }
.badge.warn { color: var(--warn); background: var(--warn-back); }
.alert { margin: 0 0 20px; padding: 12px 16px; border-radius: 12px; background: var(--bad-back); color: var(--bad); overflow-wrap: anywhere; }
.alert p { margin: 4px 0 0; }
.empty, .trouble { padding: 48px 24px; text-align: center; color: var(--soft); background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
.trouble h1 { color: var(--ink); }
.button { display: inline-block; padding: 8px 16px; border-radius: 8px; background: var(--accent); color: var(--card); font-weight: 600; }
.pager { display: flex; gap: 16px; justify-content: center; color: var(--soft); }
footer.wide { padding-bottom: 28px; color: var(--soft); font-size: 13px; }
@media (max-width: 760px) {
  .wide, main.wide, footer.wide { padding-left: 16px; padding-right: 16px; }
  .facts { grid-template-columns: 1fr 1fr; gap: 10px; }
  .facts dd { font-size: 17px; }
  .list thead { display: none; }
  .list, .list tbody, .list tr { display: block; }
  .list tr { padding: 12px 16px; border-bottom: 1px solid var(--line); }
  .list tr:last-child { border-bottom: 0; }
  .list td { display: flex; justify-content: space-between; gap: 16px; padding: 2px 0; border: 0; white-space: normal; }
  .list td:empty { display: none; }
  .list td[data-label]::before { content: attr(data-label); color: var(--soft); font-size: 13px; flex: none; }
  .list td.number { text-align: right; }
  .list td.main { display: block; width: auto; padding-bottom: 4px; font-weight: 600; }
  .entries td:not(.main) { font-size: 13px; white-space: normal; }
  .entries td[data-label="Owner"], .entries td[data-label="Mode"] { display: none; }
  .paths { text-align: right; }
}
`
