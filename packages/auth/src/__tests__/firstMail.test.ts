/** A mail to an address that nobody has proven says nothing that a stranger typed. */

import { expect, test } from 'vitest'
import { TEST_PASSWORD } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
const LURE = 'You won 1.000 EUR, collect at https://evil.example/prize now'

async function sent(template: string): Promise<string> {
  await setup.auth.settled()
  const { subject, html, text } = setup.auth.outbox.last(template)
  return `${subject}\n${html}\n${text}`
}

test('a confirmation, a repeated one and that of a second sign-up contain no name', async () => {
  const { auth, db } = setup
  const email = 'victim@example.org'
  await auth.post('/sign-up/email', { name: LURE, email, password: TEST_PASSWORD })
  const mails = [await sent('WelcomeEmail')]
  await auth.post('/send-verification-email', { email })
  mails.push(await sent('WelcomeEmail'))
  await auth.post('/sign-up/email', { name: `Eve ${LURE}`, email, password: TEST_PASSWORD })
  mails.push(await sent('WelcomeEmail'))
  await auth.post('/request-password-reset', { email })
  mails.push(await sent('PasswordResetEmail'))
  for (const mail of mails) expect(mail).not.toMatch(/evil|You won|Eve /)
  // What was typed stays as it is.
  expect(await db.user.findUnique({ where: { email } })).toMatchObject({ name: LURE })
})

test('a reset mail names the owner of a proven address', async () => {
  const { email } = await setup.auth.signIn()
  await setup.auth.post('/request-password-reset', { email })
  expect(await sent('PasswordResetEmail')).toContain('Hello Ada,')
})

test('an invitation shows names, and no message', async () => {
  const { auth, db } = setup
  const { cookie, userId } = await auth.signIn()
  const made = await auth.post('/organization/create', { name: LURE }, { cookie })
  const { id: organizationId, name } = (await made.json()) as { id: string; name: string }
  expect(name).toBe(LURE)
  const invite = (email: string) =>
    auth.post('/organization/invite-member', { email, role: 'VIEWER', organizationId }, { cookie })
  await invite('first@example.org')
  expect(await sent('TeamInviteEmail')).toContain('Ada invites you to an organization')
  await db.organization.update({ where: { id: organizationId }, data: { name: 'Acme' } })
  await db.user.update({ where: { id: userId }, data: { name: LURE } })
  await invite('second@example.org')
  const mail = await sent('TeamInviteEmail')
  expect(mail).toContain('A member invites you to Acme')
  expect(mail).not.toContain('evil')
})
