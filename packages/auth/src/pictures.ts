/**
 * Checks the addresses of pictures, which other people's pages and mails load. An address may not be a
 * script, a plain http address or an inlined file.
 *
 * @module
 */

import { parseUrl } from '@repo/core'
import * as z from 'zod'

/** The longest address of a picture, in characters. */
const MAX_LENGTH = 2_048

/** Whether `text` may stand in `User.image` or `Organization.logo`. */
export function isPictureURL(text: string): boolean {
  if (text.length > MAX_LENGTH || !/^https:\/\/[^\s\\]+$/i.test(text)) return false
  const url = parseUrl(text)
  return url !== null && url.username === '' && url.password === ''
}

/** The schema of a body's field for a picture. */
export const picture = z
  .string()
  .refine(isPictureURL, `must be an https address of ${MAX_LENGTH} characters at the most`)
