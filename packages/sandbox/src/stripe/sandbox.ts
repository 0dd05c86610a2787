/**
 * The Stripe stand-in: an API for the official SDK, hosted pages for people, signed webhooks, and controls
 * with which tests act as the buyer, the bank or the passing of time.
 *
 * @module
 */

import { type Clock, consoleLogger, createLogger, type Logger, systemClock } from '@repo/core'
import { Hono } from 'hono'
import {
  createDeliveryQueue,
  type Delivery,
  type DeliveryOptions,
  type DeliveryQueue,
  type DeliveryRequest,
} from '../deliveries.ts'
import { SandboxError } from '../errors.ts'
import { showError } from '../layout.tsx'
import { createStripePages } from './checkout/pages.tsx'
import { type LifeControls, lifeControls } from './controls.ts'
import type { Failure } from './server/admission.ts'
import {
  addTarget,
  composeDelivery,
  configureEndpoints,
  type DeliveryStatus,
  isTold,
  type WebhookTarget,
  wants,
} from './server/events.ts'
import { createFaultSource, type Faults } from './server/faults.ts'
import { createRateLimiter } from './server/rate-limits.ts'
import { createApi } from './server/server.ts'
import type { StripeSettings } from './server/settings.ts'
import { type Shown, showEvent } from './server/shapes.ts'
import {
  createStore,
  restoreStore,
  type Store,
  type StripeSnapshot,
  snapshotStore,
} from './server/store.ts'

/** A response of the API before it is sent. */
export interface ApiAnswer {
  /** The JSON text. */
  body: string
  /** The HTTP status. */
  status: number
  /** The API version of the request. */
  version: string
}

/** An error that the next API requests answer instead of their result. */
export interface NextFailure extends Omit<Failure, 'times'> {
  /** How many requests fail. Default 1. */
  times?: number
}

/** The options of `createStripeSandbox`. */
export interface StripeSandboxOptions {
  /** The only key that the API accepts, such as `sk_test_…`. */
  secretKey: string
  /** The receivers of events. Default none. */
  webhooks?: readonly WebhookTarget[]
  /** The account's API version, for requests and receivers without their own. Default 2024-04-10. */
  apiVersion?: string
  /** The origin of the hosted pages. Default: the origin of the first request. */
  origin?: string
  /**
   * The retries of webhooks. False sends and records none, for a drill that delivers events itself with
   * `requestsOf`; events are still listed, each as delivered.
   */
  delivery?: DeliveryOptions | false
  /**
   * The duration of each API request in milliseconds. Default 0. While a request runs, another one with the
   * same idempotency key is refused: 409 `idempotency_key_in_use`.
   */
  latencyMs?: number
  /** The account's behaviour where Stripe's accounts differ; see {@link StripeSettings}. */
  settings?: Partial<StripeSettings>
  /** Domain time. Default: the machine's clock. */
  clock?: Clock
  /** Default: one JSON line per entry on standard error. */
  logger?: Logger
  /** Called with every response of the API before it is sent, for a test that checks or records them. */
  onAnswer?: (answer: ApiAnswer) => void
  /** Called after each change of the state. */
  onChange?: () => void
}

/** A stand-in for Stripe. */
export interface StripeSandbox extends LifeControls {
  /** The API under `/v1` and the pages under `/stripe`. */
  app: Hono
  /** Answers a request to the API or the pages. */
  fetch(request: Request): Promise<Response>
  /** Sets the origin of the hosted pages, for URLs made from then on. */
  setOrigin(origin: string): void
  /** Adds a receiver, as if the options had named it. */
  addWebhook(target: WebhookTarget): void

  /** Every webhook delivery, the oldest first. */
  readonly deliveries: Delivery[]
  /** The deliveries of one event. */
  deliveriesOf(eventId: string): Delivery[]
  /** Every event, the oldest first, in the account's API version. */
  readonly events: Shown[]
  /** `events` without those whose ids are `known`, which are not shown in vain. */
  eventsBeside(known: ReadonlySet<string>): Shown[]
  /** Holds webhooks back, so that a redirect can arrive first. */
  pause(): void
  /** Sends the held webhooks, and all later ones at once. */
  resume(): void
  /** Resolves once no delivery runs and no retry is left. Held webhooks are not waited for. */
  settled(): Promise<void>
  /** The signed bytes of an event for each of its receivers, sent or not. @throws `not_found` */
  requestsOf(eventId: string): DeliveryRequest[]
  /** Sends an event again to each of its receivers. @throws `not_found` */
  redeliver(eventId: string): Promise<Delivery[]>
  /**
   * Makes the next API requests fail with `status`. A 500 interrupts a request that
   * had begun, and is kept under its idempotency key. Other statuses occur before a request begins, unless
   * `isKept` is set: `{ status: 400, code: 'balance_insufficient', isKept: true }`.
   */
  failNext(failure: NextFailure): void
  /** Makes a share of the API requests fail from now on; null ends this. @throws `invalid_state` */
  setFaults(faults: Faults | null): void

