/**
 * GitHub, Google and Microsoft, each on when it has keys. A stand-in on this machine can play any of
 * them: the flow, its state and its PKCE stay the same, only the addresses differ.
 *
 * @module
 */

import type { BetterAuthPlugin } from 'better-auth'
import { type OAuth2Tokens, validateAuthorizationCode } from 'better-auth/oauth2'
import type { GithubProfile, MicrosoftEntraIDProfile } from 'better-auth/social-providers'

export interface ProviderKeys {
  clientId: string
  clientSecret: string
  /**
   * Origin of a stand-in that answers under the provider's own paths, for tests and development:
   * GitHub's `/login/oauth/authorize`, `/login/oauth/access_token`, `/user`, `/user/emails`;
   * Google's `/o/oauth2/v2/auth`, `/token`; Microsoft's `/<tenantId>/oauth2/v2.0/authorize` and
   * `…/token`. Default: the provider itself.
   */
  endpoint?: string
}

export interface MicrosoftKeys extends ProviderKeys {
  /** A tenant's id, or `organizations`, `consumers`, `common`. Default `common`: everyone. */
  tenantId?: string
}

export interface Providers {
  github?: ProviderKeys
  google?: ProviderKeys
  microsoft?: MicrosoftKeys
}

const AUTHORIZE = { github: '/login/oauth/authorize', google: '/o/oauth2/v2/auth' } as const
const TOKEN = { github: '/login/oauth/access_token', google: '/token' } as const

/** Better Auth's `socialProviders`. */
export function socialProviders({ github, google, microsoft }: Providers) {
  return {
    ...(github
      ? { github: { ...COMMON, ...keysOf('github', github), ...githubUser(github) } }
      : {}),
    ...(google ? { google: { ...COMMON, ...keysOf('google', google) } } : {}),
    ...(microsoft ? { microsoft: { ...COMMON, ...microsoftOf(microsoft) } } : {}),
  }
}

/**
 * Nobody is signed in with an address that nobody has confirmed, and a token from elsewhere, without
 * state and nonce of ours, signs nobody in.
 */
const COMMON = { requireEmailVerification: true, disableIdTokenSignIn: true } as const

const MANY_TENANTS = ['common', 'organizations', 'consumers']

function microsoftOf({ clientId, clientSecret, endpoint, tenantId = 'common' }: MicrosoftKeys) {
  return {
    clientId,
    clientSecret,
    tenantId,
    ...(endpoint ? { authority: endpoint } : {}),
    // It comes as a data URL and would be stored in the user's row.
    disableProfilePhoto: true,
    mapProfileToUser: (profile: MicrosoftEntraIDProfile) => ({
      emailVerified: microsoftVerified(profile, MANY_TENANTS.includes(tenantId)),
    }),
  }
}

/**
 * Whether Microsoft vouches for the address. Any tenant's administrator may write any address into
 * `email`; of many tenants only the claim `xms_edov` says that the domain is the tenant's own.
 *
 * @see https://learn.microsoft.com/en-us/entra/identity-platform/migrate-off-email-claim-authorization
 */
function microsoftVerified(profile: MicrosoftEntraIDProfile, manyTenants: boolean): boolean {
  const claims: Record<string, unknown> = { ...profile }
  if ([true, 1, '1', 'true'].includes(claims.xms_edov as boolean)) return true
  if (manyTenants) return false
  const primary = claims.verified_primary_email
  return (
    claims.email_verified === true || (Array.isArray(primary) && primary.includes(claims.email))
  )
}

function keysOf(id: keyof typeof AUTHORIZE, { clientId, clientSecret, endpoint }: ProviderKeys) {
  return {
    clientId,
    clientSecret,
    ...(endpoint ? { authorizationEndpoint: new URL(AUTHORIZE[id], endpoint).href } : {}),
  }
}

interface GitHubEmail {
  email: string
  primary: boolean
  verified: boolean
}

/** A stand-in's user; Google's comes inside the token and needs no request. */
function githubUser({ endpoint }: ProviderKeys) {
  if (!endpoint) return {}
  const ask = async <T>(path: string, { accessToken }: OAuth2Tokens): Promise<T | null> => {
    const headers = { authorization: `Bearer ${accessToken}` }
    const answer = await fetch(new URL(path, endpoint), { headers })
    return answer.ok ? ((await answer.json()) as T) : null
  }
  return {
    async getUserInfo(tokens: OAuth2Tokens) {
      const data = await ask<GithubProfile>('/user', tokens)
      const emails = await ask<GitHubEmail[]>('/user/emails', tokens)
      if (!data || !emails) return null
      const email = data.email ?? emails.find(({ primary }) => primary)?.email
      const emailVerified = emails.find((known) => known.email === email)?.verified ?? false
      const user = { name: data.name || data.login, email, image: data.avatar_url, emailVerified }
      return { user, data }
    },
  }
}

interface SentCode {
  code: string
  redirectURI: string
  codeVerifier?: string | undefined
}

/** Sends the exchange of codes to the stand-ins: Better Auth has an option for all but that. */
export function standIns(providers: Providers): BetterAuthPlugin {
  return {
    id: 'tollgate-stand-ins',
    init({ socialProviders: built }) {
      const replaced = built.map((provider) => {
        const id: string = provider.id
        if (id !== 'github' && id !== 'google') return provider
        const keys = providers[id]
        if (!keys?.endpoint) return provider
        const tokenEndpoint = new URL(TOKEN[id], keys.endpoint).href
        const { clientId, clientSecret } = keys
        return {
          ...provider,
          async validateAuthorizationCode(sent: SentCode) {
            const options = { clientId, clientSecret }
            const tokens = await validateAuthorizationCode({ ...sent, tokenEndpoint, options })
            // GitHub refuses a code with status 200.
            return tokens.accessToken ? tokens : null
          },
        }
      })
      return { context: { socialProviders: replaced } }
    },
  }
}
