/** Recipes edit what they recognize, keep everything else byte for byte, and can be taken back. */

import { chmodSync, existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { applyPlan } from '../apply.ts'
import { openCheckout } from '../checkout.ts'
import { openHost } from '../host.ts'
import type { Plan } from '../plan.ts'
import { planRemove } from '../plan-remove.ts'
import { planRecipe, planRecipeUndo } from '../recipes/plan-recipe.ts'
import { RECIPES } from '../recipes/recipes.ts'
import { setOption } from '../recipes/tree.ts'
import { read, treeOf, write } from './fixture.ts'
import { INSTANCES, type RecipeHost, recipeHost } from './recipe-host.ts'

const LIB = 'apps/web/src/lib/tollgate.ts'
const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))
const NAMES = Object.keys(RECIPES)

const plan = ({ folder, from }: RecipeHost, name: string): Plan =>
  planRecipe(openCheckout(from), openHost(folder), name)

function use(host: RecipeHost, name: string): Plan {
  const made = plan(host, name)
  applyPlan(host.folder, made)
  return made
}

function undo({ folder }: RecipeHost, name: string): Plan {
  const made = planRecipeUndo(openHost(folder), name)
  applyPlan(folder, made)
  return made
}

/** The tree without what `update --abort` needs. */
const treeIn = ({ folder }: RecipeHost) =>
  Object.fromEntries(Object.entries(treeOf(folder)).filter(([path]) => !path.includes('/last')))

test('there is a recipe for each phrase of the mission', () => {
  expect(NAMES.sort()).toEqual(
    'calcom configure-billing credits github-oauth google-oauth mfa microsoft-oauth organizations password-reset stripe'.split(
      ' ',
    ),
  )
})

test.each(NAMES)('%s changes the host once, and is taken back byte for byte', (name) => {
  const host = recipeHost()
  const before = treeIn(host)
  const first = use(host, name)
  expect(first.changes.map(({ path }) => path)).toContain('.tollgate-receipt/recipes.json')
  expect(first.steps.length).toBeGreaterThan(0)
  expect(treeIn(host)).not.toEqual(before)
  expect(plan(host, name).changes).toEqual([])
  expect(undo(host, name).notes).toEqual([])
  expect(treeIn(host)).toEqual(before)
})

test('all recipes after one another, and taken back in another order', () => {
  const host = recipeHost()
  const before = treeIn(host)
  for (const name of NAMES) use(host, name)
  const text = read(host.folder, LIB)
  for (const part of [
    '// Made with the first request.',
    '// none yet',
    '/* the customer */ userCreated',
  ])
    expect(text).toContain(part)
  for (const name of NAMES) expect(plan(host, name).changes).toEqual([])
  const order = ['mfa', 'stripe', ...NAMES.filter((name) => name !== 'mfa' && name !== 'stripe')]
  for (const name of order) expect([name, undo(host, name).notes]).toEqual([name, []])
  expect(treeIn(host)).toEqual(before)
})

test('an option goes in front of the others, in their form', () => {
  const host = recipeHost()
  use(host, 'mfa')
  use(host, 'credits')
  expect(read(host.folder, LIB)).toBe(
    INSTANCES.replace('  createAuth({\n', '  createAuth({\n    twoFactor: true,\n').replace(
      'products: {},',
      "products: { CREDITS_100: { name: '100 credits', amount: 900, currency: 'usd', credits: 100 } },",
    ),
  )
})

test('plans are written with their import, and the import goes with them', () => {
  const host = recipeHost()
  use(host, 'configure-billing')
  const text = read(host.folder, LIB)
  expect(text).toContain("import { createBilling, type Billing, definePlans } from '@repo/billing'")
  expect(text).toContain("    plans: definePlans({\n      FREE: { name: 'Free' },")
  // Somebody uses it elsewhere meanwhile.
  write(host.folder, { [LIB]: `${text}\nexport const more = definePlans({ A: { name: 'A' } })\n` })
  const { notes } = undo(host, 'configure-billing')
  expect(notes).toEqual([{ path: LIB, why: 'definePlans is still used, so its import stays.' }])
  expect(read(host.folder, LIB)).not.toContain('plans: definePlans')
})

