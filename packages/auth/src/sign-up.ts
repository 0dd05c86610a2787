/**
 * What somebody chose at a sign-up that waits for the proof of its address.
 *
 * @module
 */

import { z } from 'zod'

/** What somebody chose at sign-up: a password, or a provider's account whose address is not proven. */
export const signUp = z.object({
  name: z.string(),
  image: z.string().nullish(),
  /** Hashed. */
  password: z.string().optional(),
  account: z.object({ providerId: z.string(), accountId: z.string() }).optional(),
})

export type SignUp = z.output<typeof signUp>
