/** A payment of ten dollars that went through. */

import { OLD, SUCCESS, start } from './harness.ts'

export async function paid(version = OLD, card = 'pm_card_visa') {
  const running = await start({ stripe: { apiVersion: version } })
  const stripe = running.client(version)
  const customer = await stripe.customers.create({})
  const intent = await stripe.paymentIntents.create({
    amount: 1000,
    currency: 'usd',
    customer: customer.id,
    payment_method: card,
    confirm: true,
    return_url: SUCCESS,
  })
  return { running, stripe, customer, intent, charge: String(intent.latest_charge) }
}
