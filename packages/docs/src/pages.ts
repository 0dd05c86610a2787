/**
 * Assembles the site's pages: the guides of this folder, the packages' own pages, and the reference that
 * `pnpm docs:api` wrote to `.api`. Promise: each relative link leads to a page of the site, or becomes the name of the
 * file that it leads to; a link to nothing is an error.
 *
 * @module
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository's root. */
export const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

/** A page of the site. */
export interface Page {
  /** The path in the site: `quick-start/hono.md`. */
  path: string
  /** The Markdown, with links that the site understands. */
  markdown: string
}

/** The packages' pages, by their path in the repository. */
const PACKAGE_PAGES: Record<string, string> = {
  'README.md': 'packages/overview.md',
  'CONTEXT.md': 'packages/context.md',
  'CHANGELOG.md': 'packages/changelog.md',
  'prisma/README.md': 'packages/db.md',
  'packages/auth/ERRORS.md': 'packages/auth-codes.md',
  'packages/billing/ERRORS.md': 'packages/billing-codes.md',
  'packages/billing/src/credits/README.md': 'packages/credits.md',
  ...Object.fromEntries(
    ['auth', 'billing', 'core', 'create', 'email', 'jobs', 'sandbox', 'web'].map((name) => [
      `packages/${name}/README.md`,
      `packages/${name}.md`,
    ]),
  ),
}

const OWN = 'packages/docs'

/** The guides of this folder, from the repository's root. */
export function guides(): string[] {
  return readdirSync(join(ROOT, OWN), { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.md') && !/^(?:\.|node_modules|src)/.test(path))
    .map((path) => `${OWN}/${path}`)
    .sort()
}

/** Where a file of the repository is in the site; undefined if it is no page. */
function placeOf(file: string): string | undefined {
  if (file.startsWith('.api/')) return `api/${file.slice('.api/'.length)}`
  if (file.startsWith(`${OWN}/`)) return file.slice(OWN.length + 1)
  return PACKAGE_PAGES[file]
}

/** The pages of the site. @throws where a link leads to no file */
export function readPages(): Page[] {
  const api = existsSync(join(ROOT, '.api'))
    ? readdirSync(join(ROOT, '.api')).map((name) => `.api/${name}`)
    : []
  return [...guides(), ...Object.keys(PACKAGE_PAGES), ...api].map((file) => ({
    path: (placeOf(file) ?? file).replace(/README\.md$/, 'index.md'),
    markdown: rewritten(file, readFileSync(join(ROOT, file), 'utf8')),
  }))
}

/** A relative link of Markdown, with its text, file and anchor. Code is matched first, and left alone. */
const CODE_OR_LINK = /(^```[\s\S]*?^```|`[^`\n]*`)|(!?)\[([^[\]\n]*)\]\(([^)\s#:]+)(#[^)\s]*)?\)/gm

function rewritten(file: string, markdown: string): string {
  const own = placeOf(file) ?? file
  const linked = markdown.replaceAll(
    CODE_OR_LINK,
    (whole, code?: string, image = '', text = '', to = '', anchor = '') => {
      if (code !== undefined) return whole
      const target = posix.normalize(posix.join(posix.dirname(file), to))
      if (!existsSync(join(ROOT, target)))
        throw new Error(`${file} links to ${to}, which is no file.`)
      const place = image === '' ? placeOf(target) : undefined
      if (place === undefined) return image === '' ? `${text} (\`${target}\`)` : ''
      const path = posix.relative(posix.dirname(own), place).replace(/README\.md$/, 'index.md')
      return `[${text}](${path.startsWith('.') ? path : `./${path}`}${anchor})`
    },
  )
  // Vue would take what stands in angle brackets outside of code for an element.
  return linked.replaceAll(
    /(^```[\s\S]*?^```|`[^`\n]*`)|<(?!br>|https?:)/gm,
    (whole, code?: string) => (code === undefined ? '&lt;' : whole),
  )
}
