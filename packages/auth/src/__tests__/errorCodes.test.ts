/** How the handler refuses: one shape, one case, and a page that lists every code. */

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { type AuthErrorCode, STATUS } from '../errors.ts'
import { GENERAL_CODES } from '../http/answers.ts'
import { TEST_ORIGIN } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth({ twoFactor: true, oauth: { scopes: ['things:read'] } })
const SRC = fileURLToPath(new URL('..', import.meta.url))

const ask = (path: string, init: RequestInit = {}) =>
  setup.auth.handler(new Request(`${TEST_ORIGIN}/api/auth${path}`, init))
const json = { 'content-type': 'application/json', origin: TEST_ORIGIN }
const post = (path: string, body: unknown, headers: Record<string, string> = json) =>
  ask(path, { method: 'POST', headers, body: JSON.stringify(body) })

test.each<[what: string, status: number, code: string, () => Promise<Response>]>([
  ['the border', 403, 'untrusted_origin', () => post('/sign-out', {}, { 'content-type': 'x' })],
  ['the border, of a body', 400, 'invalid_request', () => post('/sign-in/email', [])],
  ['an endpoint', 401, 'invalid_email_or_password', () => post('/sign-in/email', CREDENTIALS)],
  ['an endpoint of ours', 400, 'invalid_token', () => post('/confirm-email', { token: 'x' })],
  ['the schema of a body', 400, 'validation_error', () => post('/sign-in/email', {})],
  ['the guard of an endpoint', 401, 'not_authenticated', () => ask('/list-sessions')],
  ['a path that does not exist', 404, 'not_found', () => ask('/no/such/path')],
  ['a refresh', 401, 'not_authenticated', () => post('/access/refresh', {})],
])('a refusal by %s is %i %s as problem+json', async (_, status, code, refuse) => {
  const answer = await refuse()
  expect(answer.status).toBe(status)
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  expect(answer.headers.get('cache-control')).toBe('no-store')
  const body = (await answer.json()) as Record<string, unknown>
  expect(body).toMatchObject({ type: 'about:blank', status, code, title: expect.any(String) })
  expect(body.detail).not.toBe('')
  // What Better Auth's browser client reads.
  expect(body.message).toBe(body.detail)
})
const CREDENTIALS = { email: 'nobody@example.com', password: 'not the password' }

test('an answer without an error is unchanged, and a refusal keeps its cookie', async () => {
  const fine = await ask('/get-session')
  expect([fine.status, await fine.json()]).toEqual([200, null])
  const { cookie, userId } = await setup.auth.signIn()
  await setup.db.session.deleteMany({ where: { userId } })
  const refused = await ask('/access/refresh', { method: 'POST', headers: { ...json, cookie } })
  expect(refused.status).toBe(401)
  expect(refused.headers.getSetCookie()).toHaveLength(2)
})

test('the OAuth server’s errors have the form of RFC 6749', async () => {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const answer = await ask('/oauth2/token', {
    method: 'POST',
    headers,
    body: 'grant_type=client_credentials&client_id=x&client_secret=y',
  })
  expect(answer.status).toBeGreaterThanOrEqual(400)
  expect(await answer.json()).toMatchObject({ error: 'invalid_client' })
})

test('a form shows the same code as the endpoint', async () => {
  const req = new Request(`${TEST_ORIGIN}/sign-in`, {
    method: 'POST',
    headers: { origin: TEST_ORIGIN },
    body: new URLSearchParams(CREDENTIALS),
  })
  const action = { path: '/sign-in/email', success: '/', failure: '/sign-in' }
  const answer = await setup.auth.formAction(req, action)
  expect(answer.headers.get('location')).toBe('/sign-in?error=invalid_email_or_password')
})

