/**
 * The Creem stand-in: its REST API under `/creem/v1`, pages for people, webhooks with Creem's signature and
 * Creem's few retries, and controls for tests.
 *
 * @module
 */

import { createHmac } from 'node:crypto'
import { type Clock, consoleLogger, createLogger, type Logger, systemClock } from '@repo/core'
import { Hono } from 'hono'
import {
  createDeliveryQueue,
  type Delivery,
  type DeliveryOptions,
  type DeliveryRecord,
  type DeliveryRequest,
} from '../deliveries.ts'
import { SandboxError } from '../errors.ts'
import { showError } from '../layout.tsx'
import { createFaultSource, type Faults } from '../stripe/server/faults.ts'
import { createCreemApi, createProduct } from './api.ts'
import { dispute, expireCheckout, failRenewal, payCheckout, refund, renew } from './life.ts'
import {
  type CreemCheckout,
  type CreemEvent,
  type CreemProduct,
  type CreemStore,
  type CreemSubscription,
  type CreemTables,
  type CreemTransaction,
  emptyTables,
} from './objects.ts'
import { createCreemPages } from './pages.tsx'

/** A receiver of webhooks. */
export interface CreemWebhookTarget {
  /** The address that events are sent to. */
  url: string
  /** The key of the signature. */
  secret: string
}

/** The options of `createCreemSandbox`. */
export interface CreemSandboxOptions {
  /** The only key that the API accepts. Default `creem_test_sandbox`. */
  apiKey?: string
  /** The receivers of webhooks. Default none. */
  webhooks?: readonly CreemWebhookTarget[]
  /** The origin of the pages, without `/creem`. Default `http://127.0.0.1`. */
  origin?: string
  /** The retries of webhooks. Default as at Creem: after 30 seconds, 1 and 5 minutes and 1 hour. */
  delivery?: DeliveryOptions
  /** Domain time. Default: the machine's clock. */
  clock?: Clock
  /** Default: one JSON line per entry on standard error. */
  logger?: Logger
  /** Called after each change of the state. */
  onChange?: () => void
}

/** The whole state of the stand-in as JSON. */
export interface CreemSnapshot {
  version: 1
  /** The objects of each kind. */
  tables: CreemTables
  /** Every delivery, the oldest first. */
  deliveries: DeliveryRecord[]
}

/** The buyer's input beside the card. */
export interface CreemBuyer {
  /** Default: the address that the checkout was made with. */
  email?: string
}

/** An error that the next API requests answer instead of their result. */
export interface CreemFailure {
  /** 429, or 500 and above. */
  status: number
  /** How many requests fail. Default 1. */
  times?: number
}

/** A stand-in for Creem. */
export interface CreemSandbox {
  /** The API under `/creem/v1` and the pages under `/creem`. */
  app: Hono
  /** Answers a request to the API or the pages. */
  fetch(request: Request): Promise<Response>
  /** Sets the origin of the pages. */
  setOrigin(origin: string): void
  /** Adds a receiver, as if the options had named it. */
  addWebhook(target: CreemWebhookTarget): void

  /** Creates a product, as in the dashboard. The price is in minor units; `interval` makes it a subscription. */
  createProduct(product: {
    /** The name on the checkout page. */
    name: string
    /** Minor units. */
    price: number
    /** The currency of the price. */
    currency: 'EUR' | 'USD'
    /** How often it renews. Default: it is bought once. */
    interval?: 'month' | 'year'
  }): CreemProduct
  /** Pays a checkout. @throws `invalid_state` if the checkout is not open */
  completeCheckout(id: string, buyer?: CreemBuyer): CreemCheckout
  /** Expires an open checkout; Creem sends no event for it. */
  expireCheckout(id: string): CreemCheckout
  /** Ends the current period: the next period is charged, or a scheduled end takes effect. */
  renew(subscriptionId: string): CreemSubscription
  /** Ends the period with a declined card. @throws `invalid_state` for a subscription that will not renew */
  failRenewal(subscriptionId: string): CreemSubscription
  /** Refunds, as in the dashboard, which can refund a part. Default: the whole remaining amount. */
  refund(transactionId: string, amount?: number): CreemTransaction
  /** Plays a chargeback. @throws `invalid_state` for a payment that was charged back before */
  dispute(transactionId: string): CreemTransaction

