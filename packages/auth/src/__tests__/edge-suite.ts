/**
 * What the edge guards promise, as one function that runs wherever there is WebCrypto: bundled for
 * edge-runtime and workerd it brings no test runner along. Returns what does not hold.
 */

import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose'
import { AuthError, createEdge, sameSiteRedirect } from '../edge.ts'
import { ACCESS_COOKIE, SESSION_COOKIE } from '../session/cookies.ts'

const ORIGIN = 'https://app.example.com'

export async function edgeSuite(): Promise<string[]> {
  const broken: string[] = []
  const check = (what: string, holds: boolean) => {
    if (!holds) broken.push(what)
  }
  for (const alg of ['ES256', 'RS256'] as const) {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
    const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg }] }
    const edge = createEdge({ baseURL: ORIGIN, jwks })
    const now = Math.floor(Date.now() / 1000)
    const good = { sub: 'u', sid: 's', role: 'USER', acr: 'aal1', iss: ORIGIN, aud: ORIGIN }
    const claims = { ...good, iat: now, exp: now + 60 }
    const sign = (changes: object = {}, header: object = {}, key = privateKey) =>
      new SignJWT({ ...claims, ...changes })
        .setProtectedHeader({ alg, kid: 'k', typ: 'at+jwt', ...header })
        .sign(key)
    const request = (headers: Record<string, string>, path = '/') =>
      new Request(`${ORIGIN}${path}`, { headers })
    const withCookie = (token: string) => request({ cookie: `a=b; ${ACCESS_COOKIE}=${token}` })

    const token = await sign()
    for (const req of [
      withCookie(token),
      withCookie(token),
      request({ authorization: `Bearer ${token}` }),
    ]) {
      const session = await edge.getSession(req)
      check(`${alg}: a good token says who`, session?.userId === 'u' && session.sessionId === 's')
    }
    const inOrganization = await sign({ org: 'o', orgRole: 'OWNER' })
    const owner = await edge.requireRole(withCookie(inOrganization), 'OWNER')
    check(`${alg}: the role in the organization counts`, owner.organizationId === 'o')
    const refused = await codeOf(edge.requireRole(withCookie(token), 'ADMIN'))
    check(`${alg}: another role is refused`, refused === 'insufficient_role')

    const raised = withCookie(await sign({ acr: 'aal2', auth_time: now - 60 }))
    const old = withCookie(await sign({ auth_time: now - 60 }))
    check(`${alg}: aal2 is enough`, (await edge.requireAal2(raised)).acr === 'aal2')
    check(`${alg}: aal1 is not`, (await codeOf(edge.requireAal2(old))) === 'aal2_required')
    const recent = (req: Request, withinSeconds: number) =>
      codeOf(edge.requireRecentSignIn(req, { withinSeconds }))
    check(`${alg}: a recent sign-in is`, (await recent(old, 90)) === 'nothing thrown')
    const late = 'recent_sign_in_required'
    check(`${alg}: an old one is not`, (await recent(old, 30)) === late)
    // The tokens of an earlier version do not say.
    check(`${alg}: nor one of no known time`, (await recent(withCookie(token), 1e6)) === late)

    const stranger = await generateKeyPair(alg)
    const [head, body, signature] = token.split('.')
    const forged: Record<string, string> = {
      expired: await sign({ exp: now - 1 }),
      'of another issuer': await sign({ iss: 'https://evil.example' }),
      'for another audience': await sign({ aud: 'https://evil.example' }),
      'of another type': await sign({}, { typ: 'JWT' }),
      'of an unknown key': await sign({}, { kid: 'x' }),
      'of a swapped key': await sign({}, {}, stranger.privateKey),
      unsigned: new UnsecuredJWT(claims).encode(),
      truncated: token.slice(0, -9),
      'without a signature': `${head}.${body}.`,
      'with changed claims': `${head}.${btoa(JSON.stringify({ ...claims, sub: 'x' }))}.${signature}`,
      oversized: await sign({ role: 'x'.repeat(5000) }),
      empty: '',
      junk: 'a.b.c',
    }
    for (const [what, value] of Object.entries(forged)) {
      check(
        `${alg}: a token that is ${what} is nobody`,
        !(await edge.getSession(withCookie(value))),
      )
    }
    const twice = request({ cookie: `${ACCESS_COOKIE}=${token}; ${ACCESS_COOKIE}=x` })
    check(`${alg}: of two cookies neither is taken`, !(await edge.getSession(twice)))

    const nobody = await codeOf(edge.requireAuth(request({})))
    check(`${alg}: nobody is refused`, nobody === 'not_authenticated')
    const page = { 'sec-fetch-mode': 'navigate', cookie: `${SESSION_COOKIE}=x` }
    const ended = await codeOf(edge.requireAuth(request(page)))
    check(`${alg}: an ended token says so`, ended === 'access_expired')
    const away = await edge.renew(request(page, '/a?b=1'))
    const location = away?.headers.get('location')
    const renewal = `${ORIGIN}/api/auth/access/renew?next=%2Fa%3Fb%3D1`
    check(`${alg}: a page is renewed, by an absolute address`, location === renewal)
    const foreign = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }
    const hop = sameSiteRedirect(request({ ...foreign, 'sec-fetch-site': 'cross-site' }, '/a'))
    check(`${alg}: a page from another site hops`, (await hop?.text())?.includes('url=/a') === true)
  }
  return broken
}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'nothing thrown',
    (error: unknown) => (error instanceof AuthError ? error.code : String(error)),
  )
