/**
 * The billing portal: the API of sessions and configurations, and the actions of the portal's page.
 *
 * @module
 */

import { type CardEntry, createCard } from '../customers/cards.ts'
import { setDefaultCard } from '../customers/customers.ts'
import { requireCustomer } from '../customers/known-customer.ts'
import { attachCard } from '../customers/payment-methods.ts'
import { type Call, type Endpoint, LIST_PARAMS, listTable } from '../server/endpoint.ts'
import { invalid, StripeApiError } from '../server/errors.ts'
import type { Params } from '../server/forms.ts'
import type {
  PaymentMethod,
  PortalConfiguration,
  PortalSession,
  Subscription,
} from '../server/objects.ts'
import { change, find, insert, newId, referring, type Store, seconds } from '../server/store.ts'
import { changeItems } from '../subscriptions/plan-change.ts'
import { endSubscription, isEnded } from '../subscriptions/subscription-life.ts'
import { refuseManaged, scheduled, unscheduled } from '../subscriptions/subscription-params.ts'
import { featuresOf } from './portal-features.ts'
import { defaultFeatures, type PortalFeatures } from './portal-objects.ts'

function addConfiguration(store: Store, fields: Partial<PortalConfiguration>): PortalConfiguration {
  return insert(store, 'portalConfigurations', {
    id: newId('portalConfigurations'),
    object: 'billing_portal.configuration',
    created: seconds(store),
    livemode: false,
    active: true,
    application: null,
    business_profile: { headline: null, privacy_policy_url: null, terms_of_service_url: null },
    default_return_url: null,
    features: defaultFeatures(),
    is_default: false,
    login_page: { enabled: false, url: null },
    metadata: {},
    updated: seconds(store),
    ...fields,
  })
}

/** The account's own configuration, created when first needed. */
function defaultConfiguration(store: Store): PortalConfiguration {
  const own = [...store.tables.portalConfigurations.values()].find((one) => one.is_default)
  return own ?? addConfiguration(store, { is_default: true })
}

function createSession({ store, params }: Call): PortalSession {
  const customer = requireCustomer(store, params.required('customer'))
  const named = params.text('configuration')
  const returnUrl = params.url('return_url') ?? null
  const configuration = named
    ? find(store, 'portalConfigurations', named, 'configuration')
    : defaultConfiguration(store)
  if (!configuration.active) {
    throw invalid(`The configuration ${configuration.id} is not active.`, 'configuration')
  }
  const id = newId('portalSessions')
  return insert(store, 'portalSessions', {
    id,
    object: 'billing_portal.session',
    created: seconds(store),
    livemode: false,
    configuration: configuration.id,
    customer: customer.id,
    flow: null,
    locale: params.text('locale') ?? null,
    on_behalf_of: null,
    return_url: returnUrl ?? configuration.default_return_url,
    url: `${store.origin}/stripe/portal/${id}`,
  })
}

const CONFIGURATION = ['business_profile', 'default_return_url', 'features', 'metadata']

export const portalEndpoints: Endpoint[] = [
  {
    method: 'POST',
    path: '/v1/billing_portal/sessions',
    params: ['configuration', 'customer', 'locale', 'return_url'],
    refused: ['flow_data'],
    run: createSession,
  },
  {
    method: 'POST',
    path: '/v1/billing_portal/configurations',
    params: CONFIGURATION,
    ignored: ['login_page', 'name'],
    run({ store, params }) {
      if (params.object('features') === undefined) {
        throw invalid('Missing required param: features.', 'features', 'parameter_missing')
      }
      return addConfiguration(store, {
        business_profile: profileOf(params),
        default_return_url: params.url('default_return_url') ?? null,
        features: featuresOf(store, params),
        metadata: params.metadata(),
      })
    },
  },
  {
    method: 'GET',
    path: '/v1/billing_portal/configurations',
    params: [...LIST_PARAMS, 'active', 'is_default'],
    run(call) {
      const active = call.params.flag('active')
      const isDefault = call.params.flag('is_default')
      return listTable(
        call,
        'portalConfigurations',
        '/v1/billing_portal/configurations',
        (one) =>
          (active === undefined || one.active === active) &&
          (isDefault === undefined || one.is_default === isDefault),
      )
    },
  },
  {
    method: 'GET',
    path: '/v1/billing_portal/configurations/:id',
    run: ({ store, id }) => find(store, 'portalConfigurations', id),
  },
  {
    method: 'POST',
    path: '/v1/billing_portal/configurations/:id',
    params: [...CONFIGURATION, 'active'],
    ignored: ['login_page', 'name'],
    run({ store, params, id }) {
      const configuration = find(store, 'portalConfigurations', id)
      const active = params.flag('active')
      if (active === false && configuration.is_default) {
        throw invalid('You cannot deactivate the default configuration.', 'active')
      }
      return Object.assign(configuration, {
        features: featuresOf(store, params, configuration.features),
        metadata: params.metadata(configuration.metadata),
        ...(active === undefined ? {} : { active }),
        ...(params.has('business_profile') ? { business_profile: profileOf(params) } : {}),
        ...(params.has('default_return_url')
          ? { default_return_url: params.url('default_return_url') ?? null }
          : {}),
        updated: seconds(store),
      })
    },
  },
]

function profileOf(params: Params): PortalConfiguration['business_profile'] {
  const profile = params.object('business_profile')
  return {
    headline: profile?.text('headline') ?? null,
    privacy_policy_url: profile?.url('privacy_policy_url') ?? null,
    terms_of_service_url: profile?.url('terms_of_service_url') ?? null,
  }
}

