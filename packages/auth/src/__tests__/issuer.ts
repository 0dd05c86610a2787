/**
 * A real OpenID Connect provider on this machine (the certified `oidc-provider`), which insists on
 * PKCE and signs its id tokens; whoever comes is `profile`. With the routes of
 * Google or Microsoft it stands in for them.
 */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import Provider, { type Configuration } from 'oidc-provider'

export const OIDC_CLIENT = { clientId: 'tollgate', clientSecret: 'oidc-secret-of-the-test' }

export interface Issuer {
  url: string
  /** Claims of who signs in next; `sub` is theirs for good. */
  profile: Record<string, unknown> & { sub: string }
  /** Parameters of every sign-in that was asked for. */
  asked: URLSearchParams[]
  /** Every access token it gave. */
  tokens: string[]
  /** Refusals to exchange a code. */
  refusals: string[]
  close(): Promise<void>
}

export interface IssuerOptions {
  /** The path of the issuer, when it has one. */
  path?: string
  routes?: Configuration['routes']
  /** Shows a page with a button first, as providers do. Default false. */
  asks?: boolean
  /** Where it sends people back to. */
  redirectUri: string
}

export async function startIssuer(options: IssuerOptions): Promise<Issuer> {
  let handle: (req: IncomingMessage, res: ServerResponse) => unknown = () => {}
  const server = createServer((req, res) => void handle(req, res))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const issuer: Issuer = {
    url: `${origin}${options.path ?? ''}`,
    profile: { sub: 'ada', email: 'ada@example.com', email_verified: true, name: 'Ada' },
    asked: [],
    refusals: [],
    tokens: [],
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
  const profiles = new Map<string, Issuer['profile']>()
  const provider = new Provider(issuer.url, {
    clients: [
      {
        client_id: OIDC_CLIENT.clientId,
        client_secret: OIDC_CLIENT.clientSecret,
        redirect_uris: [options.redirectUri],
        token_endpoint_auth_method: 'client_secret_post',
      },
    ],
    pkce: { required: () => true },
    claims: {
      openid: ['sub', 'oid', 'tid', 'xms_edov', 'verified_primary_email'],
      profile: ['name', 'picture', 'locale'],
      email: ['email', 'email_verified'],
    },
    // As Auth0, Clerk and Keycloak do: the claims are in the id token.
    conformIdTokenClaims: false,
    scopes: ['openid', 'profile', 'email', 'offline_access', 'User.Read'],
    ...(options.routes ? { routes: options.routes } : {}),
    features: { devInteractions: { enabled: false } },
    ttl: { Interaction: 60, Grant: 60, Session: 60, AccessToken: 60, IdToken: 60 },
    cookies: { keys: ['a-cookie-key-of-the-test'] },
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    findAccount: (_, sub) => ({
      accountId: sub,
      claims: () => profiles.get(sub) as Issuer['profile'],
    }),
    async loadExistingGrant(ctx) {
      const grant = new ctx.oidc.provider.Grant({
        clientId: ctx.oidc.client?.clientId as string,
        accountId: ctx.oidc.session?.accountId as string,
      })
      grant.addOIDCScope('openid profile email offline_access User.Read')
      await grant.save()
      return grant
    },
  })
  provider.on('authorization.accepted', ({ oidc }) => {
    issuer.asked.push(new URLSearchParams(oidc.params as Record<string, string>))
  })
  provider.on('access_token.saved', ({ jti }) => issuer.tokens.push(jti))
  provider.on('grant.error', (_, error) => issuer.refusals.push(error.error))
  const callback = provider.callback()
  const base = options.path ?? ''
  handle = async (req, res) => {
    if (req.url?.startsWith('/interaction/')) {
      if (options.asks && req.method === 'GET') {
        const page = '<form method="post"><button>Continue to the app</button></form>'
        return res.writeHead(200, { 'content-type': 'text/html' }).end(page)
      }
      const { profile } = issuer
      profiles.set(profile.sub, profile)
      return provider.interactionFinished(req, res, { login: { accountId: profile.sub } })
    }
    if (base && req.url?.startsWith(base)) req.url = req.url.slice(base.length)
    return callback(req, res)
  }
  return issuer
}
