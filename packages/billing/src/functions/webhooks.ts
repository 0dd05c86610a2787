/**
 * The functions that receive the events of providers, process them, and repair what events did not bring.
 * The default instance's are exported here, and every instance has them as methods.
 *
 * @module
 */

import * as waiting from '../effects/waiting.ts'
import * as pull from '../sync/pull.ts'
import * as comparison from '../sync/reconcile.ts'
import * as diagnose from '../webhooks/diagnose.ts'
import * as endpoints from '../webhooks/endpoints.ts'
import * as events from '../webhooks/events.ts'
import * as process from '../webhooks/process.ts'
import * as stripe from '../webhooks/stripe.ts'
import * as watch from '../webhooks/watch.ts'
import { command, query } from './bind.ts'
import { ANY, date, FLAG, filters, id, object, PAGED, words } from './checks.ts'

/**
 * Handles one delivery. Mount it as `POST /api/webhooks/stripe`, before any body parser.
 *
 * @example
 * ```ts
 * import { handleStripeWebhook } from '@repo/billing/webhooks'
 *
 * // A route of Next.js, Hono, SvelteKit, …
 * export const POST = (req: Request): Promise<Response> => handleStripeWebhook(req)
 * ```
 */
export const handleStripeWebhook = command('handleStripeWebhook', stripe.handleStripeWebhook)

/**
 * Processes all due events. Events of one customer share one sync, and several customers are processed at the
 * same time.
 */
export const processEvents = command('processEvents', process.processEvents)

/**
 * Stored events without their payloads: dead events first, then flagged events, then pending ones, each group
 * with the oldest first. Pass `after` for the next page.
 *
 * @throws `event_not_found` where the event `after` does not exist.
 */
export const listEvents = query(
  'listEvents',
  events.listEvents,
  filters({ status: words('status'), ...PAGED }),
)

/**
 * One event with its payload. The payload names people, so it must not be logged. @throws `event_not_found`.
 */
export const showEvent = query('showEvent', events.showEvent, id('The event id'))

/**
 * Marks flagged and dead events as seen: their status becomes `ignored`, and they keep their reason. Other
 * events stay as they are. Returns the ids of the events that were marked.
 */
export const acknowledgeEvents = command(
  'acknowledgeEvents',
  events.acknowledgeEvents,
  words('The event ids'),
  object('The options', { by: id('by') }),
)

/**
 * Makes an event of any status due again, with all its tries. Effects that it set off before are not set off
 * again. @throws `event_not_found`, also where its payload was emptied or it belongs to the other mode.
 */
export const replayEvent = command('replayEvent', events.replayEvent, id('The event id'))

/**
 * Makes all dead events due again. Returns their number.
 */
export const retryDeadEvents = command('retryDeadEvents', events.retryDeadEvents)

/**
 * Empties the payloads of events that are not pending and are older than `keepPayloadDays` or belong to a
 * forgotten owner. That includes dead and flagged events, which can then be listed but not replayed. Ids,
 * types and times are kept forever, so that a duplicate is recognized. Returns how many payloads it emptied.
 */
export const emptyPayloads = command('emptyPayloads', events.emptyPayloads)

/**
 * Reads the state of the queue and raises `backlog_old` or `success_rate_low`.
 */
export const watchEvents = command('watchEvents', watch.watchEvents)

/**
 * The effects that wait for another instance, sorted by key, 100 of them unless `limit` says otherwise. Pass the key of
 * the last effect as `after` for the next page.
 *
 * @throws `invalid_argument` where the effect `after` does not exist.
 */
export const listWaitingEffects = query(
  'listWaitingEffects',
  waiting.listWaitingEffects,
  filters(PAGED),
)

/**
 * Runs the parts of an effect that this instance has and that are not recorded as done. A handler that is
 * known to have run is not called again, so a second call does nothing.
 *
 * @throws `effect_not_found`; `effect_not_handled` where this instance has no part of the effect;
 * `effect_failed` where the handler throws. Nothing is changed then.
 */
export const redeliverEffect = command(
  'redeliverEffect',
  waiting.redeliverEffect,
  id('The effect key'),
)

/**
 * Stores Stripe's events that are missing here: those created since the last pull, and the undelivered ones.
 */
export const pullEvents = command(
  'pullEvents',
  pull.pullEvents,
  filters({ since: date('since'), signal: ANY, onProgress: ANY }),
)

/**
 * Compares customers with Stripe and corrects our rows. A customer that fails does not stop the others.
 * @throws `other_account`, `provider_unavailable`.
 */
export const reconcile = command(
  'reconcile',
  comparison.reconcile,
  filters({ signal: ANY, limitMs: ANY, all: FLAG, onProgress: ANY }),
)

/**
 * Checks what may keep webhooks from arriving. `url` is the endpoint's URL. Default: the endpoint on this host that Stripe lists, or else
 * the URL of the payment callback.
 */
export const diagnoseWebhooks = command('diagnoseWebhooks', diagnose.diagnoseWebhooks)

/**
 * Creates the endpoint that sends to `url`, unless it exists.
 *
 * @throws `invalid_webhook_url` unless the URL begins with https, or with http and names this machine;
 * `provider_unavailable`, `provider_rejected`.
 */
export const createWebhookEndpoint = command(
  'createWebhookEndpoint',
  endpoints.createWebhookEndpoint,
)

/**
 * The account's endpoints, the newest first.
 */
export const listWebhookEndpoints = command('listWebhookEndpoints', endpoints.listWebhookEndpoints)
