/**
 * `pnpm docs:api` writes the API reference to `.api`. If exports or members lack documentation, it names each one and
 * fails.
 *
 * @module
 */

import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { renderReference } from './markdown.ts'
import { readSurface } from './surface.ts'

const FOLDER = fileURLToPath(new URL('../../../../.api', import.meta.url))

const surface = readSurface()
const pages = renderReference(surface)
const missing = surface.filter(({ needsDocumentation, text }) => needsDocumentation && text === '')
await rm(FOLDER, { recursive: true, force: true })
await mkdir(FOLDER, { recursive: true })
for (const { file, markdown } of pages) await writeFile(join(FOLDER, file), markdown)
for (const { place, path } of missing) console.error(`${place}: write a doc comment for ${path}.`)
console.log(`Wrote ${pages.length} pages to .api. Open .api/README.md.`)
process.exitCode = missing.length > 0 ? 1 : 0
