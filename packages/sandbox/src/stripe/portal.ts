/**
 * The billing portal: sessions and configurations through the API, and what the portal's page does.
 *
 * @module
 */

import { type CardEntry, createCard } from './cards.ts'
import { requireCustomer, setDefaultCard } from './customers.ts'
import { type Call, type Endpoint, LIST_PARAMS, listTable } from './endpoint.ts'
import { invalid, StripeApiError } from './errors.ts'
import type { PaymentMethod, PortalConfiguration, PortalSession, Subscription } from './objects.ts'
import { attachCard } from './payment-methods.ts'
import { change, find, insert, newId, referring, type Store, seconds } from './store.ts'
import { isEnded } from './subscription-life.ts'
import { refuseManaged, scheduled, unscheduled } from './subscription-params.ts'

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
    features: {
      customer_update: { enabled: false, allowed_updates: [] },
      invoice_history: { enabled: true },
      payment_method_update: { enabled: true },
      subscription_cancel: { enabled: true, mode: 'at_period_end', proration_behavior: 'none' },
      subscription_update: { enabled: false, default_allowed_updates: [], products: null },
    },
    is_default: false,
    login_page: { enabled: false, url: null },
    metadata: {},
    updated: seconds(store),
    ...fields,
  })
}

/** The account's own configuration, made on first need. */
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
    params: ['business_profile', 'default_return_url', 'features', 'metadata'],
    ignored: ['login_page', 'name'],
    run({ store, params }) {
      if (params.object('features') === undefined) {
        throw invalid('Missing required param: features.', 'features', 'parameter_missing')
      }
      const profile = params.object('business_profile')
      return addConfiguration(store, {
        business_profile: {
          headline: profile?.text('headline') ?? null,
          privacy_policy_url: profile?.url('privacy_policy_url') ?? null,
          terms_of_service_url: profile?.url('terms_of_service_url') ?? null,
        },
        default_return_url: params.url('default_return_url') ?? null,
        metadata: params.metadata(),
      })
    },
  },
  {
    method: 'GET',
    path: '/v1/billing_portal/configurations',
    params: [...LIST_PARAMS, 'active', 'is_default'],
    run: (call) => listTable(call, 'portalConfigurations', '/v1/billing_portal/configurations'),
  },
]

/** Who a portal page is for, and that customer's subscription by id. */
function ownSubscription(store: Store, session: PortalSession, id: string): Subscription {
  const subscription = find(store, 'subscriptions', id)
  // Another customer's subscription is as good as none.
  if (subscription.customer !== session.customer || isEnded(subscription)) {
    throw new StripeApiError('resource_missing', 404, `No such subscription: '${id}'`, {
      param: 'id',
    })
  }
  return subscription
}

/**
 * Schedules the end of a subscription. In flexible billing mode Stripe's portal names the time and
 * leaves `cancel_at_period_end` false, which is why a host has to read both.
 */
export function portalCancel(store: Store, session: PortalSession, id: string): Subscription {
  const subscription = ownSubscription(store, session, id)
  refuseManaged(subscription)
  const isPeriodEnd = subscription.billing_mode.type === 'classic'
  return change(store, 'customer.subscription.updated', subscription, (current) => {
    Object.assign(current, scheduled(store, current, current.current_period_end, isPeriodEnd))
  })
}

/** Takes a scheduled end back. */
export function portalResume(store: Store, session: PortalSession, id: string): Subscription {
  return change(
    store,
    'customer.subscription.updated',
    ownSubscription(store, session, id),
    (current) => Object.assign(current, unscheduled(current)),
  )
}

/**
 * Makes a new card the one that everything of the customer's is charged to.
 *
 * @throws `incorrect_number` and the other errors of a mistyped card
 */
export function portalCard(store: Store, session: PortalSession, entry: CardEntry): PaymentMethod {
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