test.each([
  ['createAuth()', 'createAuth({ twoFactor: true })'],
  ['createAuth({})', 'createAuth({ twoFactor: true })'],
  ['createAuth({ /* none */ })', 'createAuth({ twoFactor: true, /* none */ })'],
  ['createAuth({ })', 'createAuth({ twoFactor: true, })'],
  ["createAuth({ appName: 'Acme' })", "createAuth({ twoFactor: true, appName: 'Acme' })"],
  ['createAuth<P, R>({\n\tappName,\n})', 'createAuth<P, R>({\n\ttwoFactor: true,\n\tappName,\n})'],
])('%s becomes %s, and back', (before, after) => {
  const text = (call: string) =>
    `import { createAuth } from '@repo/auth'\nexport const auth = ${call}\n`
  const host = recipeHost({ [LIB]: text(before) })
  use(host, 'mfa')
  expect(read(host.folder, LIB)).toBe(text(after))
  undo(host, 'mfa')
  expect(read(host.folder, LIB)).toBe(text(before))
})

test.each([
  ['options in a variable', 'createAuth(options)'],
  ['a spread that may hold the option', 'createAuth({ ...options })'],
  ['two instances', "createAuth({ appName: 'a' }), createAuth({ appName: 'b' })"],
  ['no instance of its own', 'somethingElse({})'],
  ['a syntax error', 'createAuth({'],
])('%s is refused with the lines to add, and nothing changes', (_, call) => {
  const host = recipeHost({
    [LIB]: `import { createAuth } from '@repo/auth'\nexport const auth = [${call}]\n`,
  })
  const before = treeIn(host)
  expect(() => plan(host, 'mfa')).toThrow(
    expect.objectContaining({
      code: 'unrecognizable',
      message: expect.stringMatching(
        /^apps\/web\/\S+\.ts has no one call of createAuth[\s\S]*createAuth\(\{\n {2}twoFactor: true,\n\}\)$/,
      ),
    }),
  )
  expect(treeIn(host)).toEqual(before)
})

test('a host without a configuration, a part or an extra is told what is missing', () => {
  const bare = recipeHost({ 'apps/web/tollgate.config.ts': null })
  // The wiring may have brought one along.
  rmSync(join(bare.folder, 'apps/web/tollgate.config.ts'), { force: true })
  expect(() => plan(bare, 'mfa')).toThrow(/has no tollgate\.config\.ts/)
  expect(() => plan(recipeHost({}, {}, { parts: ['auth'] }), 'stripe')).toThrow(
    /tollgate add billing/,
  )
  expect(() => plan(recipeHost({}, {}, { without: ['calcom'] }), 'calcom')).toThrow(
    /tollgate update --with calcom/,
  )
  expect(() => plan(recipeHost(), 'saml')).toThrow(/There is no recipe "saml"/)
  expect(() => plan(recipeHost(), '__proto__')).toThrow(/There is no recipe/)
  expect(() => undo(recipeHost(), 'mfa')).toThrow(
    expect.objectContaining({ code: 'nothing_to_abort' }),
  )
})

test('a host without Next.js gets no route, but is shown what to mount', () => {
  const host = recipeHost({ 'apps/web/package.json': '{ "name": "web" }' }, {}, { app: 'apps/web' })
  const { changes, steps } = use(host, 'password-reset')
  expect(changes.map(({ path }) => path)).toEqual(['.tollgate-receipt/recipes.json', LIB])
  expect(steps[0]).toMatch(/^Answer \/forgot-password\/send in your app as this does:\n\nimport/)
})

