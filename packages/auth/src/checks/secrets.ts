/**
 * Checks the secrets and the cost of a real password hash.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'
import { type Check, type CheckRun, failed, onlyLive, passed } from '@repo/core/checks'
import { cookiesAt } from '../session/cookies.ts'
import type { Checked } from './checked.ts'

const MAKE_ONE = 'Make one with: openssl rand -base64 32'

/** Words of secrets that were copied from an example. */
const EXAMPLE =
  /change.?me|replace.?me|placeholder|example|only.?for|this.?machine|your.?secret|password|insecure|default|secret.?for|super.?secret/i

/** What makes `secret` easy to guess; null for a secret that looks random. */
export function weaknessOf(secret: string): string | null {
  if (EXAMPLE.test(secret)) return 'is a text of an example'
  // Repetitions and a small alphabet shrink; random letters do not.
  const isRepeated = deflateRawSync(secret, { level: 9 }).length < 22
  if (isRepeated || new Set(secret).size < 10) return 'has few different characters'
  return null
}

/** Whether the secrets are long, unlike each other, and no example's. */
export const secretCheck = (run: CheckRun, { options, baseURL }: Checked): Check => ({
  id: 'auth.secrets',
  run() {
    const peppers = options.passwordPeppers ?? []
    const named = [
      ['BETTER_AUTH_SECRET', options.secret] as const,
      ...peppers.map((pepper) => ['PASSWORD_PEPPER', pepper] as const),
    ]
    const weak = named.flatMap(([name, secret]) => {
      const weakness = weaknessOf(secret)
      return weakness ? [`${name} ${weakness}`] : []
    })
    if (weak.length > 0) {
      const says = `${weak.join(', and ')}.`
      // The file for development has such a secret on purpose, and cookies of this machine's http are no one's target.
      const isLocal = !cookiesAt(baseURL).attributes.secure
      return isLocal
        ? onlyLive(run, says, `${MAKE_ONE}. Anywhere but on this machine it is a failure.`)
        : failed(says, `${MAKE_ONE}. Everybody is signed out when you replace it.`)
    }
    if (new Set(named.map(([, secret]) => secret)).size < named.length)
      return failed('Two of the secrets are the same.', `Give each purpose its own. ${MAKE_ONE}`)
    const count = peppers.length
    return passed(
      `The secret has 32 characters or more and looks random${count > 0 ? `, and so ${count === 1 ? 'does the pepper' : `do ${count} peppers`}` : ''}.`,
    )
  },
})

/** The fewest rounds of bcrypt. */
const MIN_ROUNDS = 12

/** Reads the rounds from a hash that the instance made of a random password. */
export const hashCheck = ({ hash }: Pick<Checked, 'hash'>): Check => ({
  id: 'auth.bcrypt',
  async run() {
    const stored = await hash(randomBytes(18).toString('base64url'))
    const rounds = /\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/.exec(stored)?.[1]
    if (rounds === undefined)
      return failed('A new password hash is not of bcrypt.', 'Use the hashes of this package.')
    const says = `A new password hash has ${Number(rounds)} rounds of bcrypt`
    return Number(rounds) >= MIN_ROUNDS
      ? passed(`${says}.`)
      : failed(
          `${says}, and ${MIN_ROUNDS} are the fewest.`,
          'Remove bcryptRounds, or set it to 12 or more.',
        )
  },
})
