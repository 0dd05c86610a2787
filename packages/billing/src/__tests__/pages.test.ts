/** The host's pages: each an option, and the README lists them with their defaults. */

import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createBilling } from '../index.ts'
import { CALLBACK_PATH } from '../orders/settings.ts'
import { BILLING_PAGES } from '../pages.ts'
import { createHarness, type Harness } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
})
afterAll(() => h.close())

test('the table of the README has every page with its default', async () => {
  const text = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
  const rows = [...text.matchAll(/^\| `(pages\.\w+|orders\.callbackPath)` \| `([^`]+)` \|/gm)]
  expect(Object.fromEntries(rows.map(([, option, path]) => [option, path]))).toEqual({
    ...Object.fromEntries(
      Object.entries(BILLING_PAGES).map(([name, path]) => [`pages.${name}`, path]),
    ),
    'orders.callbackPath': CALLBACK_PATH,
  })
})

test('a checkout and a portal lead to the pages of the option, and a call may name others', async () => {
  const pages = { billing: '/plan', success: '/paid?from=stripe', canceled: '/left' }
  const billing = createBilling({ ...h.settings, pages })
  const ownerId = await h.owner()
  const addressesOf = async (more: object = {}) => {
    const { id } = await billing.createCheckoutSession({ ownerId, plan: 'PRO', ...more })
    const { success_url, cancel_url } = await h.stripe.checkout.sessions.retrieve(id)
    return [success_url, cancel_url]
  }
  const origin = 'http://localhost:3000'
  expect(await addressesOf()).toEqual([`${origin}/paid?from=stripe`, `${origin}/left`])
  const own = { successUrl: '/thanks', cancelUrl: '/back' }
  expect(await addressesOf(own)).toEqual([`${origin}/thanks`, `${origin}/back`])
  expect(await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })).toHaveProperty('id')
  const elsewhere = createBilling({ ...h.settings, pages: { success: 'https://evil.example/' } })
  await expect(elsewhere.createCheckoutSession({ ownerId, plan: 'PRO' })).rejects.toMatchObject({
    code: 'invalid_return_url',
  })
})