test('a route imports the instances from where the host makes them', () => {
  const host = recipeHost({
    [LIB]: null,
    'apps/web/src/server/instances.ts': INSTANCES,
    'apps/web/tollgate.config.ts': "export { auth, billing } from './src/server/instances.ts'\n",
  })
  use(host, 'calcom')
  expect(read(host.folder, 'apps/web/src/app/api/webhooks/calcom/route.ts')).toContain(
    "import { billing } from '../../../../server/instances'",
  )
})

test('an option that the host has already stays, and so does a route', () => {
  const route = 'apps/web/src/app/sign-in/github/route.ts'
  const host = recipeHost({
    [LIB]: INSTANCES.replace(
      'createAuth({',
      'createAuth({\n    twoFactor: process.env.MFA === "on",',
    ),
    [route]: '// mine\n',
  })
  const before = treeIn(host)
  expect(plan(host, 'mfa')).toMatchObject({
    changes: [],
    notes: [{ path: LIB, why: 'createAuth has twoFactor already, and yours stays.' }],
  })
  expect(use(host, 'github-oauth').notes).toEqual([
    { path: route, why: 'Your app has this file, and yours stays.' },
  ])
  expect(treeIn(host)).toEqual(before)
})

test('what somebody has edited since stays when a recipe is taken back', () => {
  const host = recipeHost()
  use(host, 'mfa')
  use(host, 'github-oauth')
  const route = 'apps/web/src/app/sign-in/github/route.ts'
  write(host.folder, {
    [LIB]: read(host.folder, LIB).replace('twoFactor: true', 'twoFactor: isOn'),
    [route]: `${read(host.folder, route)}// mine\n`,
  })
  const stays = 'You changed what the recipe wrote, so it stays.'
  expect(undo(host, 'mfa').notes).toEqual([{ path: LIB, why: stays }])
  expect(undo(host, 'github-oauth').notes).toEqual([{ path: route, why: stays }])
  expect(read(host.folder, LIB)).toContain('twoFactor: isOn')
  expect(read(host.folder, route)).toContain('// mine')
})

test('lines of Windows stay, and variables that were removed come back', () => {
  const host = recipeHost({ [LIB]: INSTANCES.replaceAll('\n', '\r\n') })
  const env = read(host.folder, '.env.example')
  write(host.folder, { '.env.example': env.replace(/# Stripe[\s\S]*?\n\n/, '') })
  const before = treeIn(host)
  use(host, 'mfa')
  expect(read(host.folder, LIB)).toBe(
    INSTANCES.replace('createAuth({', 'createAuth({\n    twoFactor: true,').replaceAll(
      '\n',
      '\r\n',
    ),
  )
  use(host, 'stripe')
  expect(read(host.folder, '.env.example')).toMatch(/# Stripe → Developers\.\nSTRIPE_SECRET_KEY=\n/)
  undo(host, 'stripe')
  undo(host, 'mfa')
  expect(treeIn(host)).toEqual(before)
})

test('a file that cannot be written leaves everything as it was', () => {
  const host = recipeHost()
  chmodSync(join(host.folder, LIB), 0o444)
  const before = treeIn(host)
  expect(() => use(host, 'mfa')).toThrow(/read-only/)
  expect(treeIn(host)).toEqual(before)
})

test('the record goes with the last part', () => {
  const host = recipeHost()
  use(host, 'mfa')
  applyPlan(host.folder, planRemove(openCheckout(host.from), openHost(host.folder), []))
  expect(existsSync(join(host.folder, '.tollgate-receipt/recipes.json'))).toBe(false)
})

test('every option of a recipe can be set in the app that add brings, and every variable is documented', () => {
  const text = read(ROOT, 'packages/web/src/lib/tollgate.ts')
  const variables = read(ROOT, '.env.example')
  for (const { options, variables: names } of Object.values(RECIPES)) {
    for (const { callee, keys, value } of options)
      expect(['set', 'same', 'kept']).toContain(setOption(text, callee, keys, value).state)
    for (const name of names) expect(variables).toMatch(new RegExp(`^${name}=`, 'm'))
  }
})
