/**
 * An e-mail address counts as people type it: keyboards of phones add a blank behind, pasting one before.
 * Blanks inside stay and are refused, and nothing else is changed, because an address that only looks like
 * another one is another person's.
 *
 * @module
 */

import type { BetterAuthPlugin } from 'better-auth'
import { createAuthMiddleware } from 'better-auth/api'

const FIELDS = ['email', 'newEmail']

/** The fields of a body that hold an address with blanks around it, without these. */
function trimmed(body: unknown): { [field: string]: string } {
  const fields = (body ?? {}) as { [field: string]: unknown }
  const changed = FIELDS.flatMap((name) => {
    const typed = fields[name]
    return typeof typed === 'string' && typed !== typed.trim() ? [[name, typed.trim()]] : []
  })
  return Object.fromEntries(changed)
}

export const typedAddresses = (): BetterAuthPlugin => ({
  id: 'tollgate-typed-addresses',
  hooks: {
    before: [
      {
        matcher: ({ body }) => Object.keys(trimmed(body)).length > 0,
        handler: createAuthMiddleware(async ({ body }) => ({ context: { body: trimmed(body) } })),
      },
    ],
  },
})