  /** Changes the account's behaviour from now on; settings that are not named stay. */
  configure(settings: Partial<StripeSettings>): void
  /** The whole state as JSON. */
  snapshot(): StripeSnapshot
  /** Replaces the state by a snapshot; the options' receivers and key stay. */
  restore(snapshot: StripeSnapshot): void
  /** Stops delivering. Pending deliveries stay pending. */
  stop(): Promise<void>
}

/** The shared parts of one stand-in. */
interface Parts {
  store: Store
  queue: DeliveryQueue
  onChange(): void
}

/** Creates a Stripe stand-in. It opens no connection before a request arrives or a webhook is sent. */
export function createStripeSandbox(options: StripeSandboxOptions): StripeSandbox {
  const targets: WebhookTarget[] = [...(options.webhooks ?? [])]
  const logger = createLogger(options.logger ?? consoleLogger)
  const parts = createParts(options, logger)
  const { store, queue, onChange } = parts
  configureEndpoints(store, targets)

  let failure: Failure = { status: 500, times: 0 }
  const takeFailure = (): Failure | null => {
    if (failure.times === 0) return null
    failure.times -= 1
    return failure
  }

  const faults = createFaultSource()

  let hasOrigin = options.origin !== undefined
  const setOrigin = (origin: string): void => {
    store.origin = origin
    hasOrigin = true
  }
  if (options.origin !== undefined) setOrigin(options.origin)

  const app = new Hono()
  app.use(async (c, next) => {
    if (!hasOrigin) setOrigin(new URL(c.req.url).origin)
    await next()
  })
  const { secretKey } = options
  const statusOf = (eventId: string): DeliveryStatus => deliveryStatus(queue, eventId)
  const eventsBeside = (known: ReadonlySet<string>): Shown[] =>
    [...store.tables.events.values()]
      .filter(({ id, type }) => !known.has(id) && isTold(type, store.apiVersion))
      .map((event) => showEvent(event, store.apiVersion, statusOf(event.id).pending))
  app.route(
    '/',
    createApi({
      store,
      secretKey,
      logger,
      statusOf,
      takeFailure,
      takeFault: faults.next,
      latencyMs: options.latencyMs ?? 0,
      busyKeys: new Set(),
      limiter: createRateLimiter(),
      onAnswer: options.onAnswer ?? (() => {}),
      onChange,
    }),
  )
  app.route('/', createStripePages(parts))
  app.onError(showError('Stripe', logger))

  return {
    app,
    fetch: async (request) => app.fetch(request),
    setOrigin,
    addWebhook(target) {
      targets.push(target)
      addTarget(store, target, `we_configured${targets.length - 1}`)
      onChange()
    },
    get deliveries() {
      return queue.list()
    },
    get events() {
      return eventsBeside(new Set())
    },
    eventsBeside,
    ...deliveryControls(parts),
    failNext(next) {
      failure = { times: 1, ...next }
    },
    setFaults: faults.set,
    configure(settings) {
      store.settings = { ...store.settings, ...settings }
    },
    ...lifeControls(parts),
    snapshot: () => ({ ...snapshotStore(store), deliveries: queue.records() }),
    restore(snapshot) {
      restoreStore(store, snapshot)
      configureEndpoints(store, targets)
      queue.restore(snapshot.deliveries)
    },
    stop: queue.stop,
  }
}

/** Creates a store whose events go to the queue of their receivers. */
function createParts(options: StripeSandboxOptions, logger: Logger): Parts {
  const { clock = systemClock, apiVersion = '2024-04-10', onChange = () => {} } = options
  const store: Store = createStore({
    clock,
    apiVersion,
    settings: options.settings ?? {},
    onEvent(event) {
      for (const endpoint of store.tables.endpoints.values()) {
        if (options.delivery === false || !wants(endpoint, event.type, store.apiVersion)) continue
        const { id: endpointId, url } = endpoint
        queue.add({ eventId: event.id, type: event.type, endpointId, url, body: null })
      }
      onChange()
    },
  })
  const queue = createDeliveryQueue({
    ...(options.delivery || {}),
    compose: (record) => composeDelivery(store, record),
    onChange,
    logger,
  })
  return { store, queue, onChange }
}

function deliveryStatus(queue: DeliveryQueue, eventId: string): DeliveryStatus {
  const states = queue.statesOf(eventId)
  return {
    pending: states.filter((state) => state === 'pending').length,
    isDelivered: states.every((state) => state === 'delivered'),
  }
}

function deliveryControls({ store, queue }: Parts) {
  const eventOf = (id: string) => {
    const event = store.tables.events.get(id)
    if (event !== undefined) return event
    throw new SandboxError('not_found', 404, `The event ${id} does not exist.`)
  }
  return {
    deliveriesOf: queue.of,
    pause: queue.pause,
    resume: queue.resume,
    settled: queue.settled,
    requestsOf(eventId: string): DeliveryRequest[] {
      const event = eventOf(eventId)
      return [...store.tables.endpoints.values()]
        .filter((endpoint) => wants(endpoint, event.type, store.apiVersion))
        .map(({ id: endpointId }) => composeDelivery(store, { eventId, endpointId }))
        .filter((request) => request !== null)
    },
    async redeliver(eventId: string): Promise<Delivery[]> {
      return queue.redeliver(eventOf(eventId).id)
    },
  }
}
