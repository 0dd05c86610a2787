/**
 * The Stripe stand-in: an API that the official SDK drives, hosted pages a person can use, signed
 * webhooks, and handles for tests to do what a buyer, a bank or the passing of time would.
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
import type { Failure } from './admission.ts'
import { type LifeControls, lifeControls } from './controls.ts'
import {
  addTarget,
  composeDelivery,
  configureEndpoints,
  type DeliveryStatus,
  isTold,
  type WebhookTarget,
  wants,
} from './events.ts'
import { createFaultSource, type Faults } from './faults.ts'
import { createStripePages } from './pages.tsx'
import { createRateLimiter } from './rate-limits.ts'
import { createApi } from './server.ts'
import type { StripeSettings } from './settings.ts'
import { type Shown, showEvent } from './shapes.ts'
import {
  createStore,
  restoreStore,
  type Store,
  type StripeSnapshot,
  snapshotStore,
} from './store.ts'

export interface StripeSandboxOptions {
  /** The only key the API takes, such as `sk_test_…`. */
  secretKey: string
  /** Who is sent events. Default none. */
  webhooks?: readonly WebhookTarget[]
  /** The account's API version: what requests and receivers without their own get. Default 2024-04-10. */
  apiVersion?: string
  /** Where the hosted pages are. Default the address of the first request. */
  origin?: string
  /**
   * How webhooks are tried. False sends and records none, for a drill that delivers by itself with
   * `requestsOf`; events are still listed, each as delivered.
   */
  delivery?: DeliveryOptions | false
  /**
   * How long each API request takes, in milliseconds. Default 0. While one runs, another under the
   * same idempotency key is refused: 409 `idempotency_key_in_use`.
   */
  latencyMs?: number
  /** How the account behaves where Stripe's accounts differ; see {@link StripeSettings}. */
  settings?: Partial<StripeSettings>
  /** Domain time; the machine's unless given. */
  clock?: Clock
  /** Default one JSON line an entry on standard error. */
  logger?: Logger
  /** Told of every answer of the API before it leaves, for a test that checks or records them. */
  onAnswer?: (answer: { body: string; status: number; version: string }) => void
  /** Told whenever the state has changed. */
  onChange?: () => void
}

export interface StripeSandbox extends LifeControls {
  /** The API under `/v1` and the pages under `/stripe`. */
  app: Hono
  fetch(request: Request): Promise<Response>
  /** Sets where the hosted pages are; URLs made from then on begin so. */
  setOrigin(origin: string): void
  /** One more receiver, as if the options had named it. */
  addWebhook(target: WebhookTarget): void

  /** Every webhook delivery, oldest first. */
  readonly deliveries: Delivery[]
  /** The deliveries of one event. */
  deliveriesOf(eventId: string): Delivery[]
  /** Every event, oldest first, in the account's API version. */
  readonly events: Shown[]
  /** Holds webhooks back, so that a redirect can be first. */
  pause(): void
  /** Sends what was held back, and what comes. */
  resume(): void
  /** Resolves once nothing is under way and no try is left to make; what is held is not waited for. */
  settled(): Promise<void>
  /** The signed bytes of an event for each of its receivers, whether sent or not. @throws `not_found` */
  requestsOf(eventId: string): DeliveryRequest[]
  /** Sends an event once more to everyone who was sent it. @throws `not_found` */
  redeliver(eventId: string): Promise<Delivery[]>
  /**
   * Makes the next API requests fail with `status`; `times` is 1 unless given. A 500 breaks a request
   * off that had begun and is kept under its idempotency key; others come before the begin, unless
   * `isKept` says so: `{ status: 400, code: 'balance_insufficient', isKept: true }`.
   */
  failNext(failure: Omit<Failure, 'times'> & { times?: number }): void
  /** Makes a share of the API requests fail from now on; null ends it. @throws `invalid_state` */
  setFaults(faults: Faults | null): void

  /** Changes how the account behaves from now on; what is not named stays. */
  configure(settings: Partial<StripeSettings>): void
  /** The whole state as JSON. */
  snapshot(): StripeSnapshot
  /** Puts a snapshot in the place of the state; the options' receivers and key stay. */
  restore(snapshot: StripeSnapshot): void
  /** Stops delivering. Pending deliveries stay pending. */
  stop(): Promise<void>
}

/** What the parts of one stand-in share. */
interface Parts {
  store: Store
  queue: DeliveryQueue
  onChange(): void
}

/** A Stripe stand-in. It opens nothing until a request comes or a webhook has to go out. */
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
      return [...store.tables.events.values()]
        .filter(({ type }) => isTold(type, store.apiVersion))
        .map((event) => showEvent(event, store.apiVersion, statusOf(event.id).pending))
    },
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

/** A store whose events go to the queue of their receivers. */
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
    throw new SandboxError('not_found', 404, `There is no event ${id}.`)
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
