/**
 * Decides which variables the host's processes get. A variable of the host is never overwritten: a provider whose key
 * the host has set is the real one, unless the host also names a stand-in. No value is printed.
 *
 * @module
 */

import type { Environment } from '@repo/core'
import { isLoopback, parseUrl, TollgateError } from '@repo/core'
import type { OAuthProviderName } from '../oauth/sandbox.ts'

/** The variables, and the stand-ins that they lead to. */
export interface LocalEnvironment {
  /** The variables that the host has not set. */
  variables: Record<string, string>
  /** The names of the host's own variables, which decided something. */
  kept: string[]
  /** The services that are the real ones, because the host has their keys. */
  real: string[]
  /** All of it as the processes will see it. */
  all: Environment
}

/** What is known before the variables are decided. */
export interface LocalFacts {
  /** The app's origin. */
  appUrl: string
  /** The database, which the host names or which is started here. */
  databaseUrl: string
  /** The origin of the stand-ins. */
  sandboxUrl: string
  /** The folder of the outbox. */
  outboxDir: string
  /** A secret that stays the same over restarts. */
  secret: string
}

/** The key with which a stand-in is reached where the host names none. */
const LOCAL_SECRET = 'only-for-this-machine'

/** Refuses to start beside production. @throws `invalid_environment` */
export function requireDevelopment(host: Environment): void {
  const live = Object.keys(host).find((name) => /^(?:sk|rk)_live_/.test(host[name] ?? ''))
  const reason =
    host.NODE_ENV === 'production'
      ? 'NODE_ENV is production'
      : host.PAYMENT_ENV === 'production'
        ? 'PAYMENT_ENV is production'
        : live && `${live} is a live key`
  if (!reason) return
  throw new TollgateError(
    'invalid_environment',
    400,
    `These services are for development, and ${reason}. Remove it, and start again.`,
  )
}

/** Decides the variables. */
export function localEnvironment(host: Environment, facts: LocalFacts): LocalEnvironment {
  const variables: Record<string, string> = {}
  const kept = new Set<string>()
  const real: string[] = []
  const has = (name: string) => Boolean(host[name])
  const set = (values: Record<string, string>): void => {
    for (const [name, value] of Object.entries(values)) {
      if (has(name)) kept.add(name)
      else variables[name] = value
    }
  }
  /** Sets the variables of a service, unless the host has keys of the real one. */
  const service = (name: string, keys: string[], base: string, values: Record<string, string>) => {
    const own = keys.filter(has)
    for (const key of own) kept.add(key)
    if (own.length > 0 && !(base !== '' && has(base))) real.push(name)
    else set(values)
  }

  set({
    APP_URL: facts.appUrl,
    PORT: new URL(facts.appUrl).port || '80',
    DATABASE_URL: facts.databaseUrl,
    BETTER_AUTH_SECRET: facts.secret,
  })
  service(
    'Stripe',
    ['STRIPE_SECRET_KEY', 'STRIPE_TEST_API_KEY', 'STRIPE_PROD_API_KEY'],
    'STRIPE_API_BASE',
    {
      STRIPE_API_BASE: facts.sandboxUrl,
      STRIPE_SECRET_KEY: host.STRIPE_TEST_API_KEY || 'sk_test_local',
      STRIPE_WEBHOOK_SECRET: host.STRIPE_TEST_WEBHOOK_SECRET || 'whsec_local',
    },
  )
  // A key of Creem would decide who takes the payments, so it is set only where the host wants Creem.
  if (host.PAYMENT_PROVIDER === 'creem') {
    service('Creem', ['CREEM_TEST_API_KEY', 'CREEM_PROD_API_KEY'], 'CREEM_API_BASE', {
      CREEM_API_BASE: `${facts.sandboxUrl}/creem`,
      CREEM_TEST_API_KEY: 'creem_test_local',
      CREEM_TEST_WEBHOOK_SECRET: LOCAL_SECRET,
    })
  }
  service('Cal.com', ['CALCOM_WEBHOOK_SECRET'], 'CALCOM_ORIGIN', {
    CALCOM_ORIGIN: `${facts.sandboxUrl}/cal`,
    CALCOM_EVENT_TYPES: '101=local/intro-call',
    CALCOM_WEBHOOK_SECRET: LOCAL_SECRET,
  })
  for (const name of ['GITHUB', 'GOOGLE', 'MICROSOFT'] as const) {
    const keys = [`${name}_CLIENT_ID`, `${name}_CLIENT_SECRET`]
    service(PROVIDER_NAMES[name], keys, `${name}_ENDPOINT`, {
      [`${name}_CLIENT_ID`]: 'local',
      [`${name}_CLIENT_SECRET`]: LOCAL_SECRET,
      [`${name}_ENDPOINT`]: `${facts.sandboxUrl}/${name.toLowerCase()}`,
    })
  }
  service('OpenID Connect', ['OIDC_ISSUER', 'OIDC_CLIENT_ID', 'OIDC_CLIENT_SECRET'], '', {
    OIDC_ISSUER: `${facts.sandboxUrl}/oidc`,
    OIDC_CLIENT_ID: 'local',
    OIDC_CLIENT_SECRET: LOCAL_SECRET,
  })
  service('Resend', ['RESEND_API_KEY'], '', {
    EMAIL_OUTBOX_DIR: facts.outboxDir,
    EMAIL_MAILBOX_URL: `${facts.sandboxUrl}/mailbox`,
  })
  return { variables, kept: [...kept], real, all: { ...host, ...variables } }
}

const PROVIDER_NAMES = { GITHUB: 'GitHub', GOOGLE: 'Google', MICROSOFT: 'Microsoft' }

/** The clients that the sign-in stand-ins know, from the variables that auth reads. */
export function oauthClients(all: Environment, appUrl: string) {
  const providers: OAuthProviderName[] = ['github', 'google', 'microsoft', 'oidc']
  return Object.fromEntries(
    providers.flatMap((name) => {
      const prefix = name.toUpperCase()
      const clientId = all[`${prefix}_CLIENT_ID`]
      const clientSecret = all[`${prefix}_CLIENT_SECRET`]
      const callback = name === 'oidc' ? all.OIDC_PROVIDER_ID || 'oidc' : name
      if (!clientId) return []
      const redirectUris = [`${appUrl}/api/auth/callback/${callback}`]
      return [[name, { clientId, ...(clientSecret ? { clientSecret } : {}), redirectUris }]]
    }),
  )
}

/** The port of a variable that names a stand-in on this machine; null without one. */
export function standInPort(host: Environment): number | null {
  const names = ['STRIPE_API_BASE', 'GITHUB_ENDPOINT', 'GOOGLE_ENDPOINT', 'MICROSOFT_ENDPOINT']
  const url = names.map((name) => parseUrl(host[name] ?? '')).find((each) => each !== null)
  return url && isLoopback(url.hostname) && url.port !== '' ? Number(url.port) : null
}

/** The lines of a `.env` file. */
export const envLines = (variables: Record<string, string>): string =>
  Object.entries(variables)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
