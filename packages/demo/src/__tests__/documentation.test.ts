/**
 * The documentation that a host's editor shows: of every export of every entry, and of the members of the types that
 * these exports take and return, such as instances, options and results. The compiler reads it.
 */

import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { readSurface, type Seen } from '../reference/surface.ts'
import { blocksOf, typeCheck } from './blocks.ts'

const surface = readSurface()

/** The functions that a host calls first. Each needs an example. */
const FIRST = [
  '@repo/auth createAuth',
  '@repo/auth getSession',
  '@repo/auth requireAuth',
  '@repo/auth requirePermission',
  '@repo/auth requireOrganization',
  '@repo/auth can',
  '@repo/auth createEdge',
  '@repo/auth/client createAuthClient',
  '@repo/billing createBilling',
  '@repo/billing definePlans',
  '@repo/billing defineProducts',
  '@repo/billing createCheckoutSession',
  '@repo/billing confirmCheckout',
  '@repo/billing getSubscription',
  '@repo/billing changePlan',
  '@repo/billing handleStripeWebhook',
  '@repo/billing/credits deductCredits',
  '@repo/billing/credits grantCredits',
  '@repo/billing/credits withCredits',
  '@repo/billing/orders createOrder',
  '@repo/billing/orders handlePaymentCallback',
  '@repo/core toResponse',
  '@repo/core/node toNodeHandler',
  '@repo/db forOrganization',
  '@repo/email createSender',
  '@repo/email defineEmail',
  '@repo/email sendEmail',
  '@repo/jobs enqueue',
  '@repo/jobs createWorker',
  '@repo/jobs runPending',
  '@repo/sandbox createSandbox',
]

const examplesOf = ({ tags }: Seen): string[] =>
  tags.filter(({ name }) => name === 'example').map(({ text }) => text ?? '')

const missingIn = (seen: readonly Seen[]): string[] =>
  seen
    .filter(({ needsDocumentation, text }) => needsDocumentation && text === '')
    .map(({ place, path }) => `${place}: write a doc comment for ${path}.`)

test('everything that a host imports, receives or passes has documentation in the editor', () => {
  expect(missingIn(surface)).toEqual([])
  expect(surface.filter(({ isExport }) => isExport).length).toBeGreaterThan(600)
})

test('the check names an export, an option, a method and a nullable result without documentation', () => {
  const file = fileURLToPath(new URL('./undocumented.ts', import.meta.url))
  const missing = missingIn(readSurface([{ name: 'undocumented', file }]))
  expect(missing.map((text) => text.replace(/^.*\/(\w+\.ts:\d+)/, '$1'))).toEqual([
    'undocumented.ts:7: write a doc comment for createThing.',
    'undocumented.ts:18: write a doc comment for Found.endedAt.',
    'undocumented.ts:7: write a doc comment for createThing(options).size.',
    'undocumented.ts:13: write a doc comment for createThing().stop.',
  ])
})

test('the functions that a host calls first have examples, and every example type-checks', async () => {
  const without = FIRST.filter(
    (name) =>
      !surface.some((each) => `${each.entry} ${each.path}` === name && examplesOf(each).length > 0),
  )
  expect(without).toEqual([])
  const blocks = surface.flatMap((each) =>
    examplesOf(each).flatMap((text) => blocksOf(`${each.entry} ${each.path}`, `${text}\n`)),
  )
  expect(blocks.length).toBeGreaterThanOrEqual(FIRST.length)
  expect(await typeCheck('.examples', blocks)).toBe('')
})
