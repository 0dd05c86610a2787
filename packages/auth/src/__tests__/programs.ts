/** Another program's part of OAuth: it is registered, asks for a user's consent, and fetches tokens. */

import { createHash, randomBytes } from 'node:crypto'
import { TEST_ORIGIN, type TestAuth } from '../testing.ts'

export const RESOURCE = `${TEST_ORIGIN}/api`
export const CALLBACK = 'https://client.example/callback'

/** `admin`: the cookies of who registers programs. */
export function createPrograms(now: () => { auth: TestAuth; admin: string }) {
  const make = (client: Parameters<TestAuth['createOAuthClient']>[1], cookie = now().admin) =>
    now().auth.createOAuthClient(
      now().auth.request('/', { cookie, headers: { origin: TEST_ORIGIN } }),
      client,
    )

  async function token(body: Record<string, string>, basic?: [string, string | null]) {
    const answer = await now().auth.handler(
      now().auth.request('/api/auth/oauth2/token', {
        method: 'POST',
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          ...(basic ? { authorization: `Basic ${btoa(basic.join(':'))}` } : {}),
        },
        body: new URLSearchParams(body).toString(),
      }),
    )
    const json = (await answer.json()) as Record<string, string>
    return { status: answer.status, ...json } as {
      status: number
      access_token: string
      refresh_token?: string
      id_token?: string
      scope?: string
      error?: string
    }
  }
  const bearing = (value: string) =>
    now().auth.request('/api/bookings', { headers: { authorization: `Bearer ${value}` } })

  /** A public client's request for a user, and what came of it. */
  async function authorize(clientId: string, cookie: string, changes: Record<string, string> = {}) {
    const verifier = randomBytes(32).toString('base64url')
    const query = new URLSearchParams({
      response_type: 'code',
      client_id: clientId,
      redirect_uri: CALLBACK,
      scope: 'openid bookings:read offline_access',
      state: 'abc',
      resource: RESOURCE,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
      ...changes,
    })
    const answer = await now().auth.handler(
      now().auth.request(`/api/auth/oauth2/authorize?${query}`, {
        cookie,
        headers: { accept: 'text/html' },
      }),
    )
    return { answer, verifier, location: answer.headers.get('location') ?? '' }
  }

  /** Presses the button of the consent page. */
  async function consent(location: string, cookie: string, accept = true) {
    const { search } = new URL(location, TEST_ORIGIN)
    const answer = await now().auth.post(
      '/oauth2/consent',
      { accept, oauth_query: search.slice(1) },
      { cookie },
    )
    const body = (await answer.json()) as { redirect_uri?: string; url?: string }
    return new URL(body.redirect_uri ?? body.url ?? '')
  }

  /** The code that a user gives a client, with consent where it is asked for. */
  async function codeFor(clientId: string, cookie: string) {
    const { location, verifier } = await authorize(clientId, cookie)
    const back = /[?&]code=/.test(location) ? new URL(location) : await consent(location, cookie)
    return {
      grant_type: 'authorization_code',
      client_id: clientId,
      redirect_uri: CALLBACK,
      code: back.searchParams.get('code') ?? '',
      code_verifier: verifier,
      resource: RESOURCE,
    }
  }

  /** A grant of a user to a public client: its first tokens. */
  const grant = async (clientId: string, cookie: string) => token(await codeFor(clientId, cookie))
  const refresh = (clientId: string, refreshToken: string | undefined, more = {}) =>
    token({
      grant_type: 'refresh_token',
      client_id: clientId,
      refresh_token: refreshToken ?? '',
      ...more,
    })

  return { make, token, authorize, consent, bearing, codeFor, grant, refresh }
}
