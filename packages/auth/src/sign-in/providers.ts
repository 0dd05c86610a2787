/**
 * GitHub, Google and Microsoft. Each is on if it has keys. A stand-in on this machine can replace any of
 * them: the flow, its state and its PKCE stay the same, and only the addresses differ. `stand-in-options.ts` says
 * where that is refused.
 *
 * @module
 */

import type { BetterAuthPlugin } from 'better-auth'
import {
  type OAuth2Tokens,
  refreshAccessToken,
  validateAuthorizationCode,
} from 'better-auth/oauth2'
import type { GithubProfile, MicrosoftEntraIDProfile } from 'better-auth/social-providers'
import type { MicrosoftKeys, ProviderKeys, Providers } from './provider-keys.ts'

/** The paths of the authorization pages. */
const AUTHORIZE = { github: '/login/oauth/authorize', google: '/o/oauth2/v2/auth' } as const
/** The paths of the token endpoints. */
const TOKEN = { github: '/login/oauth/access_token', google: '/token' } as const

/** A path below an address that may have a path of its own. */
const below = (endpoint: string, path: string): string => `${endpoint.replace(/\/$/, '')}${path}`

/** Makes Better Auth's option `socialProviders`. */
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
 * The address must be verified before a sign-in. An id token that a caller brings, without our state and
 * nonce, is refused.
 */
const COMMON = { requireEmailVerification: true, disableIdTokenSignIn: true } as const

/** The values of `tenantId` that admit many tenants. */
const MANY_TENANTS = ['common', 'organizations', 'consumers']

function microsoftOf({ clientId, clientSecret, endpoint, tenantId = 'common' }: MicrosoftKeys) {
  return {
    clientId,
    clientSecret,
    tenantId,
    ...(endpoint ? { authority: endpoint } : {}),
    // The photo would come as a data URL and be stored in the user's row.
    disableProfilePhoto: true,
    mapProfileToUser: (profile: MicrosoftEntraIDProfile) => ({
      emailVerified: microsoftVerified(profile, MANY_TENANTS.includes(tenantId)),
    }),
  }
}

/**
 * Whether Microsoft vouches for the address. Any tenant's administrator can write any address into `email`.
 * Where many tenants are admitted, only the claim `xms_edov` proves that the domain belongs to the tenant.
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
    ...(endpoint ? { authorizationEndpoint: below(endpoint, AUTHORIZE[id]) } : {}),
  }
}

/** An entry of GitHub's `/user/emails`. */
interface GitHubEmail {
  email: string
  primary: boolean
  verified: boolean
}

/**
 * Reads the user from GitHub, or from its stand-in. Better Auth's own reader would ask GitHub alone, so a test would
 * try other code than production runs, and it throws if GitHub does not answer.
 *
 * @see https://docs.github.com/en/rest/users/emails
 */
function githubUser({ endpoint = 'https://api.github.com' }: ProviderKeys) {
  const ask = async <T>(path: string, { accessToken }: OAuth2Tokens): Promise<T | null> => {
    const headers = {
      authorization: `Bearer ${accessToken}`,
      accept: 'application/vnd.github+json',
      'user-agent': 'tollgate',
    }
    try {
      const answer = await fetch(below(endpoint, path), { headers, redirect: 'error' })
      return answer.ok ? ((await answer.json()) as T) : null
    } catch {
      return null
    }
  }
  return {
    async getUserInfo(tokens: OAuth2Tokens) {
      const data = await ask<GithubProfile>('/user', tokens)
      if (!data) return null
      // An app without the right to read addresses is refused here; the person can still prove one.
      const emails = (await ask<GitHubEmail[]>('/user/emails', tokens)) ?? []
      const email = data.email ?? (emails.find(({ primary }) => primary) ?? emails[0])?.email
      const emailVerified = emails.find((known) => known.email === email)?.verified ?? false
      const user = { name: data.name || data.login, email, image: data.avatar_url, emailVerified }
      return { user, data }
    },
  }
}

/** A code that a provider sent back. */
interface SentCode {
  code: string
  redirectURI: string
  codeVerifier?: string | undefined
}

/** The plugin that exchanges codes at the stand-ins. Better Auth has options for all other addresses. */
export function standIns(providers: Providers): BetterAuthPlugin {
  return {
    id: 'tollgate-stand-ins',
    init({ socialProviders: built }) {
      const replaced = built.map((provider) => {
        const id: string = provider.id
        if (id !== 'github' && id !== 'google') return provider
        const keys = providers[id]
        if (!keys?.endpoint) return provider
        const tokenEndpoint = below(keys.endpoint, TOKEN[id])
        const { clientId, clientSecret } = keys
        return {
          ...provider,
          refreshAccessToken: (refreshToken: string) =>
            refreshAccessToken({
              refreshToken,
              options: { clientId, clientSecret },
              tokenEndpoint,
            }),
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
