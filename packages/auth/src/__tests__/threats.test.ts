/** The table of threats in the README: all sections are there, and each test that it names exists. */

import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))

/** Of OWASP ASVS 5.0: authentication, sessions, authorization, self-contained tokens, OAuth. */
const SECTIONS = Object.entries({ 6: 8, 7: 6, 8: 4, 9: 2, 10: 7 }).flatMap(([chapter, last]) =>
  Array.from({ length: last }, (_, n) => `${chapter}.${n + 1}`),
)

async function rows() {
  const readme = await readFile(`${ROOT}packages/auth/README.md`, 'utf8')
  const [, section = ''] = readme.split('\n## Threats\n')
  const table = (section.split('\n## ')[0] ?? '').split('\n').filter((line) => /^\| \d/.test(line))
  return table.map((line) => {
    const [, number = '', , held = '', tests = ''] = line.split('|').map((cell) => cell.trim())
    const named = [...tests.matchAll(/`([\w/-]+)` “([^”]+)”/g)]
    return { number, held, tests, named: named.map(([, file = '', title = '']) => [file, title]) }
  })
}

/** A file of this package, or of another: `prisma/tenancy`. */
const pathOf = (file: string) =>
  file.startsWith('prisma/')
    ? `prisma/src/__tests__/${file.slice(7)}.test.ts`
    : `packages/auth/src/__tests__/${file}.test.ts`

test('every section has a line that says how it is covered and names a test', async () => {
  const table = await rows()
  expect(table.map(({ number }) => number)).toEqual(SECTIONS.sort(byNumber))
  for (const { number, held, tests, named } of table) {
    expect([number, held.length > 10, named.length > 0]).toEqual([number, true, true])
    // Nothing else stands beside the tests, such as one that is misspelt.
    const said = named.map(([file, title]) => `\`${file}\` “${title}”`).join('<br>')
    expect(tests).toBe(said)
  }
})
const byNumber = (a: string, b: string) => a.localeCompare(b, 'en', { numeric: true })

test('every named test exists', async () => {
  const missing: string[] = []
  for (const [file = '', title = ''] of (await rows()).flatMap(({ named }) => named)) {
    const source = await readFile(ROOT + pathOf(file), 'utf8').catch(() => '')
    const quoted = title.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    if (!new RegExp(`\\(\\s*(['"\`])${quoted}\\1,`).test(source)) missing.push(`${file}: ${title}`)
  }
  expect(missing).toEqual([])
})
