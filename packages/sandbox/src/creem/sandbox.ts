/**
 * The Creem stand-in: its REST API under `/creem/v1`, pages a person can use, webhooks with Creem's
 * signature and Creem's few retries, and handles for tests.
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
import { createFaultSource, type Faults } from '../stripe/faults.ts'
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

/** Who is sent webhooks. */
export interface CreemWebhookTarget {
  url: string
  /** The key of the signature. */
  secret: string
}

export interface CreemSandboxOptions {
  /** The only key the API takes. Default `creem_test_sandbox`. */
  apiKey?: string
  /** Default none. */
  webhooks?: readonly CreemWebhookTarget[]
  /** Where the pages are, without `/creem`. Default `http://127.0.0.1`. */
  origin?: string
  /** How webhooks are tried. Default as Creem: again after 30 seconds, 1 and 5 minutes and 1 hour. */
  delivery?: DeliveryOptions
  /** Domain time; the machine's unless given. */
  clock?: Clock
  /** Default one JSON line an entry on standard error. */
  logger?: Logger
  /** Told whenever the state has changed. */
  onChange?: () => void
}

/** The stand-in's whole state as JSON. */
export interface CreemSnapshot {
  version: 1
  tables: CreemTables
  deliveries: DeliveryRecord[]
}

export interface CreemSandbox {
  /** The API under `/creem/v1` and the pages under `/creem`. */
  app: Hono
  fetch(request: Request): Promise<Response>
  setOrigin(origin: string): void
  /** One more receiver, as if the options had named it. */
  addWebhook(target: CreemWebhookTarget): void

  /** A product as its dashboard makes one. Minor units; `interval` makes it a subscription. */
  createProduct(product: {
    name: string
    price: number
    currency: 'EUR' | 'USD'
    interval?: 'month' | 'year'
  }): CreemProduct
  /** Pays a checkout. @throws `invalid_state` for one that is not open */
  completeCheckout(id: string, buyer?: { email?: string }): CreemCheckout
  /** Lets an open checkout run out; Creem sends no event of it. */
  expireCheckout(id: string): CreemCheckout
  /** Ends the present period: the next is charged, or a scheduled end takes effect. */
  renew(subscriptionId: string): CreemSubscription
  /** The period ends and the card is declined. @throws `invalid_state` for one that will not renew */
  failRenewal(subscriptionId: string): CreemSubscription
  /** Refunds as from the dashboard, which can refund a part. Default: all that is left. */
  refund(transactionId: string, amount?: number): CreemTransaction
  /** A bank takes a payment back. @throws `invalid_state` for one it has taken before */
  dispute(transactionId: string): CreemTransaction

  /** Every event, oldest first. */
  readonly events: CreemEvent[]
  /** Every delivery, oldest first. */
  readonly deliveries: Delivery[]
  /** The signed bytes of an event for each receiver, whether sent or not. @throws `not_found` */
  requestsOf(eventId: string): DeliveryRequest[]
  /** Sends an event once more to everyone who was sent it. */
  redeliver(eventId: string): Promise<Delivery[]>
  /** Holds webhooks back. */
  pause(): void
  /** Sends what was held back, and what comes. */
  resume(): void
  /** Resolves once nothing is under way and no try is left to make; what is held is not waited for. */
  settled(): Promise<void>
  /** Makes the next API requests fail with `status` (429, or 500 and above); `times` is 1 unless given. */
  failNext(failure: { status: number; times?: number }): void
  /** Makes a share of the API requests fail from now on; null ends it. @throws `invalid_state` */
  setFaults(faults: Faults | null): void

  /** The whole state as JSON. */
  snapshot(): CreemSnapshot
  /** Puts a snapshot in the place of the state; the options' receivers and key stay. */
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

/** A Creem stand-in. It opens nothing until a request comes or a webhook has to go out. */
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
      if (!event) throw new SandboxError('not_found', 404, `There is no event ${eventId}.`)
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
