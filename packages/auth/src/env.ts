import { readEnv } from '@repo/core'
import { rateLimitEnv } from '@repo/core/rate-limit'
import type { JSONWebKeySet } from 'jose'
import { z } from 'zod'
import { AuthError } from './errors.ts'
import { type AuthOptions, keysOf } from './options.ts'

export const authEnv = z.object({
  /** Signs cookies, encrypts provider tokens and signing keys. */
  BETTER_AUTH_SECRET: z.string().min(32, 'must have 32 characters or more'),
  /** Where people reach the host, without a path. */
  APP_URL: z.url({ protocol: /^https?$/ }),
  /** A JSON Web Key Set that signs access tokens; empty: keys in the database. */
  AUTH_SIGNING_KEYS: z
    .string()
    .transform((text, ctx): JSONWebKeySet => {
      try {
        return JSON.parse(text) as JSONWebKeySet
      } catch {
        ctx.addIssue({ code: 'custom', message: 'must be JSON' })
        return z.NEVER
      }
    })
    .pipe(z.custom<JSONWebKeySet>(isKeySet, 'must be a JSON Web Key Set'))
    .optional(),
  /** Keys the hashes of passwords. While it is replaced, the new one and the old, a comma between. */
  PASSWORD_PEPPER: z
    .string()
    .optional()
    .transform((text) => text?.split(',').map((pepper) => pepper.trim())),
  GITHUB_CLIENT_ID: z.string().optional(),
  GITHUB_CLIENT_SECRET: z.string().optional(),
  GOOGLE_CLIENT_ID: z.string().optional(),
  GOOGLE_CLIENT_SECRET: z.string().optional(),
  MICROSOFT_CLIENT_ID: z.string().optional(),
  MICROSOFT_CLIENT_SECRET: z.string().optional(),
  MICROSOFT_TENANT_ID: z.string().optional(),
  OIDC_PROVIDER_ID: z.string().optional(),
  OIDC_ISSUER: z.url({ protocol: /^https?$/ }).optional(),
  OIDC_CLIENT_ID: z.string().optional(),
  OIDC_CLIENT_SECRET: z.string().optional(),
})

function isKeySet(value: unknown): boolean {
  const { keys } = (value ?? {}) as { keys?: unknown }
  return Array.isArray(keys) && keys.every((key) => typeof key === 'object' && key !== null)
}

export type AuthEnv = z.output<typeof authEnv>

type OfMicrosoft = Pick<AuthEnv, `MICROSOFT_${'CLIENT_ID' | 'CLIENT_SECRET' | 'TENANT_ID'}`>
type OfOidc = Pick<AuthEnv, `OIDC_${'PROVIDER_ID' | 'ISSUER' | 'CLIENT_ID' | 'CLIENT_SECRET'}`>

/** The option `microsoft`. @throws `invalid_options` for half a pair */
export function microsoftFrom(env: OfMicrosoft): Pick<AuthOptions, 'microsoft'> {
  const { microsoft } = keysOf('microsoft', env.MICROSOFT_CLIENT_ID, env.MICROSOFT_CLIENT_SECRET)
  const tenantId = env.MICROSOFT_TENANT_ID
  return microsoft ? { microsoft: { ...microsoft, ...(tenantId ? { tenantId } : {}) } } : {}
}

/** The option `oidc`. @throws `invalid_options` for an issuer without a client, or the reverse */
export function oidcFrom(env: OfOidc): Pick<AuthOptions, 'oidc'> {
  const { OIDC_ISSUER: issuer, OIDC_CLIENT_ID: clientId, OIDC_CLIENT_SECRET: clientSecret } = env
  if (!issuer !== !clientId) {
    throw new AuthError(
      'invalid_options',
      'OIDC_ISSUER and OIDC_CLIENT_ID belong together; one is missing.',
    )
  }
  if (!issuer || !clientId) return {}
  const provider = { issuer, clientId, ...(clientSecret ? { clientSecret } : {}) }
  return { oidc: { [env.OIDC_PROVIDER_ID ?? 'oidc']: provider } }
}

/**
 * The options that the environment gives: what the default instance is made of, to which an instance of your
 * own adds its events, pages and so on.
 *
 * @throws `invalid_environment`, one error that lists every missing or malformed variable
 */
export function authFromEnv(): AuthOptions {
  const env = readEnv(authEnv.extend(rateLimitEnv.shape))
  return {
    baseURL: env.APP_URL,
    secret: env.BETTER_AUTH_SECRET,
    ...(env.AUTH_SIGNING_KEYS ? { accessToken: { keys: env.AUTH_SIGNING_KEYS } } : {}),
    passwordPeppers: env.PASSWORD_PEPPER ?? [],
    ...(env.REDIS_URL ? { redisUrl: env.REDIS_URL } : {}),
    ...(env.CLIENT_IP_HEADER ? { ipAddressHeaders: [env.CLIENT_IP_HEADER] } : {}),
    ...(env.TRUSTED_PROXIES ? { trustedProxies: env.TRUSTED_PROXIES } : {}),
    ...keysOf('github', env.GITHUB_CLIENT_ID, env.GITHUB_CLIENT_SECRET),
    ...keysOf('google', env.GOOGLE_CLIENT_ID, env.GOOGLE_CLIENT_SECRET),
    ...microsoftFrom(env),
    ...oidcFrom(env),
  }
}
