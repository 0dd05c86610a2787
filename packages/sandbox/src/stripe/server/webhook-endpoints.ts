/**
 * The API of webhook endpoints. They receive events like the endpoints of the options.
 *
 * @see https://docs.stripe.com/api/webhook_endpoints
 * @module
 */

import { checkVersion } from './admission.ts'
import { type Endpoint, LIST_PARAMS, listTable } from './endpoint.ts'
import { invalid, missing } from './errors.ts'
import type { Params } from './forms.ts'
import { find, insert, newId, randomText, remove, seconds } from './store.ts'

/** Full names of event types, or `*` for all; Stripe supports no other pattern. */
function requireEvents(params: Params): string[] {
  const types = params.strings('enabled_events')
  if (types.length === 0) throw missing('enabled_events')
  for (const [index, type] of types.entries()) {
    if (type === '*' || /^[a-z_]+(\.[a-z_]+)+$/.test(type)) continue
    const param = `enabled_events[${index}]`
    throw invalid(`Invalid ${param}: must be the name of an event type`, param)
  }
  return types
}

function requireUrl(params: Params): string {
  const url = params.url('url')
  if (url) return url
  throw missing('url')
}

export const webhookEndpointEndpoints: Endpoint[] = [
  {
    method: 'POST',
    path: '/v1/webhook_endpoints',
    params: ['api_version', 'description', 'enabled_events', 'metadata', 'url'],
    ignored: ['connect'],
    isShown: true,
    run({ store, params }) {
      const version = params.text('api_version') ?? null
      if (version !== null) checkVersion(version)
      const endpoint = insert(store, 'endpoints', {
        id: newId('endpoints'),
        object: 'webhook_endpoint',
        created: seconds(store),
        livemode: false,
        api_version: version,
        application: null,
        description: params.text('description') ?? null,
        enabled_events: requireEvents(params),
        metadata: params.metadata(),
        secret: `whsec_${randomText(32)}`,
        status: 'enabled',
        url: requireUrl(params),
        configured: false,
      })
      // Only this response contains the secret.
      const { configured: _, ...shown } = endpoint
      return shown
    },
  },
  {
    method: 'GET',
    path: '/v1/webhook_endpoints',
    params: LIST_PARAMS,
    run: (call) => listTable(call, 'endpoints', '/v1/webhook_endpoints'),
  },
  {
    method: 'GET',
    path: '/v1/webhook_endpoints/:id',
    run: ({ store, id }) => find(store, 'endpoints', id),
  },
  {
    method: 'POST',
    path: '/v1/webhook_endpoints/:id',
    // The version of an endpoint cannot be changed.
    params: ['description', 'disabled', 'enabled_events', 'metadata', 'url'],
    run({ store, params, id }) {
      const endpoint = find(store, 'endpoints', id)
      const description = params.text('description')
      const disabled = params.flag('disabled')
      return Object.assign(endpoint, {
        metadata: params.metadata(endpoint.metadata),
        ...(params.has('url') && { url: requireUrl(params) }),
        ...(params.has('enabled_events') && { enabled_events: requireEvents(params) }),
        ...(description !== undefined && { description }),
        ...(disabled !== undefined && { status: disabled ? 'disabled' : 'enabled' }),
      })
    },
  },
  {
    method: 'DELETE',
    path: '/v1/webhook_endpoints/:id',
    run({ store, id }) {
      find(store, 'endpoints', id)
      remove(store, 'endpoints', id)
      return { id, object: 'webhook_endpoint', deleted: true }
    },
  },
]
