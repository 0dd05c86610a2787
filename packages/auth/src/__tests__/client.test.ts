/** Every way in by Better Auth's own browser client, over HTTP, with a browser's cookies. */

import { createServer, type Server } from 'node:http'
import { freePort } from '@repo/db/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createAuthClient } from '../client.ts'
import { toNodeHandler } from '../index.ts'
import { createTestAuth, TEST_PASSWORD, type TestAuth, tokenOf } from '../testing.ts'
import { codeOf, secretIn } from './authenticator.ts'
import { type Browser, createBrowser } from './browser.ts'
import { type Issuer, OIDC_CLIENT, startIssuer } from './issuer.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
let auth: TestAuth
let issuer: Issuer
let server: Server
let origin: string
beforeAll(async () => {
  origin = `http://localhost:${await freePort()}`
  issuer = await startIssuer({ redirectUri: `${origin}/api/auth/callback/acme` })
  auth = createTestAuth({
    db: setup.db,
    baseURL: origin,
    twoFactor: true,
    oidc: { acme: { issuer: issuer.url, ...OIDC_CLIENT } },
  })
  server = createServer(toNodeHandler(auth))
  await new Promise<void>((done) => server.listen(Number(new URL(origin).port), done))
})
afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await auth.settled()
  await auth.close()
  await issuer.close()
})

/** A browser with the client in it. */
function openBrowser() {
  const browser = createBrowser()
  const client = createAuthClient(origin, (input, init) => {
    const headers = new Headers(init?.headers)
    headers.set('origin', origin)
    return browser.fetch(String(input), { ...init, headers })
  })
  return { browser, client }
}
type Client = ReturnType<typeof openBrowser>['client']

const mailed = async (template: string) => {
  await auth.settled()
  return tokenOf(auth.outbox, template)
}

async function signUp(client: Client, email: string): Promise<void> {
  const made = await client.signUp.email({ name: 'Ada', email, password: TEST_PASSWORD })
  expect(made.error).toBeNull()
  const token = await mailed('WelcomeEmail')
  const confirmed = await client.$fetch('/confirm-email', { method: 'POST', body: { token } })
  expect(confirmed.error).toBeNull()
}
const signIn = (client: Client, email: string, password = TEST_PASSWORD) =>
  client.signIn.email({ email, password })
const who = async (client: Client) => (await client.getSession()).data?.user.email ?? null

/** Follows the address the client was given, to the provider and back. */
async function follow(browser: Browser, url: string | undefined): Promise<string> {
  const back = await browser.until(origin, url as string)
  return (await browser.fetch(back)).text()
}

test('e-mail and password, and the way back in', async () => {
  const { client } = openBrowser()
  const email = 'password@example.com'
  expect((await signIn(client, email)).error).toMatchObject({ status: 401 })
  await signUp(client, email)
  expect(await who(client)).toBeNull()
  expect((await signIn(client, email)).error).toBeNull()
  expect(await who(client)).toBe(email)
  await client.updateUser({ name: 'Ada Lovelace' })
  expect((await client.getSession()).data?.user.name).toBe('Ada Lovelace')
  await client.signOut()
  expect(await who(client)).toBeNull()

  await client.requestPasswordReset({ email })
  const token = await mailed('PasswordResetEmail')
  const newPassword = 'another long password'
  expect((await client.resetPassword({ newPassword, token })).error).toBeNull()
  expect((await signIn(client, email)).error).toMatchObject({ code: 'invalid_email_or_password' })
  expect((await signIn(client, email, newPassword)).error).toBeNull()
})

test('a magic link', async () => {
  const { client } = openBrowser()
  const email = 'link@example.com'
  expect((await client.signIn.magicLink({ email })).error).toBeNull()
  const token = await mailed('MagicLinkEmail')
  const press = () =>
    client.$fetch('/sign-in/magic-link/confirm', { method: 'POST', body: { token } })
  expect((await press()).error).toBeNull()
  expect(await who(client)).toBe(email)
  expect((await press()).error).toMatchObject({ status: 400, code: 'invalid_token' })
})

