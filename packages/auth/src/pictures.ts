/**
 * Addresses of pictures that pages and mails of others load: never a script, never in the clear, never a file in
 * a row.
 *
 * @module
 */

import { z } from 'zod'

const MAX_LENGTH = 2_048

/** Whether `text` may stand in `User.image` or `Organization.logo`. */
export function isPictureURL(text: string): boolean {
  if (text.length > MAX_LENGTH || !/^https:\/\/[^\s\\]+$/i.test(text) || !URL.canParse(text))
    return false
  const { username, password } = new URL(text)
  return username === '' && password === ''
}

/** The field of a body that holds one. */
export const picture = z
  .string()
  .refine(isPictureURL, `must be an https address of ${MAX_LENGTH} characters at the most`)
