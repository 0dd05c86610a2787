/**
 * The webhook endpoint at Stripe: made once, for exactly the events that are listened to, in the API
 * version the client is pinned to.
 *
 * @see https://docs.stripe.com/api/webhook_endpoints
 * @module
 */

import type Stripe from 'stripe'
import type { BillingContext } from '../context.ts'
import { BillingError } from '../errors.ts'
import { ask } from '../providers/stripe/client.ts'
import { listenedIn } from '../providers/stripe/webhook.ts'

export interface WebhookEndpoint {
  /** `we_…` */
  id: string
  url: string
  /** `enabled` or `disabled`. */
  status: string
  /** Null: the account's own. */
  apiVersion: string | null
  enabledEvents: string[]
}

/** In what an endpoint differs from the one that would be made. */
export interface EndpointDifference {
  /** Listened to and not sent. */
  missingEvents: string[]
  /** Sent and ignored. */
  surplusEvents: string[]
  /** The version that would be asked for; null where it is that one. */
  apiVersion: string | null
  isDisabled: boolean
}

export type CreatedEndpoint =
  /** The secret its deliveries are signed with. Stripe does not tell it again. */
  | { isNew: true; endpoint: WebhookEndpoint; secret: string }
  /** There was one with this address, and no other was made. Null: it is as it should be. */
  | { isNew: false; endpoint: WebhookEndpoint; difference: EndpointDifference | null }

/**
 * Makes the endpoint that sends to `url`, unless there is one.
 *
 * @throws `invalid_webhook_url` unless it is https, or http to this machine; `provider_unavailable`,
 * `provider_rejected`.
 */
export async function createWebhookEndpoint(
  ctx: BillingContext,
  url: string,
): Promise<CreatedEndpoint> {
  const address = requireAddress(url)
  const apiVersion = ctx.stripe.getApiField('version')
  const same = (await listWebhookEndpoints(ctx)).filter((each) => hrefOf(each.url) === address)
  const present = same.find(({ status }) => status === 'enabled') ?? same[0]
  if (present) {
    return { isNew: false, endpoint: present, difference: differenceOf(present, apiVersion) }
  }
  const request = ctx.stripe.webhookEndpoints.create({
    url: address,
    enabled_events: listenedIn(apiVersion),
    api_version: apiVersion as Stripe.WebhookEndpointCreateParams.ApiVersion,
    description: 'Billing',
  })
  const { secret, ...made } = await ask('webhook_endpoint', request)
  if (!secret) throw new BillingError('provider_rejected', 'Stripe told no signing secret.')
  return { isNew: true, endpoint: endpointOf(made), secret }
}

/** The account's endpoints, the newest first. */
export async function listWebhookEndpoints(ctx: BillingContext): Promise<WebhookEndpoint[]> {
  const endpoints: WebhookEndpoint[] = []
  let page = await ask('list', ctx.stripe.webhookEndpoints.list({ limit: 100 }))
  for (;;) {
    endpoints.push(...page.data.map(endpointOf))
    const last = page.data.at(-1)
    if (!page.has_more || !last) return endpoints
    const next = { limit: 100, starting_after: last.id }
    page = await ask('list', ctx.stripe.webhookEndpoints.list(next))
  }
}

type Shown = Pick<
  Stripe.WebhookEndpoint,
  'id' | 'url' | 'status' | 'api_version' | 'enabled_events'
>

const endpointOf = ({ id, url, status, api_version, enabled_events }: Shown): WebhookEndpoint => ({
  id,
  url,
  status,
  apiVersion: api_version,
  enabledEvents: enabled_events,
})

function differenceOf(
  { enabledEvents, apiVersion, status }: WebhookEndpoint,
  wanted: string,
): EndpointDifference | null {
  const listened: readonly string[] = listenedIn(wanted)
  const isAll = enabledEvents.includes('*')
  const difference: EndpointDifference = {
    missingEvents: isAll ? [] : listened.filter((type) => !enabledEvents.includes(type)),
    surplusEvents: enabledEvents.filter((type) => !listened.includes(type)),
    apiVersion: apiVersion === wanted ? null : wanted,
    isDisabled: status !== 'enabled',
  }
  const { missingEvents, surplusEvents, isDisabled } = difference
  const isSame = missingEvents.length + surplusEvents.length === 0 && apiVersion === wanted
  return isSame && !isDisabled ? null : difference
}

const LOCAL = ['localhost', '127.0.0.1', '[::1]']

function requireAddress(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  const isSafe =
    url?.protocol === 'https:' || (url?.protocol === 'http:' && LOCAL.includes(url.hostname))
  if (url && isSafe && !url.username && !url.hash) return url.href
  throw new BillingError(
    'invalid_webhook_url',
    'The address of a webhook begins with https://, or with http://localhost, and is a whole one.',
  )
}

const hrefOf = (url: string): string => (URL.canParse(url) ? new URL(url).href : url)
