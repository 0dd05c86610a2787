/**
 * Metrics and spans through OpenTelemetry's API, which does nothing until the host installs an SDK. Attributes are
 * types, outcomes and codes, and never ids of people, addresses or amounts.
 *
 * @module
 */

import { metrics, type Span, SpanStatusCode, trace } from '@opentelemetry/api'
import { isTollgateError } from '@repo/core'

const NAME = '@repo/billing'
const meter = () => metrics.getMeter(NAME)

// Looked up at each use, because a host may install its SDK after this module was loaded.
const counter = (name: string, description: string) => meter().createCounter(name, { description })

/** Counts a webhook event that was received or processed, or `by` of them. */
export function countEvent(provider: string, type: string, outcome: string, by = 1): void {
  counter('tollgate.webhook.events', 'Webhook events by type and outcome').add(by, {
    provider,
    type,
    outcome,
  })
}

/** Records the time from an event's arrival to the commit of its work, waits included. Aim: under 5 s. */
export function recordProcessing(provider: string, outcome: string, seconds: number): void {
  const description = 'Time from the arrival of an event to the commit of its work'
  meter()
    .createHistogram('tollgate.webhook.processing.duration', { description, unit: 's' })
    .record(seconds, { provider, outcome })
}

/** Records how long the oldest due event has waited, and how many events wait. */
export function recordBacklog(ageSeconds: number, size: number): void {
  const description = 'Wait of the oldest due event'
  meter().createGauge('tollgate.webhook.backlog.age', { description, unit: 's' }).record(ageSeconds)
  meter()
    .createGauge('tollgate.webhook.backlog.size', { description: 'Events that wait' })
    .record(size)
}

/** Records the share of credit accounts that drifted, as found by the latest reconciliation. */
export function recordDrift(rate: number): void {
  const description = 'Share of credit accounts whose balance is not the sum of its transactions'
  meter().createGauge('tollgate.credits.drift', { description }).record(rate)
}

/** Counts payments by outcome, refunds and chargebacks, each fact once. Rates are quotients of these counts. */
export function countEffects(effects: readonly { name: string }[]): void {
  for (const { name } of effects) {
    if (name === 'invoice.paid' || name === 'payment.succeeded') countPayment('succeeded')
    else if (name === 'invoice.payment_failed' || name === 'payment.failed') {
      countPayment('failed')
    } else if (name === 'refund.succeeded') {
      counter('tollgate.refunds', 'Refunds that succeeded').add(1)
    } else if (name === 'dispute.created') {
      counter('tollgate.disputes', 'Chargebacks opened').add(1)
    }
  }
}

const countPayment = (outcome: 'succeeded' | 'failed') =>
  counter('tollgate.payments', 'Payments by outcome').add(1, { outcome })

/** Runs `work` in a span. For an error the span has only the code, because messages may name people. */
export function inSpan<T>(
  name: string,
  attributes: Record<string, string | number>,
  work: (span: Span) => Promise<T>,
): Promise<T> {
  return trace.getTracer(NAME).startActiveSpan(name, { attributes }, async (span) => {
    try {
      return await work(span)
    } catch (error) {
      const message = isTollgateError(error) ? error.code : 'internal_error'
      span.setStatus({ code: SpanStatusCode.ERROR, message })
      throw error
    } finally {
      span.end()
    }
  })
}

/** Counts a change of an order. `outcome`: `completed`, `cancelled`, or the reason why a person has to look at it. */
export function countOrder(provider: string, outcome: string): void {
  counter('tollgate.orders', 'Orders by outcome').add(1, { provider, outcome })
}
