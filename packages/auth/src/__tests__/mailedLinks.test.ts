/** Whether a mailed link still works, as the page behind it asks before it shows a button. */

import { expect, test } from 'vitest'
import { storedPrefix } from '../database/verification.ts'
import type { MailedLink } from '../index.ts'
import { tokenOf } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
const LINKS: MailedLink[] = ['magic_link', 'reset_password', 'change_email', 'undo_email_change']

/** A token of each kind, and what uses it up. */
async function mailed() {
  const { email, cookie } = await setup.auth.signIn()
  await setup.auth.post('/sign-in/magic-link', { email })
  await setup.auth.post('/change-email', { newEmail: `new-${email}` }, { cookie })
  await setup.auth.settled()
  await setup.auth.post('/request-password-reset', { email })
  await setup.auth.settled()
  const token = (template: string) => tokenOf(setup.auth.outbox, template)
  const tokens: Record<MailedLink, string> = {
    magic_link: token('MagicLinkEmail'),
    reset_password: token('PasswordResetEmail'),
    change_email: token('NewAddressEmail'),
    undo_email_change: token('AddressChangeEmail'),
  }
  return { cookie, tokens }
}

const openOf = async (token: string) => {
  const open = await Promise.all(LINKS.map((link) => setup.auth.isLinkOpen(link, token)))
  return LINKS.filter((_, at) => open[at])
}

test('a link is open as its own kind only, and looking at it does not use it up', async () => {
  const { cookie, tokens } = await mailed()
  for (const link of LINKS) {
    expect(await openOf(tokens[link])).toEqual([link])
    expect(await openOf(tokens[link])).toEqual([link])
  }
  const { auth } = setup
  expect(
    (await auth.post('/sign-in/magic-link/confirm', { token: tokens.magic_link })).status,
  ).toBe(200)
  expect(await openOf(tokens.magic_link)).toEqual([])
  const { change_email: token } = tokens
  expect((await auth.post('/change-email/confirm', { token }, { cookie })).status).toBe(200)
  expect(await openOf(token)).toEqual([])
  const undone = await auth.post('/change-email/undo', { token: tokens.undo_email_change })
  expect(undone.status).toBe(200)
  expect(await openOf(tokens.undo_email_change)).toEqual([])
})

test('a used, an expired and an unknown link are not open', async () => {
  const { tokens } = await mailed()
  const { auth, db } = setup
  const body = { token: tokens.reset_password, newPassword: 'another horse battery' }
  expect((await auth.post('/reset-password', body)).status).toBe(200)
  expect(await openOf(tokens.reset_password)).toEqual([])
  expect(await openOf(tokens.magic_link)).toEqual(['magic_link'])
  await db.verificationToken.updateMany({
    where: { identifier: { startsWith: storedPrefix('magic-link') } },
    data: { expiresAt: new Date(0) },
  })
  for (const token of [tokens.magic_link, '', 'x', 'y'.repeat(300), 'null\0byte']) {
    expect(await openOf(token)).toEqual([])
  }
})
