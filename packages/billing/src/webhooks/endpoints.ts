/**
 * The webhook endpoint at Stripe, created once, for exactly the events that we listen to and in the client's
 * API version.
 *
 * @see https://docs.stripe.com/api/webhook_endpoints
 * @module
 */

import { parseUrl } from '@repo/core'
import type Stripe from 'stripe'
import type { BillingContext } from '../context.ts'
import { BillingError } from '../errors.ts'
import { ask } from '../providers/stripe/client.ts'
import { listenedIn } from '../providers/stripe/webhook.ts'

/** A webhook endpoint as Stripe has it. */
export interface WebhookEndpoint {
  /** `we_…` */
  id: string
  url: string
  /** `enabled` or `disabled`. */
  status: string
  /** Null: the account's default version. */
  apiVersion: string | null
  enabledEvents: string[]
}

/** How an endpoint differs from the endpoint that `createWebhookEndpoint` would create. */
export interface EndpointDifference {
  /** Events that we listen to and the endpoint does not send. */
  missingEvents: string[]
  /** Events that the endpoint sends and we ignore. */
  surplusEvents: string[]
  /** The wanted API version. Null: the endpoint has it. */
  apiVersion: string | null
  isDisabled: boolean
}

/** The result of `createWebhookEndpoint`. */
export type CreatedEndpoint =
  /** A new endpoint. */
  | {
      isNew: true
      /** The endpoint as Stripe has it. */
      endpoint: WebhookEndpoint
      /** Signs the endpoint's deliveries: the value of `STRIPE_WEBHOOK_SECRET`. Stripe shows it only once. */
      secret: string
    }
  /** An endpoint with this URL exists already. */
  | {
      isNew: false
      /** The endpoint as Stripe has it. */
      endpoint: WebhookEndpoint
      /** How the endpoint differs from a new one. Null: it does not. */
      difference: EndpointDifference | null
    }

/** Creates the endpoint that sends to `url`, unless it exists. The contract is in `functions/webhooks.ts`. */
export async function createWebhookEndpoint(
  ctx: BillingContext,
  url: string,
): Promise<CreatedEndpoint> {
  const address = requireAddress(url)
  const apiVersion = ctx.stripe.getApiField('version')
  const same = (await listWebhookEndpoints(ctx)).filter((each) => hrefOf(each.url) === address)
  const present = same.find(({ status }) => status === 'enabled') ?? same[0]
  if (present) {
    return { isNew: false, endpoint: present, difference: endpointDifference(present, apiVersion) }
  }
  const request = ctx.stripe.webhookEndpoints.create({
    url: address,
    enabled_events: listenedIn(apiVersion),
    api_version: apiVersion as Stripe.WebhookEndpointCreateParams.ApiVersion,
    description: 'Billing',
  })
  const { secret, ...made } = await ask('webhook_endpoint', request)
  if (!secret)
    throw new BillingError(
      'provider_rejected',
      'Stripe answered without a signing secret. Look at the endpoint in the dashboard.',
    )
  return { isNew: true, endpoint: endpointOf(made), secret }
}

/** The account's endpoints, the newest first. The contract is in `functions/webhooks.ts`. */
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

/** How an endpoint differs from a new one in the API version `wanted`. Null: it does not. */
export function endpointDifference(
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
  const url = parseUrl(text)
  const isSafe =
    url?.protocol === 'https:' || (url?.protocol === 'http:' && LOCAL.includes(url.hostname))
  if (url && isSafe && !url.username && !url.hash) return url.href
  throw new BillingError(
    'invalid_webhook_url',
    'The address of a webhook must be a full URL that begins with https:// or http://localhost.',
  )
}

const hrefOf = (url: string): string => parseUrl(url)?.href ?? url
