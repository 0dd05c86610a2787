/**
 * The documentation of the copied packages, in the version that the host has: its own files, cut at their headings, with
 * a search that needs no network.
 *
 * @module
 */

import { realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'
import MiniSearch from 'minisearch'
import { textOf } from '../files.ts'
import { type Host, isWithin } from '../host.ts'
import type { Receipt } from '../receipt.ts'

/** A part of a document, from one heading to the next. */
export interface Section {
  /** The document and the heading, such as `packages/auth/README.md#guards`. */
  id: string
  /** The path of the document in the host. */
  path: string
  /** The heading; the document's title for its beginning. */
  heading: string
  text: string
}

/**
 * The paths of the documents, sorted: the Markdown files that were copied and still exist. A symbolic link is no document,
 * because it may lead to any file, and so is a path out of the host.
 */
export const documentsOf = (host: Host, { files }: Receipt): string[] =>
  Object.keys(files)
    .filter((path) => path.endsWith('.md') && !path.endsWith('CHANGELOG.md'))
    .filter((path) => host.has(path) && isPlainFile(host, path))
    .sort()

function isPlainFile({ folder }: Host, path: string): boolean {
  const at = join(folder, path)
  const real = join(realpathSync(folder), path)
  return isWithin(at, folder) && realpathSync(at) === real && statSync(at).isFile()
}

/** The text of a document. Null: `path` is not one of the copied documents. */
export function readDocument(host: Host, receipt: Receipt, path: string): string | null {
  if (!documentsOf(host, receipt).includes(path)) return null
  const file = host.read(path)
  return file && textOf(file)
}

/** The sections of all documents. */
export function sectionsOf(host: Host, receipt: Receipt): Section[] {
  return documentsOf(host, receipt).flatMap((path) => {
    const text = readDocument(host, receipt, path) ?? ''
    let isCode = false
    const sections: Section[] = []
    for (const line of text.split('\n')) {
      if (line.startsWith('```')) isCode = !isCode
      const heading = isCode ? undefined : /^#{1,4} (.+)$/.exec(line)?.[1]
      const last = sections.at(-1)
      if (heading === undefined && last) last.text += `${line}\n`
      else {
        const name = heading ?? path
        sections.push({ id: idOf(path, name, sections.length), path, heading: name, text: '' })
      }
    }
    return sections
  })
}

const idOf = (path: string, heading: string, at: number): string =>
  `${path}#${
    at === 0
      ? ''
      : heading
          .toLowerCase()
          .replaceAll(/[^\w\s-]/g, '')
          .replaceAll(' ', '-')
  }`

/** The sections that fit a query best, at most `limit`. */
export function searchSections(
  sections: readonly Section[],
  query: string,
  limit: number,
): Section[] {
  const index = new MiniSearch<Section & { at: number }>({
    idField: 'at',
    fields: ['heading', 'text', 'path'],
    storeFields: [],
    searchOptions: { boost: { heading: 3 }, prefix: true, fuzzy: 0.15 },
  })
  index.addAll(sections.map((section, at) => ({ ...section, at })))
  return index
    .search(query)
    .slice(0, limit)
    .flatMap(({ id }) => sections[id as number] ?? [])
}
