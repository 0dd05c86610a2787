/**
 * Every regular expression of the source is tried on 64 KiB of text that is made to take long. If its time grew with
 * the square of the text's length, one request could stop the process.
 */

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { growsLinearly, HOSTILE_TEXTS } from '@repo/core/testing'
import { expect, test } from 'vitest'
import { parseAst } from 'vitest/node'

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))

/** Files that make expressions from text at run time. None of that text comes from outside. */
const MADE = [
  'packages/auth/src/http/fields.ts',
  'packages/auth/src/http/path-limits.ts',
  'packages/billing/src/providers/env.ts',
  'packages/billing/src/providers/object-id.ts',
  'packages/core/src/email-address.ts',
  'packages/create/src/host.ts',
  'packages/create/src/place.ts',
  'packages/demo/src/visitor.ts',
]

/** This file reads only the demo's own pages, in its smoke run. */
const OURS = 'packages/demo/src/visitor.ts'

interface Pattern {
  /** The file and the expression. */
  name: string
  source: string
  flags: string
}

async function sources(): Promise<string[]> {
  const packages = await readdir(join(ROOT, 'packages'))
  const folders = ['prisma', ...packages.map((name) => `packages/${name}`)]
  const files = await Promise.all(
    folders.map(async (folder) => {
      const inside = await readdir(join(ROOT, folder, 'src'), { recursive: true })
      return inside
        .filter((path) => /\.tsx?$/.test(path) && !/__tests__|generated/.test(path))
        .map((path) => `${folder}/src/${path}`)
    }),
  )
  return files.flat().sort()
}

interface Node {
  type?: string
  regex?: { pattern: string; flags: string }
  callee?: { name?: string }
}

/** The expressions that are written in `file`, and whether the file makes expressions at run time. */
async function patternsIn(file: string): Promise<{ patterns: Pattern[]; makes: boolean }> {
  const text = await readFile(join(ROOT, file), 'utf8')
  const patterns: Pattern[] = []
  let makes = false
  const visit = (value: unknown): void => {
    if (value === null || typeof value !== 'object') return
    const { type, regex, callee } = value as Node
    if (regex) {
      const { pattern: source, flags } = regex
      patterns.push({ name: `${file} /${source}/${flags}`, source, flags })
    }
    if (/^(New|Call)Expression$/.test(type ?? '') && callee?.name === 'RegExp') makes = true
    for (const inner of Object.values(value)) visit(inner)
  }
  visit(parseAst(text, { lang: file.endsWith('x') ? 'tsx' : 'ts' } as never))
  return { patterns, makes }
}

/** The words and characters in a pattern. Text made of them gets past the pattern's beginning. */
function pieces(source: string): string[] {
  const plain = source.replace(
    /\\[pP]\{\w+\}|\\[bBdDwWsSnrtu]|\(\?(?:[:=!]|<[=!])|[\^$()|*+{}\\]/g,
    ' ',
  )
  return [...new Set(plain.match(/\w+|[^\w\s]/g) ?? [])].slice(0, 12)
}

const repeated = (before: string, unit: string, after: string) => (length: number) =>
  before + unit.repeat(Math.max(1, Math.floor((length - before.length) / unit.length))) + after

/** The text with which every match begins. */
const headOf = (source: string): string => /^[^\\^$.|?*+()[\]{}]+(?![?*{])/.exec(source)?.[0] ?? ''

function textsFor({ source }: Pattern): [name: string, textOf: (length: number) => string][] {
  const own = [...pieces(source), headOf(source)].filter((piece) => piece !== '')
  const pairs = own.flatMap((one) => own.map((other) => one + other))
  const common = ['a', '0', ' ', '-', '.', '/', '"', '\\', '\n']
  const made = [
    ...pairs.map((unit) => ['', unit]),
    ...['', 'a', ...own, own.join('')].flatMap((before) =>
      [...own, ...common, ...own.map((one) => `${one} `)].map((unit) => [before, unit]),
    ),
  ].map(([before = '', unit = '']): [string, (length: number) => string] => [
    JSON.stringify(`${before}(${unit})*`),
    repeated(before, unit, '\u0001'),
  ])
  return [...HOSTILE_TEXTS.map(([name, textOf]): (typeof made)[number] => [name, textOf]), ...made]
}

/** Runs a pattern as the source does: a global pattern continues behind each match. */
const trying =
  ({ source, flags }: Pattern) =>
  (text: string): unknown =>
    flags.includes('g')
      ? text.replace(new RegExp(source, flags), '')
      : new RegExp(source, flags).test(text)

/** Whether `work` ends at once. On a busy machine it may be tried several times. */
function isQuick(work: (text: string) => unknown, text: string, tries: number): boolean {
  for (let count = 0; count < tries; count += 1) {
    const start = performance.now()
    work(text)
    if (performance.now() - start < 3) return true
  }
  return false
}

/** Lengths to try. Short texts come first, because some patterns would never end on a long text. */
const isLinear = (work: (text: string) => unknown, textOf: (length: number) => string): boolean =>
  [24, 256].every((length) => isQuick(work, textOf(length), 10)) &&
  // Quadratic time takes tens of milliseconds. Only a pattern that does not end at once is measured.
  (isQuick(work, textOf(16_384), 1) || growsLinearly(work, textOf))

test.each([
  [/[^\s@*"'<>(),;:/\\=&?]+(?:@|%40)(?:[\w-]+\.)+[a-z][\w-]+/gi],
  [/(\b[a-z][a-z0-9+.-]*:\/\/[^\s:@/]*):[^\s@/]+@/gi],
  [/\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*/g],
  [/^(\w+\s?)*$/],
  [/<!--[\s\S]*?-->/],
])('the texts find that %s takes longer', ({ source, flags }) => {
  const pattern = { name: '', source, flags }
  const work = trying(pattern)
  expect(textsFor(pattern).every(([, textOf]) => isLinear(work, textOf))).toBe(false)
})

test('no regular expression takes longer than linear time', async () => {
  const files = await sources()
  const read = await Promise.all(files.map(patternsIn))
  const patterns = read.flatMap(({ patterns }) => patterns)
  expect(patterns.length).toBeGreaterThan(150)
  expect(files.filter((_, at) => read[at]?.makes)).toEqual(MADE)
  const slow: string[] = []
  // A pattern without an unbounded repetition reads each character a bounded number of times.
  for (const pattern of patterns.filter(({ source }) => /[*+]|,\}/.test(source))) {
    const work = trying(pattern)
    if (pattern.name.startsWith(OURS)) continue
    const found = textsFor(pattern).find(([, textOf]) => !isLinear(work, textOf))
    if (found) slow.push(`${pattern.name} for ${found[0]}`)
  }
  expect(slow).toEqual([])
})
