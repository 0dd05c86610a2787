/** The guides of `packages/docs`: their code compiles, their links lead somewhere, and their error texts are real. */

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { type Block, blocksOf, typeCheck } from './blocks.ts'

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))
const FOLDER = join(ROOT, 'packages/docs')
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')

const GUIDES = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.md') && !/^\.|node_modules/.test(path))
  .map((path) => `packages/docs/${path}`)
  .sort()

test('every TypeScript block of every guide type-checks', async () => {
  const blocks: Block[] = GUIDES.flatMap((path) => blocksOf(path, read(path)))
  expect(blocks.length).toBeGreaterThan(5)
  expect(await typeCheck('.guides', blocks)).toBe('')
})

/** GitHub's anchor of a heading, or the anchor that the heading names itself. */
function anchorOf(heading: string): string {
  const own = /\{#([\w-]+)\}/.exec(heading)?.[1]
  if (own !== undefined) return own
  return heading
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\- _]/gu, '')
    .replaceAll(' ', '-')
}

const anchorsIn = (path: string) =>
  [...read(path).matchAll(/^#{1,6} (.*)$/gm)].map(([, heading = '']) => anchorOf(heading))

test('every link of every guide leads to a file and to one of its headings', () => {
  const broken: string[] = []
  let links = 0
  for (const guide of GUIDES) {
    const prose = read(guide).replaceAll(/^ *```[\s\S]*?^ *```/gm, '')
    for (const [, to = '', anchor] of prose.matchAll(/\]\(([^)#:\s]*)(?:#([^)\s]*))?\)/g)) {
      links += 1
      const path = to === '' ? guide : join(dirname(guide), to)
      try {
        if (anchor !== undefined && !anchorsIn(path).includes(anchor)) {
          broken.push(`${guide}: ${to} has no heading #${anchor}.`)
        } else read(path)
      } catch {
        broken.push(`${guide}: ${to} is no file.`)
      }
    }
  }
  expect(links).toBeGreaterThan(50)
  expect(broken).toEqual([])
})

/** The sources as one text, in which the parts of a text that spans lines are joined. */
function sources(): string {
  const files = [
    'prisma/src',
    ...['auth', 'billing', 'core', 'create', 'email', 'jobs'].map((name) => `packages/${name}/src`),
  ]
  return files
    .flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
        .filter((path) => /\.tsx?$/.test(path) && !/__tests__|generated/.test(path))
        .map((path) => read(join(folder, path))),
    )
    .join('\n')
    .replaceAll(/['`"]\s*\+\s*['`"]/g, '')
    .replaceAll('\\`', '`')
}

test('every error text in the troubleshooting guide is a text of the sources', () => {
  const text = sources()
  const headings = [...read('packages/docs/troubleshooting.md').matchAll(/^### `(.*)`$/gm)]
  expect(headings.length).toBeGreaterThan(20)
  const unknown = headings.flatMap(([, heading = '']) =>
    heading
      .split('…')
      .map((part) => part.trim())
      .filter((part) => part.length > 3 && !text.includes(part))
      .map((part) => `${heading}: the sources have no “${part}”.`),
  )
  expect(unknown).toEqual([])
})

test('the pages name commands that exist', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const named = GUIDES.flatMap((path) =>
    [...read(path).matchAll(/\bpnpm (?:-w )?([a-z][a-z:-]*)/g)].map(([, script = '']) => [
      path,
      script,
    ]),
  )
  const known = [...Object.keys(scripts), 'install', 'add', 'exec', 'stands', 'local']
  expect(named.filter(([, script = '']) => !known.includes(script))).toEqual([])
  expect(named.length).toBeGreaterThan(30)
})
