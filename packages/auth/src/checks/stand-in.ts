/**
 * A stand-in for OAuth providers, on this machine. It gives a token to everybody and counts the requests for one: an
 * instance that asks for a token has accepted the state.
 *
 * @module
 */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { AnyAuthOptions } from '../options.ts'

/** A running stand-in. */
export interface StandIn {
  /** How many requests for a token have arrived. */
  tokens(): number
  /** The options in which the stand-in takes the place of the providers that are set up. */
  replace(options: AnyAuthOptions): Partial<AnyAuthOptions>
  close(): Promise<void>
}

/** Starts the stand-in. */
export async function startStandIn(): Promise<StandIn> {
  let tokens = 0
  const server = createServer((req, res) => {
    const path = req.url?.split('?')[0] ?? ''
    if (/token$/.test(path)) tokens += 1
    req.resume()
    res.setHeader('content-type', 'application/json')
    res.end(JSON.stringify(answerTo(path)))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const answerTo = (path: string): unknown => {
    if (path.endsWith('/openid-configuration')) {
      return {
        issuer: endpoint,
        authorization_endpoint: `${endpoint}/authorize`,
        token_endpoint: `${endpoint}/token`,
        jwks_uri: `${endpoint}/keys`,
        userinfo_endpoint: `${endpoint}/user`,
      }
    }
    if (/token$/.test(path)) return { access_token: 'none', token_type: 'bearer' }
    if (path.endsWith('/emails'))
      return [{ email: 'doctor@example.com', primary: true, verified: true }]
    return { id: 1, sub: '1', login: 'doctor', name: 'Doctor', email: 'doctor@example.com' }
  }
  return {
    tokens: () => tokens,
    replace({ github, google, microsoft, oidc }) {
      const replaced = Object.entries(oidc ?? {}).map(([id, provider]) => [
        id,
        { ...provider, issuer: endpoint },
      ])
      return {
        ...(github && { github: { ...github, endpoint } }),
        ...(google && { google: { ...google, endpoint } }),
        ...(microsoft && { microsoft: { ...microsoft, endpoint } }),
        ...(oidc && { oidc: Object.fromEntries(replaced) }),
      }
    },
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}
