/**
 * Reads the options of auth from the environment.
 *
 * @module
 */

import { readEnv } from '@repo/core'
import { rateLimitEnv } from '@repo/core/rate-limit'
import type { JSONWebKeySet } from 'jose'
import * as z from 'zod'
import { AuthError } from './errors.ts'
import { type AuthOptions, type GivenAuthOptions, keysOf } from './options.ts'

/** The environment variables of auth. */
export const authEnv = z.object({
  /** Signs cookies; encrypts provider tokens and signing keys. */
  BETTER_AUTH_SECRET: z.string().min(32, 'must have 32 characters or more'),
  /** The origin at which people reach the host. */
  APP_URL: z.url({ protocol: /^https?$/ }),
  /** A JSON Web Key Set that signs access tokens. Without it the keys are in the database. */
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
  /** The key of the password hashes. During a rotation: the new key and the old one, separated by a comma. */
  PASSWORD_PEPPER: z
    .string()
    .optional()
    .transform((text) => text?.split(',').map((pepper) => pepper.trim())),
  /** Each `…_ENDPOINT` is the address of a stand-in. Default: the provider itself. */
  GITHUB_CLIENT_ID: z.string().optional(),
  GITHUB_CLIENT_SECRET: z.string().optional(),
  GITHUB_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
  GOOGLE_CLIENT_ID: z.string().optional(),
  GOOGLE_CLIENT_SECRET: z.string().optional(),
  GOOGLE_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
  MICROSOFT_CLIENT_ID: z.string().optional(),
  MICROSOFT_CLIENT_SECRET: z.string().optional(),
  MICROSOFT_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
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

/** The parsed environment variables of auth. */
export type AuthEnv = z.output<typeof authEnv>

type OfMicrosoft = Pick<
  AuthEnv,
  `MICROSOFT_${'CLIENT_ID' | 'CLIENT_SECRET' | 'ENDPOINT' | 'TENANT_ID'}`
>
type OfOidc = Pick<AuthEnv, `OIDC_${'PROVIDER_ID' | 'ISSUER' | 'CLIENT_ID' | 'CLIENT_SECRET'}`>

/** The option `microsoft`. @throws `invalid_options` if the id or the secret is missing */
export function microsoftFrom(env: OfMicrosoft): Pick<AuthOptions, 'microsoft'> {
  const { microsoft } = keysOf(
    'microsoft',
    env.MICROSOFT_CLIENT_ID,
    env.MICROSOFT_CLIENT_SECRET,
    env.MICROSOFT_ENDPOINT,
  )
  const tenantId = env.MICROSOFT_TENANT_ID
  return microsoft ? { microsoft: { ...microsoft, ...(tenantId ? { tenantId } : {}) } } : {}
}

/** The option `oidc`. @throws `invalid_options` for an issuer without a client id, or the reverse */
export function oidcFrom(env: OfOidc): Pick<AuthOptions, 'oidc'> {
  const { OIDC_ISSUER: issuer, OIDC_CLIENT_ID: clientId, OIDC_CLIENT_SECRET: clientSecret } = env
  if (!issuer !== !clientId) {
    throw new AuthError('invalid_options', 'Set both OIDC_ISSUER and OIDC_CLIENT_ID, or neither.')
  }
  if (!issuer || !clientId) return {}
  const provider = { issuer, clientId, ...(clientSecret ? { clientSecret } : {}) }
  return { oidc: { [env.OIDC_PROVIDER_ID ?? 'oidc']: provider } }
}

/** The option that each variable is the default of. */
const OPTION_OF = {
  BETTER_AUTH_SECRET: 'secret',
  APP_URL: 'baseURL',
  AUTH_SIGNING_KEYS: 'accessToken',
  PASSWORD_PEPPER: 'passwordPeppers',
  GITHUB_CLIENT_ID: 'github',
  GITHUB_CLIENT_SECRET: 'github',
  GITHUB_ENDPOINT: 'github',
  GOOGLE_CLIENT_ID: 'google',
  GOOGLE_CLIENT_SECRET: 'google',
  GOOGLE_ENDPOINT: 'google',
  MICROSOFT_CLIENT_ID: 'microsoft',
  MICROSOFT_CLIENT_SECRET: 'microsoft',
  MICROSOFT_ENDPOINT: 'microsoft',
  MICROSOFT_TENANT_ID: 'microsoft',
  OIDC_PROVIDER_ID: 'oidc',
  OIDC_ISSUER: 'oidc',
  OIDC_CLIENT_ID: 'oidc',
  OIDC_CLIENT_SECRET: 'oidc',
  REDIS_URL: 'redisUrl',
  CLIENT_IP_HEADER: 'ipAddressHeaders',
  TRUSTED_PROXIES: 'trustedProxies',
} as const satisfies Record<keyof AuthEnv | keyof typeof rateLimitEnv.shape, keyof AuthOptions>

/**
 * The options from the environment, which the default instance is made of. `createAuth` uses them for options
 * that it is not given.
 *
 * @throws `invalid_environment`, which lists every missing or malformed variable
 */
export const authFromEnv = (): AuthOptions => fromEnv({})

/** Completes `given` from the environment. The variable of an option that is given is not read. */
export function withEnv<P extends string, R extends string>(
  given: Omit<GivenAuthOptions<P, R>, 'plugins'>,
): AuthOptions<P, R> {
  const { accessToken, ...rest } = fromEnv(given)
  const keys = { ...accessToken, ...given.accessToken }
  const all = Object.keys(keys).length > 0 ? { accessToken: keys } : {}
  return { ...rest, ...given, ...all } as AuthOptions<P, R>
}

function fromEnv(given: object): AuthOptions {
  const all = authEnv.extend(rateLimitEnv.shape)
  const { accessToken } = given as Pick<Partial<AuthOptions>, 'accessToken'>
  const isGiven = (option: string) =>
    option === 'accessToken' ? accessToken?.keys !== undefined : option in given
  const read = Object.entries(OPTION_OF).filter(([, option]) => !isGiven(option))
  const names = Object.fromEntries(read.map(([name]) => [name, true as const]))
  const env = readEnv(all.pick(names as Record<keyof typeof OPTION_OF, true>)) as Partial<
    z.output<typeof all>
  >
  return {
    ...(env.APP_URL ? { baseURL: env.APP_URL } : {}),
    ...(env.BETTER_AUTH_SECRET ? { secret: env.BETTER_AUTH_SECRET } : {}),
    ...(env.AUTH_SIGNING_KEYS ? { accessToken: { keys: env.AUTH_SIGNING_KEYS } } : {}),
    ...('PASSWORD_PEPPER' in names ? { passwordPeppers: env.PASSWORD_PEPPER ?? [] } : {}),
    ...(env.REDIS_URL ? { redisUrl: env.REDIS_URL } : {}),
    ...(env.CLIENT_IP_HEADER ? { ipAddressHeaders: [env.CLIENT_IP_HEADER] } : {}),
    ...(env.TRUSTED_PROXIES ? { trustedProxies: env.TRUSTED_PROXIES } : {}),
    ...keysOf('github', env.GITHUB_CLIENT_ID, env.GITHUB_CLIENT_SECRET, env.GITHUB_ENDPOINT),
    ...keysOf('google', env.GOOGLE_CLIENT_ID, env.GOOGLE_CLIENT_SECRET, env.GOOGLE_ENDPOINT),
    ...microsoftFrom(env as AuthEnv),
    ...oidcFrom(env as AuthEnv),
  } as AuthOptions
}
