/** Metrics and spans through a host's own OpenTelemetry SDK, without a person in them. */

import { metrics, trace } from '@opentelemetry/api'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createHarness, type Harness } from './harness.ts'

const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })
const spans = new InMemorySpanExporter()

let h: Harness
beforeAll(async () => {
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }))
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }),
  )
  h = await createHarness(inject('postgres'))
})
afterAll(async () => {
  await h.close()
  metrics.disable()
  trace.disable()
})

/** The points of a metric as `attributes → value`. */
async function points(name: string) {
  await reader.forceFlush()
  const [newest] = exporter.getMetrics().slice(-1)
  const all = newest?.scopeMetrics.flatMap((scope) => scope.metrics) ?? []
  return all.find((metric) => metric.descriptor.name === name)?.dataPoints ?? []
}

async function total(name: string, attributes: Record<string, string>) {
  const found = (await points(name)).filter((point) =>
    Object.entries(attributes).every(([key, value]) => point.attributes[key] === value),
  )
  return found.reduce((sum, { value }) => sum + (value as number), 0)
}

test('events by outcome, payments, refunds, time and backlog are counted', async () => {
  const { ownerId, subscriptionId } = await h.subscriber()
  h.sandbox.stripe.failPayment(subscriptionId)
  const [invoice] = (await h.billing.listInvoices(ownerId)).slice(-1)
  await h.stripe.refunds.create({ payment_intent: invoice?.stripePaymentIntentId as string })
  await h.deliverAll()
  await h.deliver((await h.events('invoice.paid'))[0])
  await h.billing.handleStripeWebhook(new Request('http://x/', { method: 'POST', body: '{}' }))
  await h.billing.watchEvents()

  const events = 'tollgate.webhook.events'
  expect(await total(events, { type: 'invoice.paid', outcome: 'stored' })).toBe(1)
  expect(await total(events, { type: 'invoice.paid', outcome: 'processed' })).toBe(1)
  expect(await total(events, { type: 'invoice.paid', outcome: 'duplicate' })).toBe(1)
  expect(await total(events, { provider: 'stripe', outcome: 'refused' })).toBe(1)
  expect(await total('tollgate.payments', { outcome: 'succeeded' })).toBe(1)
  expect(await total('tollgate.payments', { outcome: 'failed' })).toBe(1)
  expect(await total('tollgate.refunds', {})).toBe(1)
  expect(await points('tollgate.webhook.processing.duration')).not.toEqual([])
  expect(await points('tollgate.webhook.backlog.age')).not.toEqual([])

  await h.deliver({ ...(await h.events('invoice.paid'))[0], id: 'evt_failing' })
  h.sandbox.stripe.failNext({ status: 500, times: 3 })
  await h.work()
  const [failed] = spans.getFinishedSpans().filter(({ status }) => status.message)
  expect(failed).toMatchObject({
    name: 'process webhook events',
    status: { message: 'provider_unavailable' },
  })
  h.sandbox.stripe.failNext({ status: 500, times: 0 })
})

test('promise 7: no id, address or amount is in an attribute', async () => {
  const { ownerId } = await h.subscriber()
  await h.deliverAll()
  const customer = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
  await reader.forceFlush()
  const said = JSON.stringify([
    exporter
      .getMetrics()
      .at(-1)
      ?.scopeMetrics.map((scope) => scope.metrics),
    spans.getFinishedSpans().map(({ name, attributes, status }) => ({ name, attributes, status })),
  ])
  expect(said.length).toBeGreaterThan(1000)
  for (const secret of [ownerId, customer.stripeCustomerId, customer.id, '@example.com']) {
    expect(said).not.toContain(secret as string)
  }
})