/** Those of guards, of the border and of forms, which throw them, too. */
const OURS: Record<AuthErrorCode, string> = {
  aal2_required: 'A second factor is required, and the user has to turn it on first.',
  access_expired: 'The access token has expired, but the session has not. Refresh and try again.',
  body_too_large: 'The body has more than 64 KiB.',
  conflict: 'Another request was faster. Try again.',
  field_not_allowed: 'The body has a field that cannot be changed here; the message names it.',
  insufficient_permission: 'The role and the policies do not allow it.',
  insufficient_role: 'Another role is required.',
  insufficient_scope: 'The token of a program lacks a scope.',
  invalid_email: 'The text is not a valid e-mail address.',
  invalid_form: 'The body must be a form.',
  invalid_integration: 'The type or the credentials of an integration are malformed.',
  invalid_options: 'The host is configured wrongly; the message names the option.',
  invalid_request: 'The address or the body is malformed; the message says what is wrong.',
  method_not_allowed: 'The endpoint does not allow this method.',
  mfa_required: 'The session lacks its second factor.',
  not_authenticated: 'Nobody is signed in.',
  organization_required: 'The user acts for no organization, and the action needs one.',
  organizations_need_owner: 'The user is the only owner of organizations; the message names them.',
  raw_body_required: 'The host has already read the body. Pass the request on unread.',
  recent_sign_in_required: 'The last sign-in is too old: sign in again, or send the password.',
  too_busy: 'Too many passwords are being checked. Try again after `Retry-After`.',
  unknown_session: 'The caller has no session with this id.',
  unsupported_media_type: 'The body must be JSON or a form.',
  untrusted_origin: 'The request was sent from another site.',
}

const GENERAL: Record<string, string> = {
  profile_incomplete: 'From `getUser`, 403: the user lacks a required field; `missing` names it.',
  forbidden: 'The caller may not use the endpoint.',
  internal_error: 'The host failed; its log has the error.',
  not_found: 'There is no such endpoint.',
  request_failed: 'In forms: the endpoint refused without a code.',
  too_many_requests: 'Too many tries. Try again after `Retry-After`.',
}

/** Codes that our own endpoints give Better Auth's errors, with the sentence beside each. */
async function ofOurEndpoints(): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (const file of await readdir(SRC, { recursive: true })) {
    if (!file.endsWith('.ts') || file.startsWith('__tests__')) continue
    const text = await readFile(join(SRC, file), 'utf8')
    const pairs = text.matchAll(
      /'([a-z]{3,}(?:_[a-z0-9]+)+)',\s*(?:message:\s*)?(?:'((?:[^'\\]|\\.)*)'|"([^"]*)"|`([^`]*)`)/g,
    )
    for (const [, code = '', single, double, template] of pairs) {
      const sentence = (single ?? double ?? template ?? '').replace(/\$\{[^}]*\}/g, '…')
      if (/ /.test(sentence)) found.set(code, sentence)
    }
  }
  return found
}

test('ERRORS.md lists every code with its status and what it means', async () => {
  const rows = new Map<string, [status: string, says: string]>()
  for (const [code, says] of Object.entries(await setup.auth.errorCodes())) {
    rows.set(code, ['', says])
  }
  for (const [code, says] of await ofOurEndpoints()) rows.set(code, ['', says])
  for (const [code, says] of Object.entries(GENERAL)) rows.set(code, ['', says])
  for (const [code, says] of Object.entries(OURS)) {
    rows.set(code, [String(STATUS[code as AuthErrorCode] ?? 400), says])
  }
  for (const code of GENERAL_CODES) expect([...rows.keys()]).toContain(code)
  for (const code of rows.keys()) expect(code).toMatch(/^[a-z][a-z0-9_]*$/)
  const table = [...rows]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([code, [status, says]]) => `| \`${code}\` | ${status} | ${says.replaceAll('|', '\\|')} |`)
  await expect(
    `# Error codes of auth

Every refusal of \`auth.handler\` is \`application/problem+json\` with \`code\`, \`status\`, \`title\`, \`detail\`, and \`message\`, which is \`detail\` again. Forms and server actions redirect with \`?error=<code>\`. Guards throw an \`AuthError\` with the same \`code\`. Errors of the OAuth server have \`error\` and \`error_description\` instead (RFC 6749).

A code is stable and never shown to people: translate it, with the option \`errorTexts\` or on your pages with \`auth.errorText(req, code)\`. If Better Auth refuses without a code, the code is made of its English message. The status is given where a code always has the same. \`auth.errorCodes()\` returns Better Auth's codes of your instance.

This page is written by \`vitest -u\` and checked by \`errorCodes.test.ts\`.

| code | status | says |
|---|---|---|
${table.join('\n')}
`,
  ).toMatchFileSnapshot('../../ERRORS.md')
})
