/**
 * The kinds of the options of `createBilling`, which are checked before anything else is made of them.
 *
 * @module
 */

import {
  aBoolean,
  aFunction,
  aListOfStrings,
  aNumber,
  aString,
  kind,
  listOf,
  type OptionKind,
  objectOf,
  objectWith,
  oneOf,
  optionProblem,
  recordOf,
  required,
} from '@repo/core'
import type { AlertLimits } from './alerts.ts'
import type { Calcom } from './bookings/settings.ts' // #calcom
import { somePlans, someProducts } from './catalog/kinds.ts'
import type { EventSettings } from './context.ts'
import type { CreditSettings } from './credits/settings.ts'
import { BillingError } from './errors.ts'
import type { BillingOptions } from './options.ts'
import type { OrderSettings } from './orders/settings.ts'
import type { CheckoutSettings, PortalSettings } from './providers/stripe/checkout-settings.ts'
import type { RequestLimits } from './providers/stripe/requests.ts'

/** The kinds of all members of `T`, so that a new option without a kind does not compile. */
type Kinds<T> = Record<keyof T, OptionKind>

const requests: Kinds<RequestLimits> = {
  perSecond: aNumber,
  perEndpoint: aNumber,
  tries: aNumber,
  maxWaitMs: aNumber,
}

const orders: Kinds<OrderSettings> = {
  callbackPath: aString,
  limiter: objectWith('a limiter, as createRateLimiter of @repo/core makes it', 'consume'),
  addressOf: aFunction,
}

// #region calcom
const calcom: Kinds<Calcom> = {
  origin: required(aString),
  eventTypes: required(recordOf(aString, 'an object with paths by event type id')),
  webhookSecret: required(
    kind(
      'a string of 16 characters or more',
      (value) => typeof value === 'string' && value.length >= 16,
    ),
  ),
}
// #endregion

const credits: Kinds<CreditSettings> = {
  groupCommit: aBoolean,
  lowBalance: recordOf(aNumber, 'an object with thresholds by credit type'),
  onLowBalance: aFunction,
  topUp: objectOf({ perDay: required(aNumber), run: required(aFunction) }),
}

const events: Kinds<EventSettings> = {
  lanes: aNumber,
  leaseMs: aNumber,
  retryDelaysMs: listOf(aNumber, 'a list of numbers'),
  keepPayloadDays: aNumber,
}

const limits: Kinds<AlertLimits> = {
  successRate: aNumber,
  processingSeconds: aNumber,
  backlogSeconds: aNumber,
  creditDrift: aNumber,
  fulfilmentRate: aNumber,
  refundRate: aNumber,
}

const checkout: Kinds<CheckoutSettings> = {
  allowPromotionCodes: aBoolean,
  coupon: aString,
  promotionCode: aString,
  automaticTax: aBoolean,
  taxIdCollection: aBoolean,
  billingAddressCollection: oneOf('auto', 'required'),
  locale: aString,
  paymentMethodTypes: aListOfStrings,
  allowedPaymentMethodTypes: aListOfStrings,
  adjustableQuantity: objectOf({ minimum: aNumber, maximum: aNumber }),
}

const portal: Kinds<PortalSettings> = { configuration: aString, locale: aString }

const KINDS: Kinds<BillingOptions> = {
  db: objectWith('a database client, as createDb of @repo/db makes it', '$queryRaw'),
  stripe: objectWith('a client, as createStripe makes it', 'getApiField'),
  requests: objectOf(requests),
  plans: somePlans,
  products: someProducts,
  provider: objectWith('a payment provider', 'createCheckout', 'retrievePayment', 'parseWebhook'),
  orders: objectOf(orders),
  sender: objectWith('a sender, as createSender of @repo/email makes it', 'sendEmail'),
  logger: objectWith('a logger such as pino', 'debug', 'info', 'warn', 'error'),
  clock: objectWith('a clock', 'now'),
  appUrl: aString,
  pages: recordOf(aString, 'an object with paths'),
  stripeWebhookSecrets: aListOfStrings,
  livemode: aBoolean,
  calcom: objectOf(calcom), // #calcom
  trialSecrets: aListOfStrings,
  effects: recordOf(aFunction, 'an object with handlers by fact'),
  credits: objectOf(credits),
  events: objectOf(events),
  onAlert: aFunction,
  limits: objectOf(limits),
  checkout: objectOf(checkout),
  portal: objectOf(portal),
  pastDueGraceDays: aNumber,
  owner: aFunction,
}

/** Checks the argument of `createBilling`. @throws `invalid_options` for an option of a wrong kind; names it */
export function requireKinds(options: unknown): void {
  const problem = optionProblem('createBilling', KINDS, options)
  if (problem !== null) throw new BillingError('invalid_options', problem)
}
