/**
 * Lets a provider be switched off, as if it could not be reached.
 *
 * @module
 */

import { BillingError } from '../../errors.ts'
import type { PaymentProvider } from '../provider.ts'

const unavailable = () =>
  new BillingError(
    'provider_unavailable',
    'The local provider is switched off. Set controls.isDown to false.',
  )

/** `provider`, but its requests fail with `provider_unavailable` while `isDown`. Webhooks can still be verified. */
export function guarded(provider: PaymentProvider, isDown: () => boolean): PaymentProvider {
  const ask =
    <Args extends unknown[], R>(act: (...args: Args) => Promise<R>) =>
    async (...args: Args): Promise<R> => {
      if (isDown()) throw unavailable()
      return act(...args)
    }
  const { resumeSubscription } = provider
  return {
    ...provider,
    ...(resumeSubscription && { resumeSubscription: ask(resumeSubscription) }),
    createCheckout: ask(provider.createCheckout),
    retrieveCheckout: ask(provider.retrieveCheckout),
    expireCheckout: ask(provider.expireCheckout),
    retrievePayment: ask(provider.retrievePayment),
    refund: ask(provider.refund),
    retrieveSubscription: ask(provider.retrieveSubscription),
    cancelSubscription: ask(provider.cancelSubscription),
    async *pull(since, known) {
      if (isDown()) throw unavailable()
      yield* provider.pull(since, known)
    },
  }
}
