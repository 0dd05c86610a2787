/** What a host leaves out is in none of its files, comes back on request, and never costs the host's own changes. */

import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { applyPlan } from '../apply.ts'
import { openCheckout } from '../checkout.ts'
import { cutExtras, extrasOf } from '../extras.ts'
import { textOf } from '../files.ts'
import { openHost } from '../host.ts'
import { planAdd } from '../plan-add.ts'
import { planUpdate } from '../plan-update.ts'
import { variablesOf } from '../variables.ts'
import { makeCheckout, read, readJson, temporaryFolder, write } from './fixture.ts'

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))
const cut = (text: string, without: string[]) => cutExtras(text, ['ink', 'oil'], without, 'x.ts')

test('marked lines and regions go with their extra, and every mark goes', () => {
  const text = `import { a } from './a.ts'
import { ink } from './ink.ts' // #ink

// #region ink
const one = ink

// #region oil
const both = 1
// #endregion
// #endregion

const list = [
  'a',
  'ink', // #ink
  'oil', // #oil
]
// #region mine
const own = 1
// #endregion
export { a, list } // #notes
`
  expect(cut(text, [])).toBe(`import { a } from './a.ts'
import { ink } from './ink.ts'

const one = ink

const both = 1

const list = [
  'a',
  'ink',
  'oil',
]
// #region mine
const own = 1
// #endregion
export { a, list } // #notes
`)
  expect(cut(text, ['ink'])).toBe(`import { a } from './a.ts'

const list = [
  'a',
  'oil',
]
// #region mine
const own = 1
// #endregion
export { a, list } // #notes
`)
  expect(cut(text, ['oil'])).toContain("'ink',\n]")
})

test('Markdown, YAML and JSX have marks of their own', () => {
  const page =
    '# A\n\n<!-- #region ink -->\nInk.\n<!-- #endregion -->\n\n| b | <!-- #ink -->\nEnd.\n'
  expect(cut(page, ['ink'])).toBe('# A\n\nEnd.\n')
  expect(cut(page, [])).toBe('# A\n\nInk.\n\n| b |\nEnd.\n')
  expect(cut('A=\n# #region ink\nINK=\n# #endregion\n', ['ink'])).toBe('A=\n')
  expect(cut('<p>\n  {/* #region ink */}\n  <b />\n  {/* #endregion */}\n</p>', ['ink'])).toBe(
    '<p>\n</p>',
  )
})

test('a region without an end is an error that names the file', () => {
  expect(() => cut('// #region ink\nconst a = 1\n', [])).toThrow(/x\.ts: the region ink has no end/)
})

const WITH_INK = {
  'packages/auth/tollgate.json': JSON.stringify({
    part: 'auth',
    isChosen: true,
    required: ['BETTER_AUTH_SECRET'],
    optional: ['GITHUB_CLIENT_ID', 'GITHUB_CLIENT_SECRET'],
    extras: { ink: { files: ['src/ink'], variables: ['GITHUB_'], packages: ['ink-lib'] } },
  }),
  'packages/auth/package.json': `${JSON.stringify(
    {
      name: '@repo/auth',
      dependencies: {
        '@repo/core': 'workspace:*',
        '@repo/db': 'workspace:*',
        'better-auth': '1.7.25',
        'ink-lib': '1.0.0',
      },
    },
    null,
    2,
  )}\n`,
  'packages/auth/src/ink/ink.ts': 'export const ink = 1\n',
  'packages/auth/src/index.ts':
    "export const first = 1\n\nexport const second = 2\n\nexport { ink } from './ink/ink.ts' // #ink\n\nexport const last = 3\n",
}

function hostWithout(without: string[]) {
  const host = temporaryFolder()
  const checkout = openCheckout(makeCheckout(WITH_INK))
  applyPlan(host, planAdd(checkout, openHost(host), ['auth'], { without }))
  return { host, checkout }
}

const INDEX = 'packages/auth/src/index.ts'

