/** The site's pages: every link between them leads to a page, and nothing in them is an element of Vue. */

import { posix } from 'node:path'
import { expect, test } from 'vitest'
import { guides, readPages } from '../pages.ts'

const pages = readPages()
const paths = new Set(pages.map(({ path }) => path))

test('the site has every guide and every package’s page, each once', () => {
  expect(guides().length).toBeGreaterThan(10)
  expect(paths.size).toBe(pages.length)
  for (const path of [
    'index.md',
    'quick-start/hono.md',
    'packages/auth.md',
    'packages/db.md',
    'packages/credits.md',
  ]) {
    expect(paths).toContain(path)
  }
})

test('every link between pages leads to a page, and a link to a source became its name', () => {
  let links = 0
  for (const { path, markdown } of pages) {
    const prose = markdown.replaceAll(/^ *```[\s\S]*?^ *```|`[^`\n]*`/gm, '')
    for (const [, to = ''] of prose.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)) {
      links += 1
      const target = posix.normalize(posix.join(posix.dirname(path), to))
      expect(paths, `${path} links to ${to}`).toContain(target)
    }
  }
  expect(links).toBeGreaterThan(100)
  const express = pages.find(({ path }) => path === 'quick-start/express.md')
  expect(express?.markdown).toContain('the same host (`packages/demo/src/examples/express.ts`)')
})

test('angle brackets outside of code are text', () => {
  for (const { path, markdown } of pages) {
    const prose = markdown.replaceAll(/^ *```[\s\S]*?^ *```|`[^`\n]*`/gm, '')
    expect(
      [...prose.matchAll(/<(?!br>|https?:)[^\n]{0,40}/g)].map(([text]) => text),
      path,
    ).toEqual([])
  }
})
