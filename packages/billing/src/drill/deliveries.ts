/**
 * How events reach us: several times, in any order, days late, damaged, forged or not at all. What
 * happens to an event depends on the seed and its number alone.
 *
 * @module
 */

import Stripe from 'stripe'
import { createRandom } from './random.ts'

/** `genuine` has to be answered 200, the others 400. */
export type DeliveryKind = 'genuine' | 'damaged' | 'forged' | 'stale' | 'early'

export interface PlannedDelivery {
  kind: DeliveryKind
  /** So many further events happen before it is made. */
  after: number
}

export interface DeliveryPlan {
  /** True: Stripe gave it up; only a pull finds it. */
  isDropped: boolean
  deliveries: PlannedDelivery[]
}

export interface PlanSettings {
  /** Events that a late delivery waits for, at the most. */
  reach: number
}

const SHARE_DROPPED = 0.06
const SHARE_REFUSED = 0.06
const TIMES = { '1': 50, '2': 26, '3': 12, '4': 7, '5': 5 } as const
/** How far a delivery falls behind, as a share of the reach. */
const DELAYS = { none: 45, little: 35, much: 17, last: 3 } as const

/** What happens to the event with this number. */
export function planDeliveries(seed: number, index: number, settings: PlanSettings): DeliveryPlan {
  const random = createRandom(seed, 2, index)
  const delay = (): number => {
    const much = random.weighted(DELAYS)
    if (much === 'none') return 0
    if (much === 'last') return settings.reach
    return random.whole(much === 'little' ? Math.min(12, settings.reach) : settings.reach) + 1
  }
  const isDropped = random.chance(SHARE_DROPPED)
  const times = isDropped ? 0 : Number(random.weighted(TIMES))
  const deliveries: PlannedDelivery[] = Array.from({ length: times }, () => ({
    kind: 'genuine',
    after: delay(),
  }))
  if (random.chance(SHARE_REFUSED)) {
    deliveries.push({
      kind: random.pick(['damaged', 'forged', 'stale', 'early']),
      after: delay(),
    })
  }
  return { isDropped, deliveries }
}

/** Event ids that begin so were never sent by Stripe: one that is stored was accepted wrongly. */
export const FORGED = 'evt_forged_'

export interface SignedDelivery {
  body: string
  signature: string
}

/** The bytes of a delivery. What must be refused names an event that does not exist. */
export function signDelivery(kind: DeliveryKind, body: string, secret: string): SignedDelivery {
  const now = Math.floor(Date.now() / 1000)
  const forged = body.replace(/"evt_/, `"${FORGED}`)
  const sign = (payload: string, timestamp: number, by = secret) =>
    Stripe.webhooks.generateTestHeaderString({
      payload,
      secret: by,
      timestamp,
      scheme: 'v1',
      signature: '',
      cryptoProvider: Stripe.createNodeCryptoProvider(),
    })
  switch (kind) {
    case 'genuine':
      return { body, signature: sign(body, now) }
    case 'damaged':
      return { body: forged, signature: sign(body, now) }
    case 'forged':
      return { body: forged, signature: sign(forged, now, 'whsec_of_somebody_else') }
    case 'stale':
      return { body: forged, signature: sign(forged, now - 400) }
    case 'early':
      return { body: forged, signature: sign(forged, now + 400) }
  }
}
