/**
 * GitHub on this machine, over HTTP: gives a code for a client and a challenge, and a token for the
 * code, once, to who knows the client's secret and the challenge's verifier (RFC 6749, RFC 7636).
 */

import { createHash, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export const CLIENT = { clientId: 'github-id', clientSecret: 'github-secret' }

export interface Profile {
  id: number
  email: string
  verified: boolean
}

export interface GitHub {
  endpoint: string
  /** Who signs in next. */
  profile: Profile
  /** Every token given, and every refusal to give one. */
  tokens: string[]
  refusals: string[]
  close(): Promise<void>
}

export async function startGitHub(): Promise<GitHub> {
  const codes = new Map<string, { challenge: string; redirectUri: string }>()
  const server = createServer((req, res) => void answer(req, res))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const github: GitHub = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    profile: { id: 1, email: 'ada@example.com', verified: true },
    tokens: [],
    refusals: [],
    close: () => new Promise((done) => void server.close(() => done())),
  }

  function authorize(query: URLSearchParams, res: ServerResponse): void {
    const redirectUri = query.get('redirect_uri') ?? ''
    const challenge = query.get('code_challenge') ?? ''
    const asked =
      query.get('client_id') === CLIENT.clientId && query.get('response_type') === 'code'
    if (!asked || query.get('code_challenge_method') !== 'S256' || !challenge) {
      res.writeHead(400).end()
      return
    }
    const code = randomUUID()
    codes.set(code, { challenge, redirectUri })
    const back = new URL(redirectUri)
    back.searchParams.set('code', code)
    back.searchParams.set('state', query.get('state') ?? '')
    res.writeHead(302, { location: back.href }).end()
  }

  function exchange(body: URLSearchParams): object {
    const code = body.get('code') ?? ''
    const grant = codes.get(code)
    codes.delete(code)
    const verifier = createHash('sha256').update(body.get('code_verifier') ?? '')
    const refusal =
      (body.get('client_secret') !== CLIENT.clientSecret && 'incorrect_client_credentials') ||
      (!grant && 'bad_verification_code') ||
      (grant?.redirectUri !== body.get('redirect_uri') && 'redirect_uri_mismatch') ||
      (grant?.challenge !== verifier.digest('base64url') && 'invalid_grant')
    if (refusal) {
      github.refusals.push(refusal)
      return { error: refusal }
    }
    const token = `gho_${randomUUID()}`
    github.tokens.push(token)
    return { access_token: token, token_type: 'bearer', scope: 'read:user,user:email' }
  }

  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const url = new URL(req.url ?? '/', github.endpoint)
    const { id, email, verified } = github.profile
    const json = (body: object) =>
      res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (url.pathname === '/login/oauth/authorize') return authorize(url.searchParams, res)
    if (url.pathname === '/login/oauth/access_token') {
      let body = ''
      for await (const chunk of req) body += chunk
      json(exchange(new URLSearchParams(body)))
    } else if (!github.tokens.includes(req.headers.authorization?.slice('Bearer '.length) ?? '')) {
      res.writeHead(401).end()
    } else if (url.pathname === '/user') {
      json({ id, login: 'ada', name: 'Ada', email: null, avatar_url: '' })
    } else {
      json([{ email, primary: true, verified, visibility: 'private' }])
    }
  }
  return github
}