  /** Every event, the oldest first. */
  readonly events: CreemEvent[]
  /** Every delivery, the oldest first. */
  readonly deliveries: Delivery[]
  /** The signed bytes of an event for each receiver, sent or not. @throws `not_found` */
  requestsOf(eventId: string): DeliveryRequest[]
  /** Sends an event again to each of its receivers. */
  redeliver(eventId: string): Promise<Delivery[]>
  /** Holds webhooks back. */
  pause(): void
  /** Sends the held webhooks, and all later ones at once. */
  resume(): void
  /** Resolves once no delivery runs and no retry is left. Held webhooks are not waited for. */
  settled(): Promise<void>
  /** Makes the next API requests fail with `status` (429, or 500 and above). */
  failNext(failure: CreemFailure): void
  /** Makes a share of the API requests fail from now on; null ends this. @throws `invalid_state` */
  setFaults(faults: Faults | null): void

  /** The whole state as JSON. */
  snapshot(): CreemSnapshot
  /** Replaces the state by a snapshot; the options' receivers and key stay. */
  restore(snapshot: CreemSnapshot): void
  /** Stops delivering. Pending deliveries stay pending. */
  stop(): Promise<void>
}

/** @see https://docs.creem.io/code/webhooks */
const RETRY_DELAYS_MS = [30, 60, 300, 3600].map((seconds) => seconds * 1000)

const signed = ({ url, secret }: CreemWebhookTarget, body: string): DeliveryRequest => ({
  url,
  body,
  headers: {
    'content-type': 'application/json',
    'creem-signature': createHmac('sha256', secret).update(body).digest('hex'),
  },
})

/** Creates a Creem stand-in. It opens no connection before a request arrives or a webhook is sent. */
export function createCreemSandbox(options: CreemSandboxOptions = {}): CreemSandbox {
  const { clock = systemClock, apiKey = 'creem_test_sandbox' } = options
  const logger = createLogger(options.logger ?? consoleLogger)
  const onChange = options.onChange ?? (() => {})
  const targets = [...(options.webhooks ?? [])]
  const faults = createFaultSource()
  const failure = { status: 500, times: 0 }

  const store: CreemStore = {
    clock,
    origin: options.origin ?? 'http://127.0.0.1',
    tables: emptyTables(),
    onEvent(event) {
      const body = JSON.stringify(event)
      for (const [index, { url }] of targets.entries()) {
        const endpointId = String(index)
        queue.add({ eventId: event.id, type: event.eventType, endpointId, url, body })
      }
    },
  }
  const queue = createDeliveryQueue({
    retryDelaysMs: RETRY_DELAYS_MS,
    ...options.delivery,
    compose(record) {
      const target = targets[Number(record.endpointId)]
      return target === undefined || record.body === null ? null : signed(target, record.body)
    },
    onChange,
    logger,
  })

  const app = new Hono()
  const api = createCreemApi({
    store,
    apiKey,
    logger,
    takeFailure() {
      if (failure.times === 0) return null
      failure.times -= 1
      return failure.status
    },
    takeFault: faults.next,
    onChange,
  })
  app.route('/', api)
  const pages = createCreemPages({ store, apiKey, queue, onChange })
  pages.onError(showError('Creem', logger))
  app.route('/', pages)

  const act = <T>(run: () => T): T => {
    try {
      return structuredClone(run())
    } finally {
      onChange()
    }
  }
  return {
    app,
    fetch: async (request) => app.fetch(request),
    setOrigin(next) {
      store.origin = next
    },
    addWebhook: (target) => void targets.push(target),
    createProduct: ({ interval, ...product }) =>
      act(() =>
        createProduct(store, {
          ...product,
          description: product.name,
          billing_type: interval ? 'recurring' : 'onetime',
          ...(interval ? { billing_period: `every-${interval}` } : {}),
        }),
      ),
    completeCheckout: (id, { email } = {}) => act(() => payCheckout(store, id, email)),
    expireCheckout: (id) => act(() => expireCheckout(store, id)),
    renew: (id) => act(() => renew(store, id)),
    failRenewal: (id) => act(() => failRenewal(store, id)),
    refund: (id, amount) => act(() => refund(store, id, amount)),
    dispute: (id) => act(() => dispute(store, id)),
    get events() {
      return structuredClone(store.tables.events)
    },
    get deliveries() {
      return queue.list()
    },
    requestsOf(eventId) {
      const event = store.tables.events.find(({ id }) => id === eventId)
      if (!event) throw new SandboxError('not_found', 404, `The event ${eventId} does not exist.`)
      return targets.map((target) => signed(target, JSON.stringify(event)))
    },
    redeliver: queue.redeliver,
    pause: queue.pause,
    resume: queue.resume,
    settled: queue.settled,
    failNext({ status, times = 1 }) {
      Object.assign(failure, { status, times })
    },
    setFaults: faults.set,
    snapshot: () => ({
      version: 1,
      tables: structuredClone(store.tables),
      deliveries: queue.records(),
    }),
    restore(snapshot) {
      store.tables = structuredClone(snapshot.tables)
      queue.restore(snapshot.deliveries)
    },
    stop: queue.stop,
  }
}
