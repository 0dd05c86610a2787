/**
 * A Worker in front of the app: it answers callers with a session at the edge, without a database, and passes everything
 * else on as it came, webhooks byte for byte.
 */

import { AuthError, createEdge, type Session, sameSiteRedirect } from '@repo/auth/edge'

/** The Worker's variables. */
export interface GateEnv {
  /** The origin that browsers see, which is the Worker's. */
  APP_URL: string
  /** The origin at which the app listens. */
  APP_ORIGIN: string
}

/** The gate to one app. */
export interface Gate {
  /** Passes the request on to the app. */
  pass(request: Request): Promise<Response>
  /**
   * Answers a caller with a session. A page whose access token has expired is renewed first. A revoked session passes until
   * its token expires, five minutes at the most.
   */
  forUser(
    request: Request,
    answer: (session: Session) => Response | Promise<Response>,
  ): Promise<Response>
}

let known: { env: GateEnv; gate: Gate } | undefined

/** The gate of these variables. Its keys are kept as long as the Worker runs. */
export function gateOf(env: GateEnv): Gate {
  if (known?.env.APP_URL !== env.APP_URL || known.env.APP_ORIGIN !== env.APP_ORIGIN) {
    known = { env, gate: createGate(env) }
  }
  return known.gate
}

function createGate({ APP_URL, APP_ORIGIN }: GateEnv): Gate {
  // A Worker cannot ask itself for the keys.
  const jwks = new URL('/api/auth/jwks', APP_ORIGIN)
  const edge = createEdge({ baseURL: APP_URL, jwks })
  return {
    pass(request) {
      const { pathname, search } = new URL(request.url)
      // A redirect is the browser's to follow.
      return fetch(new Request(APP_ORIGIN + pathname + search, request), { redirect: 'manual' })
    },
    async forUser(request, answer) {
      const elsewhere = sameSiteRedirect(request) ?? (await edge.renew(request))
      if (elsewhere) return elsewhere
      try {
        return await answer(await edge.requireAuth(request))
      } catch (error) {
        if (!(error instanceof AuthError)) throw error
        const { status, code, message } = error
        const headers = { 'content-type': 'application/problem+json', 'cache-control': 'no-store' }
        return new Response(JSON.stringify({ status, code, detail: message }), { status, headers })
      }
    },
  }
}
