/**
 * Plans how events are delivered: several times, in any order, late, damaged, forged or not at all. The plan
 * depends only on the seed and the event's number.
 *
 * @module
 */

import Stripe from 'stripe'
import { createRandom } from './random.ts'

/** The kind of a delivery. `genuine` has to be answered with 200, the others with 400. */
export type DeliveryKind = 'genuine' | 'damaged' | 'forged' | 'stale' | 'early'

/** One planned delivery of an event. */
export interface PlannedDelivery {
  kind: DeliveryKind
  /** How many later events happen before the delivery. */
  after: number
}

/** All deliveries of an event. */
export interface DeliveryPlan {
  /** True: the event is never delivered, so only a pull finds it. */
  isDropped: boolean
  deliveries: PlannedDelivery[]
}

/** Settings of the plans. */
export interface PlanSettings {
  /** How many events a late delivery waits for at the most. */
  reach: number
}

/** Shares of events that are never delivered, and that get a delivery to refuse. */
const SHARE_DROPPED = 0.06
const SHARE_REFUSED = 0.06
/** How often an event is delivered, with weights. */
const TIMES = { '1': 50, '2': 26, '3': 12, '4': 7, '5': 5 } as const
/** How late a delivery is, with weights. */
const DELAYS = { none: 45, little: 35, much: 17, last: 3 } as const

/** The plan of the event with this number. */
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

/** The prefix of ids of forged events. A stored event with this prefix was accepted wrongly. */
export const FORGED = 'evt_forged_'

/** The body of a delivery and its signature header. */
export interface SignedDelivery {
  body: string
  signature: string
}

/** Creates a delivery of `body`. A delivery that has to be refused names an event that does not exist. */
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
