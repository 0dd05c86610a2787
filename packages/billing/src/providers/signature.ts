/**
 * Webhook signatures: HMAC-SHA256 of the raw body, in hex.
 *
 * @module
 */

import { createHmac } from 'node:crypto'
import { isSameSecret } from '@repo/core/http'

/** The HMAC-SHA256 of `text` under `secret`, in hex. */
export const hmacHex = (secret: string, text: string): string =>
  createHmac('sha256', secret).update(text).digest('hex')

/** Whether `signature` is the signature of `text` under one of `secrets`. Compares in constant time. */
export const isSigned = (secrets: readonly string[], text: string, signature: string): boolean =>
  secrets.filter((secret) => isSameSecret(signature, hmacHex(secret, text))).length > 0
