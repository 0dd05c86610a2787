/**
 * Webhook signatures: HMAC-SHA256 of the raw body, in hex.
 *
 * @module
 */

import { createHmac, timingSafeEqual } from 'node:crypto'

/** The HMAC-SHA256 of `text` under `secret`, in hex. */
export const hmacHex = (secret: string, text: string): string =>
  createHmac('sha256', secret).update(text).digest('hex')

/** Whether `signature` is the signature of `text` under one of `secrets`. Compares in constant time. */
export function isSigned(secrets: readonly string[], text: string, signature: string): boolean {
  const given = Buffer.from(signature)
  return secrets.reduce((found, secret) => {
    const expected = Buffer.from(hmacHex(secret, text))
    return (given.length === expected.length && timingSafeEqual(given, expected)) || found
  }, false)
}
