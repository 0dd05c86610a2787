/** An authenticator app: what it reads from the QR code, and the codes it shows. */

import { createOTP } from '@better-auth/utils/otp'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** The secret in an `otpauth://` address. */
export function secretIn(totpURI: string): string {
  const shown = new URL(totpURI).searchParams.get('secret') ?? ''
  const bits = [...shown.replace(/=+$/, '')]
    .map((letter) => ALPHABET.indexOf(letter).toString(2).padStart(5, '0'))
    .join('')
  const bytes = (bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2))
  return Buffer.from(bytes).toString()
}

/**
 * The code of the half-minute that is `ahead` of now. The next one is taken already, and is still
 * good when the machine stalls.
 */
export const codeOf = (secret: string, ahead = 1): Promise<string> =>
  createOTP(secret).hotp(Math.floor(Date.now() / 30_000) + ahead)
