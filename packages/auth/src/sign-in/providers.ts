/**
 * GitHub, Google and Microsoft. Each is on if it has keys. A stand-in on this machine can replace any of
 * them: the flow, its state and its PKCE stay the same, and only the addresses differ.
 *
 * @module
 */

import type { BetterAuthPlugin } from 'better-auth'
import { type OAuth2Tokens, validateAuthorizationCode } from 'better-auth/oauth2'
import type { GithubProfile, MicrosoftEntraIDProfile } from 'better-auth/social-providers'

/** The keys of a provider. */
export interface ProviderKeys {
  /** The host's id at the provider. */
  clientId: string
  /** The host's secret at the provider. */
  clientSecret: string
  /**
   * The origin of a stand-in for tests and development. It answers under the provider's own paths: GitHub's
   * `/login/oauth/authorize`, `/login/oauth/access_token`, `/user`, `/user/emails`; Google's
   * `/o/oauth2/v2/auth`, `/token`; Microsoft's `/<tenantId>/oauth2/v2.0/authorize` and `…/token`. Default:
   * the provider itself.
   */
  endpoint?: string
}

/** The keys of Microsoft. */
export interface MicrosoftKeys extends ProviderKeys {
  /**
   * A tenant's id, or `organizations`, `consumers` or `common`. Default `common`, which admits every account.
   */
  tenantId?: string
}

/** The providers that have options of their own. */
export interface Providers {
  /** Sign-in with GitHub. Default: off. */
  github?: ProviderKeys
  /** Sign-in with Google. Default: off. */
  google?: ProviderKeys
  /** Sign-in with Microsoft. Default: off. */
  microsoft?: MicrosoftKeys
}

/** The paths of the authorization pages. */
const AUTHORIZE = { github: '/login/oauth/authorize', google: '/o/oauth2/v2/auth' } as const
/** The paths of the token endpoints. */
const TOKEN = { github: '/login/oauth/access_token', google: '/token' } as const

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
    ...(endpoint ? { authorizationEndpoint: new URL(AUTHORIZE[id], endpoint).href } : {}),
  }
}

/** An entry of GitHub's `/user/emails`. */
interface GitHubEmail {
  email: string
  primary: boolean
  verified: boolean
}

/** Reads the user from a GitHub stand-in. Google's user is in the id token, so it needs no request. */
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
