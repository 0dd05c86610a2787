/**
 * Stripe's list of past events, page by page.
 *
 * @module
 */

import type Stripe from 'stripe'
import { ask, isMissing } from './client.ts'

/** The events that match `filter`, the newest first, page by page. `after` is an event id to continue from. */
export async function* eventPages(
  stripe: Stripe,
  filter: Stripe.EventListParams,
  after: string | null = null,
): AsyncGenerator<Stripe.Event[]> {
  const from = after === null ? {} : { starting_after: after }
  const first = ask('list', stripe.events.list({ ...filter, limit: 100, ...from }))
  let page = await first.catch((error: unknown) => {
    // Stripe no longer has the event to continue from, nor any event before it.
    if (after === null || !isMissing(error)) throw error
    return ask('list', stripe.events.list({ ...filter, limit: 100 }))
  })
  for (;;) {
    yield page.data
    const last = page.data.at(-1)
    if (!page.has_more || !last) return
    const next = { ...filter, limit: 100, starting_after: last.id }
    page = await ask('list', stripe.events.list(next))
  }
}
