/**
 * Events and the endpoints that receive them.
 *
 * @see https://docs.stripe.com/webhooks#verify-manually
 * @module
 */

import { createHmac } from 'node:crypto'
import type { DeliveryRecord, DeliveryRequest } from '../../deliveries.ts'
import { type Endpoint, LIST_PARAMS, listTable } from './endpoint.ts'
import { invalid } from './errors.ts'
import type { EventRecord, WebhookEndpoint } from './objects.ts'
import { isNewShape, type Shown, showEvent } from './shapes.ts'
import { find, insert, newId, remove, type Store, seconds } from './store.ts'

/** A webhook receiver of the options. */
export interface WebhookTarget {
  /** The address that events are sent to. */
  url: string
  /** `whsec_…`, the key of the signature. */
  secret: string
  /** The API version of its events. Default: the account's version. */
  apiVersion?: string
  /** The event types that it receives. Default: all. */
  events?: string[]
}

/** Whether a version has events of `type`: payments of invoices exist since 2025-03-31. */
export const isTold = (type: string, version: string): boolean =>
  !type.startsWith('invoice_payment.') || isNewShape(version)

/** Whether the endpoint receives events of `type`; `version` is the account's version. */
export const wants = (endpoint: WebhookEndpoint, type: string, version: string): boolean =>
  endpoint.status === 'enabled' &&
  isTold(type, endpoint.api_version ?? version) &&
  endpoint.enabled_events.some((enabled) => enabled === '*' || enabled === type)

/**
 * Replaces the receivers of an earlier run by those of the options. Ids depend on the position, so pending
 * deliveries of the first receiver go to the new address of the first receiver.
 */
export function configureEndpoints(store: Store, targets: readonly WebhookTarget[]): void {
  for (const { id, configured } of [...store.tables.endpoints.values()]) {
    if (configured) remove(store, 'endpoints', id)
  }
  for (const [index, target] of targets.entries()) addTarget(store, target, `we_configured${index}`)
}

/** Adds a receiver, as if the options had named it. */
export function addTarget(
  store: Store,
  target: WebhookTarget,
  id: string = newId('endpoints'),
): WebhookEndpoint {
  return insert(store, 'endpoints', {
    id,
    object: 'webhook_endpoint',
    created: seconds(store),
    livemode: false,
    api_version: target.apiVersion ?? null,
    application: null,
    description: null,
    enabled_events: target.events ?? ['*'],
    metadata: {},
    secret: target.secret,
    status: 'enabled',
    url: target.url,
    configured: true,
  })
}

/** The signature `t=…,v1=…` of a payload, with wall time, which a receiver compares with its own clock. */
export function signPayload(payload: string, secret: string, at = Date.now()): string {
  const timestamp = Math.floor(at / 1000)
  const signature = createHmac('sha256', secret).update(`${timestamp}.${payload}`).digest('hex')
  return `t=${timestamp},v1=${signature}`
}

/** The bytes of one attempt, signed now; null if the event or the endpoint was removed. */
export function composeDelivery(
  store: Store,
  record: Pick<DeliveryRecord, 'endpointId' | 'eventId'>,
): DeliveryRequest | null {
  const endpoint = store.tables.endpoints.get(record.endpointId)
  const event = store.tables.events.get(record.eventId)
  if (endpoint === undefined || event === undefined) return null
  const body = JSON.stringify(
    showEvent(event, endpoint.api_version ?? store.apiVersion, 1),
    null,
    2,
  )
  return {
    url: endpoint.url,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'stripe-signature': signPayload(body, endpoint.secret),
      'user-agent': 'Stripe/1.0 (+https://stripe.com/docs/webhooks)',
    },
    body,
  }
}

/** How many deliveries of an event have not arrived, and whether one was given up. */
export interface DeliveryStatus {
  pending: number
  isDelivered: boolean
}

/** The API endpoints of events. `statusOf` returns the state of an event's deliveries. */
export function eventEndpoints(statusOf: (eventId: string) => DeliveryStatus): Endpoint[] {
  const shown = (event: EventRecord, version: string): Shown =>
    showEvent(event, version, statusOf(event.id).pending)
  return [
    {
      method: 'GET',
      path: '/v1/events',
      params: [...LIST_PARAMS, 'delivery_success', 'type', 'types'],
      isShown: true,
      run(call) {
        const { params, version } = call
        const type = params.text('type')
        const types = params.strings('types')
        const isDelivered = params.flag('delivery_success')
        if (type && types.length > 0) {
          throw invalid('You may only specify one of these parameters: type, types.', 'types')
        }
        // One full type uses the index; a pattern or several types are compared.
        const isExact = type && !type.endsWith('*')
        const patterns = isExact ? [] : type ? [type] : types
        const list = listTable(
          call,
          'events',
          '/v1/events',
          (event) =>
            isTold(event.type, version) &&
            (patterns.length === 0 || patterns.some((pattern) => matches(pattern, event.type))) &&
            (isDelivered === undefined || statusOf(event.id).isDelivered === isDelivered),
          isExact ? { type } : {},
        )
        return { ...list, data: list.data.map((event) => shown(event as EventRecord, version)) }
      },
    },
    {
      method: 'GET',
      path: '/v1/events/:id',
      isShown: true,
      run: ({ store, id, version }) => shown(find(store, 'events', id), version),
    },
  ]
}

/** `invoice.paid` matches itself, and `invoice.*` matches all types with that prefix. */
const matches = (pattern: string, type: string): boolean =>
  pattern.endsWith('*') ? type.startsWith(pattern.slice(0, -1)) : type === pattern