test('a provider, linking it, and unlinking all but one way in', async () => {
  const { browser, client } = openBrowser()
  const email = 'acme@example.com'
  issuer.profile = { sub: 'acme', email, email_verified: true, name: 'Grace' }
  const begun = await client.signIn.social({ provider: 'acme', callbackURL: '/dashboard' })
  expect(await follow(browser, begun.data?.url)).toContain('content="0;url=/dashboard"')
  expect(await who(client)).toBe(email)
  const [only] = (await client.listAccounts()).data ?? []
  const refused = await client.unlinkAccount({ accountId: only?.id as string })
  expect(refused.error).toMatchObject({ code: 'failed_to_unlink_last_account' })

  const other = openBrowser()
  await signUp(other.client, 'linker@example.com')
  await signIn(other.client, 'linker@example.com')
  const link = async () => {
    const asked = await other.client.linkSocial({ provider: 'acme', callbackURL: '/settings' })
    return follow(other.browser, asked.data?.url)
  }
  expect(await link()).toContain('error=')
  expect((await other.client.listAccounts()).data).toHaveLength(1)
  issuer.profile = { sub: 'linker', email: 'linker@example.com', email_verified: true }
  const fresh = openBrowser()
  await signIn(fresh.client, 'linker@example.com')
  const asked = await fresh.client.linkSocial({ provider: 'acme', callbackURL: '/settings' })
  expect(await follow(fresh.browser, asked.data?.url)).toContain('content="0;url=/settings"')
  const accounts = (await fresh.client.listAccounts()).data ?? []
  expect(accounts.map(({ providerId }) => providerId).sort()).toEqual(['acme', 'credential'])
  const gone = await fresh.client.unlinkAccount({ accountId: accounts[0]?.id as string })
  expect(gone.error).toBeNull()
  expect((await fresh.client.listAccounts()).data).toHaveLength(1)
})

test('the second factor, after a password and after a provider', async () => {
  const { browser, client } = openBrowser()
  const email = 'second@example.com'
  await signUp(client, email)
  await signIn(client, email)
  const enabled = await client.twoFactor.enable({ password: TEST_PASSWORD })
  const made = enabled.data as unknown as { totpURI: string; backupCodes: string[] }
  const code = (ahead: number) => codeOf(secretIn(made.totpURI), ahead)
  expect((await client.twoFactor.verifyTotp({ code: await code(0) })).error).toBeNull()
  await client.signOut()

  const first = await signIn(client, email)
  expect(first.data).toMatchObject({ twoFactorRedirect: true })
  expect(await who(client)).toBeNull()
  const [backup = ''] = made.backupCodes
  expect((await client.twoFactor.verifyBackupCode({ code: backup })).error).toBeNull()
  expect(await who(client)).toBe(email)
  await client.signOut()

  issuer.profile = { sub: 'second', email, email_verified: true }
  const begun = await client.signIn.social({ provider: 'acme', callbackURL: '/' })
  await follow(browser, begun.data?.url)
  expect((await client.getSession()).error).toMatchObject({ status: 403, code: 'mfa_required' })
  expect((await client.twoFactor.verifyTotp({ code: await code(1) })).error).toBeNull()
  expect(await who(client)).toBe(email)
})

test('an organization after the first sign-in', async () => {
  const { client } = openBrowser()
  await signUp(client, 'founder@example.com')
  await signIn(client, 'founder@example.com')
  expect((await client.getSession()).data?.session.activeOrganizationId).toBeNull()
  const made = await client.organization.create({ name: 'Acme', slug: 'acme' })
  expect(made.error).toBeNull()
  const session = await client.getSession()
  expect(session.data?.session.activeOrganizationId).toBe(made.data?.id)
})

test('an account’s address is changed and restored; the account is exported, deleted and kept', async () => {
  const { client } = openBrowser()
  const email = 'account@example.com'
  await signUp(client, email)
  await signIn(client, email)
  const newEmail = 'moved@example.com'
  expect((await client.changeEmail({ newEmail })).error).toBeNull()
  const token = await mailed('NewAddressEmail')
  expect((await client.changeEmail.confirm({ token })).error).toBeNull()
  expect((await client.exportUser()).data?.user.email).toBe(newEmail)
  expect((await client.deleteUser({ password: TEST_PASSWORD })).error).toBeNull()
  expect((await client.getSession()).data).toBeNull()
  const back = await client.signIn.email({ email: newEmail, password: TEST_PASSWORD })
  expect(back.data).toHaveProperty('deletionDueAt')
  expect((await client.deleteUser.cancel()).error).toBeNull()
  const undo = await mailed('AddressChangeEmail')
  expect((await client.changeEmail.undo({ token: undo })).error).toBeNull()
  expect((await client.getSession()).data).toBeNull()
})
