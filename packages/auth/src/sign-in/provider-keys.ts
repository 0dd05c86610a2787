/**
 * The keys of GitHub, Google and Microsoft, and the ids of the providers that are on. Loads nothing of Better Auth.
 *
 * @module
 */

/** The keys of a provider. */
export interface ProviderKeys {
  /** The host's id at the provider. */
  clientId: string
  /** The host's secret at the provider. */
  clientSecret: string
  /**
   * The address of a stand-in for tests and development, such as `http://127.0.0.1:4242/github` of
   * `@repo/sandbox`. Below it are the provider's own paths: GitHub's `/login/oauth/authorize`,
   * `/login/oauth/access_token`, `/user`, `/user/emails`; Google's `/o/oauth2/v2/auth`, `/token`; Microsoft's
   * `/<tenantId>/oauth2/v2.0/authorize` and `…/token`. It needs a `baseURL` on this machine, such as
   * `http://localhost:3000`. Default: the provider itself.
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

/** The ids of the providers that a host has, OpenID Connect's included. */
export function providersOf({
  github,
  google,
  microsoft,
  oidc = {},
}: Providers & { oidc?: object }): string[] {
  const own = Object.entries({ github, google, microsoft }).filter(([, keys]) => keys !== undefined)
  return [...own.map(([id]) => id), ...Object.keys(oidc)]
}
