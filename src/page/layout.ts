/** What every page has around its content. */
import { type Html, html } from './html.ts'

export interface Crumb {
  readonly text: string
  /** Absent for where one is. */
  readonly href?: string
}

const LOGO = html`<svg class="logo" viewBox="0 0 32 32" aria-hidden="true"><rect x="2" y="2" width="28" height="28" rx="8"/><path d="M9 10h14M16 10v13M11 23h10"/></svg>`

export function layout({
  title,
  crumbs,
  content,
}: {
  readonly title: string
  readonly crumbs: readonly Crumb[]
  readonly content: Html
}): string {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · Terp</title>
<link rel="stylesheet" href="/style.css">
<link rel="icon" href="data:,">
</head>
<body>
<header class="bar"><div class="wide"><a class="brand" href="/">${LOGO}<span>Terp</span></a><span class="place">on this machine only</span></div></header>
<main class="wide">
${crumbs.length === 0 ? undefined : html`<nav class="crumbs" aria-label="Where you are"><ol>${crumbs.map(crumb)}</ol></nav>`}
${content}
</main>
<footer class="wide">Times are UTC. Every byte is decrypted and checked as it is shown. For restores, use <code>terp pool restore</code>.</footer>
</body>
</html>
`
  return page.text
}

function crumb({ text, href }: Crumb): Html {
  return href === undefined ? html`<li aria-current="page">${text}</li>` : html`<li><a href="${href}">${text}</a></li>`
}
