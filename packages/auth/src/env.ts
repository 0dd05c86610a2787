import type { JSONWebKeySet } from 'jose'
import { z } from 'zod'

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
  /** The header in which your proxy or host puts the caller's address. */
  CLIENT_IP_HEADER: z.string().optional(),
  /** Addresses and CIDR ranges of your proxies, with commas between. */
  TRUSTED_PROXIES: z
    .string()
    .optional()
    .transform((text) => text?.split(',').map((proxy) => proxy.trim())),
  GITHUB_CLIENT_ID: z.string().optional(),
  GITHUB_CLIENT_SECRET: z.string().optional(),
  GOOGLE_CLIENT_ID: z.string().optional(),
  GOOGLE_CLIENT_SECRET: z.string().optional(),
})

function isKeySet(value: unknown): boolean {
  const { keys } = (value ?? {}) as { keys?: unknown }
  return Array.isArray(keys) && keys.every((key) => typeof key === 'object' && key !== null)
}

export type AuthEnv = z.output<typeof authEnv>
