/** Text that is made to take long is read in linear time: headers, references, addresses and bodies. */

import { createHmac } from 'node:crypto'
import { growsLinearly, HOSTILE_TEXTS } from '@repo/core/testing'
import { expect, test } from 'vitest'
import { readReference, signReference } from '../bookings/calcom.ts' // #calcom
import { stringsIn } from '../orders/events.ts'
import { parseLocalWebhook } from '../providers/local/webhook.ts'
import { verifyStripe } from '../providers/stripe/webhook.ts'
import { normalizeEmail } from '../sync/trials.ts'

const SECRET = 'whsec_hostile'
/** Headers as far as readers look at them: they may hold what `Headers` would refuse. */
const headersWith = (value: string) => ({ get: () => value }) as unknown as Headers
const refused = (read: () => unknown) => {
  try {
    read()
  } catch (error) {
    expect(error).toMatchObject({ code: expect.stringMatching(/^(missing|invalid|stale)_/) })
    return
  }
  throw new Error('It was not refused.')
}

const READERS: Record<string, (text: string) => unknown> = {
  "Stripe's signature": (text) => refused(() => verifyStripe([SECRET], headersWith(text), '{}')),
  'signatures of Stripe': (text) =>
    refused(() => verifyStripe([SECRET], headersWith(`t=1,v1=${text}`), '{}')),
  'times of Stripe': (text) => {
    const payload = '{"object":"event"}'
    const signature = createHmac('sha256', SECRET).update(`1.${payload}`).digest('hex')
    const header = `${text},t=1,v1=${signature}`
    refused(() => verifyStripe([SECRET], headersWith(header), payload))
  },
  "the local provider's signature": (text) =>
    refused(() => parseLocalWebhook(SECRET, headersWith(text), '{}')),
  // #region calcom
  'a reference of Cal.com': (text) => expect(readReference(SECRET, text)).toBeNull(),
  'a signature of a reference': (text) => {
    const [body = ''] = signReference(SECRET, { customerId: 'c', paymentId: null }).split('.')
    expect(readReference(SECRET, `${body}.${text}`)).toBeNull()
  },
  // #endregion
  'an e-mail address': normalizeEmail,
  'an address at Google': (text) => normalizeEmail(`${text}@gmail.com`),
  'a body of one text': (text) => stringsIn({ [text]: text }),
  'a body of many texts': (text) => stringsIn(text.split('')),
}

test.each(Object.entries(READERS))('%s is read in linear time', (_, read) => {
  const slow = HOSTILE_TEXTS.filter(([, textOf]) => !growsLinearly(read, textOf))
  expect(slow.map(([name]) => name)).toEqual([])
})

test('ids are found at any depth, in linear time', () => {
  const depthOf = (length: number) => Math.floor(length / 6)
  const nested = (length: number) =>
    `${'{"a":'.repeat(depthOf(length))}["evt_12345678"]${'}'.repeat(depthOf(length))}`
  expect(stringsIn(JSON.parse(nested(65_536)))).toEqual(['evt_12345678'])
  expect(growsLinearly((text) => stringsIn(JSON.parse(text)), nested)).toBe(true)
})
