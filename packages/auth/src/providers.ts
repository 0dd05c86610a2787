/**
 * GitHub and Google, each on when it has keys. A stand-in on this machine can play either: the flow,
 * its state and its PKCE stay the same, only the addresses differ.
 *
 * @module
 */

import type { BetterAuthPlugin } from 'better-auth'
import { type OAuth2Tokens, validateAuthorizationCode } from 'better-auth/oauth2'
import type { GithubProfile } from 'better-auth/social-providers'

export interface ProviderKeys {
  clientId: string
  clientSecret: string
  /**
   * Origin of a stand-in that answers under the provider's own paths, for tests and development:
   * GitHub's `/login/oauth/authorize`, `/login/oauth/access_token`, `/user`, `/user/emails`;
   * Google's `/o/oauth2/v2/auth`, `/token`. Default: the provider itself.
   */
  endpoint?: string
}

export interface Providers {
  github?: ProviderKeys
  google?: ProviderKeys
}

const AUTHORIZE = { github: '/login/oauth/authorize', google: '/o/oauth2/v2/auth' } as const
const TOKEN = { github: '/login/oauth/access_token', google: '/token' } as const

/** Better Auth's `socialProviders`. */
export function socialProviders({ github, google }: Providers) {
  return {
    ...(github ? { github: { ...keysOf('github', github), ...githubUser(github) } } : {}),
    ...(google ? { google: keysOf('google', google) } : {}),
  }
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
