/**
 * The data of a sign-up that waits until its address is proven.
 *
 * @module
 */

import * as z from 'zod'

/** The choices at a sign-up: a password, or a provider's account whose address is not proven. */
export const signUp = z.object({
  name: z.string(),
  image: z.string().nullish(),
  /** The password's hash. */
  password: z.string().optional(),
  account: z.object({ providerId: z.string(), accountId: z.string() }).optional(),
  /** The values of the host's own fields, and the locale. */
  fields: z.record(z.string(), z.unknown()).optional(),
})

/** The choices at a sign-up. */
export type SignUp = z.output<typeof signUp>
