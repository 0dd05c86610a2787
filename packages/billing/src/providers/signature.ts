/**
 * Signatures of webhooks as HMAC-SHA256 over the raw body, in hex.
 *
 * @module
 */

import { createHmac, timingSafeEqual } from 'node:crypto'

export const hmacHex = (secret: string, text: string): string =>
  createHmac('sha256', secret).update(text).digest('hex')

/** Whether `signature` is that of `text` under one of `secrets`, compared in constant time. */
export function isSigned(secrets: readonly string[], text: string, signature: string): boolean {
  const given = Buffer.from(signature)
  return secrets.reduce((found, secret) => {
    const expected = Buffer.from(hmacHex(secret, text))
    return (given.length === expected.length && timingSafeEqual(given, expected)) || found
  }, false)
}
