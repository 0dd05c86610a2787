/** A client of the sign-in stand-ins, and a person without a browser who chooses an account. */

import { createHash, randomBytes } from 'node:crypto'
import type { OAuthProviderName } from '../index.ts'
import { type Running, start } from './harness.ts'

export const CALLBACK = 'http://localhost:3000/api/auth/callback/it'
export const CLIENT = { clientId: 'acme', clientSecret: 'a secret', redirectUris: [CALLBACK] }

/** Where each provider asks and gives, below its address. */
const PATHS: Record<OAuthProviderName, { authorize: string; token: string }> = {
  github: { authorize: '/login/oauth/authorize', token: '/login/oauth/access_token' },
  google: { authorize: '/o/oauth2/v2/auth', token: '/token' },
  microsoft: { authorize: '/common/oauth2/v2.0/authorize', token: '/common/oauth2/v2.0/token' },
  oidc: { authorize: '/authorize', token: '/token' },
}

export const PROVIDERS = Object.keys(PATHS) as OAuthProviderName[]

export const startProviders = () =>
  start({ oauth: { clients: { github: CLIENT, google: CLIENT, microsoft: CLIENT, oidc: CLIENT } } })

export const verifier = () => randomBytes(32).toString('base64url')
export const challengeOf = (text: string) => createHash('sha256').update(text).digest('base64url')

export interface Asked {
  /** The way in, as a client would open it. */
  url: URL
  verifier: string
}

export function ask(
  running: Running,
  provider: OAuthProviderName,
  change: Record<string, string | null> = {},
): Asked {
  const own = verifier()
  const url = new URL(running.oauthUrls[provider] + PATHS[provider].authorize)
  const parameters = {
    client_id: CLIENT.clientId,
    redirect_uri: CALLBACK,
    response_type: 'code',
    scope: provider === 'github' ? 'read:user user:email' : 'openid email profile',
    state: 'a state',
    code_challenge: challengeOf(own),
    code_challenge_method: 'S256',
    ...change,
  }
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null) url.searchParams.set(name, value)
  }
  return { url, verifier: own }
}

/** Presses a button of the page; the answer is the way back. */
export async function choose(url: URL, fields: Record<string, string>): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    body: new URLSearchParams(fields),
    redirect: 'manual',
    headers: { origin: url.origin },
  })
}

export const backOf = (answer: Response): URL => new URL(answer.headers.get('location') as string)

/** The code for a person. */
export async function codeFor(asked: Asked, fields: Record<string, string>): Promise<string> {
  return backOf(await choose(asked.url, fields)).searchParams.get('code') as string
}

export async function exchange(
  running: Running,
  provider: OAuthProviderName,
  fields: Record<string, string | null>,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: Record<string, unknown> }> {
  const all = {
    grant_type: 'authorization_code',
    client_id: CLIENT.clientId,
    client_secret: CLIENT.clientSecret,
    redirect_uri: CALLBACK,
    ...fields,
  }
  const body = new URLSearchParams()
  for (const [name, value] of Object.entries(all)) if (value !== null) body.set(name, value)
  const answer = await fetch(running.oauthUrls[provider] + PATHS[provider].token, {
    method: 'POST',
    body,
    headers: { accept: 'application/json', ...headers },
  })
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
}
