/**
 * Checks that webhooks are refused unless their signature is right: at the real handlers, with the host's own secrets,
 * over a database of which nothing remains.
 *
 * @module
 */

import { randomBytes, randomUUID } from 'node:crypto'
import { type Check, type CheckResult, failed, passed, skipped } from '@repo/core/checks'
import { hmacHex } from '../providers/signature.ts'

/** A webhook handler and the secret with which the provider signs. */
export interface SignedHandler {
  secret: string
  handle(req: Request): Promise<Response>
  /** A delivery with the right signature can be stored, because everything is rolled back. */
  canStore: boolean
}

/** Opens a handler; `why` says why it cannot be tried. */
export type Open = () => Promise<SignedHandler | { why: string }>

/** How old a delivery of Stripe is that must be refused, in seconds. The tolerance is five minutes. */
const STALE_SECONDS = 600

const MOUNT =
  'Mount the handler itself, with the raw body, and set the secret that the provider shows for the endpoint.'

/** The check of the signatures of Stripe. */
export const stripeSignatureCheck = (open: Open): Check => ({
  id: 'billing.stripe-signature',
  async run() {
    const opened = await open()
    if ('why' in opened) return skipped(opened.why)
    const event = (id: string) =>
      JSON.stringify({
        id: `evt_${id}`,
        object: 'event',
        type: 'tollgate.doctor',
        created: Math.floor(Date.now() / 1000),
        data: { object: { id: 'doctor', object: 'doctor' } },
      })
    const body = event(randomUUID())
    const now = Math.floor(Date.now() / 1000)
    const header = (secret: string, text: string, time = now) =>
      `t=${time},v1=${hmacHex(secret, `${time}.${text}`)}`
    const { secret } = opened
    return judge(opened, 'Stripe', body, 'stripe-signature', header(secret, body), {
      missing: null,
      empty: `t=${now},v1=`,
      'made with another secret': header(`whsec_${randomBytes(24).toString('hex')}`, body),
      'of another body': header(secret, event(randomUUID())),
      'ten minutes old': header(secret, body, now - STALE_SECONDS),
      'from the future': header(secret, body, now + STALE_SECONDS),
    })
  },
})

/** Delivers `body` with each wrong signature, and then twice with the right one. */
export async function judge(
  { handle, canStore }: SignedHandler,
  provider: string,
  body: string,
  header: string,
  right: string,
  wrong: Readonly<Record<string, string | null>>,
): Promise<CheckResult> {
  const deliver = (signature: string | null) =>
    handle(
      new Request('http://localhost/', {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(signature && { [header]: signature }) },
        body,
      }),
    )
  const accepted: string[] = []
  for (const [name, signature] of Object.entries(wrong)) {
    const { status } = await deliver(signature)
    // An error of the server is a delivery that got past the signature, or an endpoint that is not set up.
    if (status < 400 || status >= 500) accepted.push(`${name} (${status})`)
  }
  const names = Object.keys(wrong)
  if (accepted.length > 0)
    return failed(
      `A delivery of ${provider} was not refused though its signature was ${accepted.join(', ')}.`,
      MOUNT,
    )
  const refused = `Deliveries of ${provider} were refused where the signature was ${names.slice(0, -1).join(', ')} or ${names.at(-1)}`
  if (!canStore) return passed(`${refused}.`)
  const { status } = await deliver(right)
  if (status !== 200)
    return failed(
      `A delivery of ${provider} with the right signature was answered with ${status}.`,
      MOUNT,
    )
  const again = (await (await deliver(right)).json().catch(() => null)) as { duplicate?: boolean }
  if (again?.duplicate !== true)
    return failed(
      `The second delivery of one event of ${provider} was not told as a duplicate.`,
      'Run db:migrate: the key of the stored events is missing.',
    )
  return passed(`${refused}; one with the right signature was accepted, once.`)
}
