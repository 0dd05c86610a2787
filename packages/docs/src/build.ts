/**
 * `pnpm docs:site`: writes the site's pages to `.vitepress/pages`, and builds the site from them. `--pages` only writes the
 * pages.
 *
 * @module
 */

import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'vitepress'
import { readPages } from './pages.ts'

const FOLDER = fileURLToPath(new URL('..', import.meta.url))
const PAGES = join(FOLDER, '.vitepress/pages')

const pages = readPages()
await rm(PAGES, { recursive: true, force: true })
for (const { path, markdown } of pages) {
  const file = join(PAGES, path)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, markdown)
}
console.log(`Wrote ${pages.length} pages.`)
if (!process.argv.includes('--pages')) await build(FOLDER)