test('a host without an extra has neither its files, lines, packages nor variables', () => {
  const { host, checkout } = hostWithout(['ink'])
  expect(openHost(host).has('packages/auth/src/ink')).toBe(false)
  expect(read(host, INDEX)).toBe(
    'export const first = 1\n\nexport const second = 2\n\nexport const last = 3\n',
  )
  expect(readJson(host, 'packages/auth/package.json').dependencies).toEqual({
    '@repo/core': 'workspace:*',
    '@repo/db': 'workspace:*',
    'better-auth': '1.7.25',
  })
  expect(read(host, '.env.example')).not.toContain('GITHUB_')
  const { layout } = readJson(host, '.tollgate-receipt/receipt.json')
  expect(layout.without).toEqual(['ink'])
  // An update of the same version changes nothing.
  expect(planUpdate(checkout, openHost(host)).changes).toEqual([])
  const receipt = { parts: ['auth'], layout } as Parameters<typeof variablesOf>[2]
  expect(variablesOf(checkout, openHost(host), receipt, {}).map(({ name }) => name)).toEqual([
    'DATABASE_URL',
    'BETTER_AUTH_SECRET',
  ])
})

test('an extra comes back into files that the host edited, and is taken out of them again', () => {
  const { host, checkout } = hostWithout(['ink'])
  const edited = read(host, INDEX).replace('first = 1', 'first = 100')
  write(host, { [INDEX]: edited })
  applyPlan(host, planUpdate(checkout, openHost(host), { including: ['ink'] }))
  expect(read(host, INDEX)).toContain('first = 100')
  expect(read(host, INDEX)).toContain("export { ink } from './ink/ink.ts'\n")
  expect(read(host, 'packages/auth/src/ink/ink.ts')).toContain('ink = 1')
  expect(read(host, '.env.example')).toContain('GITHUB_')

  const plan = planUpdate(checkout, openHost(host), { without: ['ink'] })
  expect(plan.conflicts).toEqual([])
  applyPlan(host, plan)
  expect(read(host, INDEX)).toBe(edited)
  expect(openHost(host).has('packages/auth/src/ink/ink.ts')).toBe(false)
})

test('an extra that nobody has, and one that is named both ways, are refused', () => {
  const { host, checkout } = hostWithout([])
  const plan = (options: object) => () => planUpdate(checkout, openHost(host), options)
  expect(plan({ without: ['paint'] })).toThrow(
    'There is no extra "paint". These can be left out: ink.',
  )
  expect(plan({ without: [''] })).toThrow('There is no extra ""')
  expect(plan({ without: ['ink'], including: ['ink'] })).toThrow(/not in both/)
  expect(() => planAdd(checkout, openHost(host), ['email'], { without: ['ink'] })).toThrow(
    /tollgate update --without ink/,
  )
})

/** The words by which a file that still has the extra is recognized. */
const WORDS: Record<string, RegExp> = {
  calcom: /cal\.?com/i,
  creem: /creem/i,
  'oauth-server': /oauth-server|OAuthServer(?!Context)|createOAuthClient|scopes\.ts/,
}

const checkout = openCheckout(ROOT)

test.each(extrasOf(checkout))('%s is in no copied file of auth, billing and email', (extra) => {
  const plan = planAdd(checkout, openHost(temporaryFolder()), ['auth', 'billing', 'email'], {
    without: [extra],
  })
  const files = new Map(
    plan.changes.flatMap(({ path, after }) => {
      const text = after && textOf(after)
      return typeof text === 'string' ? [[path, text] as const] : []
    }),
  )
  const word = WORDS[extra]
  expect(word, `WORDS of this test lacks ${extra}`).toBeDefined()
  const found = [...files].flatMap(([path, text]) =>
    /^(packages\/(auth|billing|email)\/|\.env)/.test(path) && word?.test(text) ? [path] : [],
  )
  expect(found).toEqual([])
  const broken = [...files].flatMap(([path, text]) =>
    /\.tsx?$/.test(path)
      ? [...text.matchAll(/(?:from |import\()'(\.\.?\/[^']+\.tsx?)'/g)].flatMap(([, to = '']) =>
          files.has(posix.join(posix.dirname(path), to)) || to.includes('/generated/')
            ? []
            : [`${path} → ${to}`],
        )
      : [],
  )
  expect(broken).toEqual([])
})