/** The features that a portal session offers. */
export const featuresAt = (store: Store, session: PortalSession): PortalFeatures =>
  find(store, 'portalConfigurations', session.configuration).features

/** Refuses an action that the portal's configuration does not offer. */
function requireFeature(isOffered: boolean): void {
  if (!isOffered) throw invalid('This portal does not offer that.')
}

/** The customer's subscription with this id. */
function ownSubscription(store: Store, session: PortalSession, id: string): Subscription {
  const subscription = find(store, 'subscriptions', id)
  // Another customer's subscription is treated as missing.
  if (subscription.customer !== session.customer || isEnded(subscription)) {
    throw new StripeApiError('resource_missing', 404, `No such subscription: '${id}'`, {
      param: 'id',
    })
  }
  return subscription
}

/**
 * Schedules the end of a subscription or ends it at once, as the configuration says. In flexible billing mode
 * Stripe's portal sets `cancel_at` and leaves `cancel_at_period_end` false, so a host has to read both.
 */
export function portalCancel(store: Store, session: PortalSession, id: string): Subscription {
  const subscription = ownSubscription(store, session, id)
  const { enabled, mode } = featuresAt(store, session).subscription_cancel
  requireFeature(enabled)
  refuseManaged(subscription)
  if (mode === 'immediately') {
    return endSubscription(store, subscription, 'cancellation_requested')
  }
  const isPeriodEnd = subscription.billing_mode.type === 'classic'
  return change(store, 'customer.subscription.updated', subscription, (current) => {
    Object.assign(current, scheduled(store, current, current.current_period_end, isPeriodEnd))
  })
}

/** Undoes a scheduled end. */
export function portalResume(store: Store, session: PortalSession, id: string): Subscription {
  requireFeature(featuresAt(store, session).subscription_cancel.enabled)
  return change(
    store,
    'customer.subscription.updated',
    ownSubscription(store, session, id),
    (current) => Object.assign(current, unscheduled(current)),
  )
}

/**
 * Makes a new card the card for all charges of the customer.
 *
 * @throws `incorrect_number` and the other errors of a mistyped card
 */
export function portalCard(store: Store, session: PortalSession, entry: CardEntry): PaymentMethod {
  requireFeature(featuresAt(store, session).payment_method_update.enabled)
  const customer = requireCustomer(store, session.customer)
  const card = insert(
    store,
    'paymentMethods',
    createCard(store, entry, { email: customer.email, name: customer.name }),
  )
  attachCard(store, card, customer.id)
  setDefaultCard(store, customer, card.id)
  for (const subscription of referring(store, 'subscriptions', 'customer', customer.id)) {
    if (isEnded(subscription)) continue
    if (subscription.default_payment_method === null) continue
    change(store, 'customer.subscription.updated', subscription, (current) => {
      current.default_payment_method = card.id
    })
  }
  return card
}

/**
 * Changes a subscription's price or quantity, within the configuration's offer.
 *
 * @throws `invalid_request` for a change that is not offered, and the card's errors
 */
export function portalUpdate(
  store: Store,
  session: PortalSession,
  id: string,
  wanted: { price?: string; quantity?: number },
): Subscription {
  const subscription = ownSubscription(store, session, id)
  const { subscription_update: update } = featuresAt(store, session)
  requireFeature(update.enabled)
  refuseManaged(subscription)
  const [item] = subscription.items.data
  const price = wanted.price ?? item?.price.id ?? ''
  const product = update.products?.find(({ prices }) => prices.includes(price))
  const isOther = price !== item?.price.id
  requireFeature(
    !isOther || (update.default_allowed_updates.includes('price') && product !== undefined),
  )
  const quantity = wanted.quantity ?? item?.quantity ?? 1
  if (quantity !== item?.quantity) {
    requireFeature(update.default_allowed_updates.includes('quantity'))
    const { enabled, minimum, maximum } = product?.adjustable_quantity ?? NO_LIMITS
    requireFeature(!enabled || (quantity >= minimum && quantity <= (maximum ?? quantity)))
    if (quantity < 1) throw invalid('The quantity must be at least 1.', 'quantity')
  }
  const changed = {
    id: item?.id ?? null,
    isDeleted: false,
    price: find(store, 'prices', price),
    quantity,
    metadata: item?.metadata ?? {},
  }
  const refused = changeItems(store, subscription, [changed], {
    proration: update.proration_behavior,
    at: seconds(store),
    anchor: null,
    isDeferred: false,
  })
  if (refused !== null) throw refused
  return subscription
}

const NO_LIMITS = { enabled: false, minimum: 1, maximum: null }

/** Changes the customer's own details, as far as the configuration allows. */
export function portalCustomer(
  store: Store,
  session: PortalSession,
  fields: Record<string, string>,
): void {
  const { enabled, allowed_updates } = featuresAt(store, session).customer_update
  const names = (['email', 'name', 'phone'] as const).filter((name) => fields[name] !== undefined)
  requireFeature(enabled && names.every((name) => allowed_updates.includes(name)))
  const customer = requireCustomer(store, session.customer)
  if (fields.email !== undefined && !/^[^\s@]+@[^\s@]+$/.test(fields.email)) {
    throw invalid('Invalid email address.', 'email', 'email_invalid')
  }
  change(store, 'customer.updated', customer, (current) => {
    for (const name of names) current[name] = fields[name] || null
  })
}
