/**
 * Metrics and spans through OpenTelemetry's API, which does nothing until the host installs an SDK.
 * Attributes are types, outcomes and codes: never an id of a person, an address or an amount.
 *
 * @module
 */

import { metrics, type Span, SpanStatusCode, trace } from '@opentelemetry/api'
import { isTollgateError } from '@repo/core'

const NAME = '@repo/billing'
const meter = () => metrics.getMeter(NAME)

// Asked for at each use: a host may install its SDK after this module was loaded.
const counter = (name: string, description: string) => meter().createCounter(name, { description })

/** One event received or processed. */
export function countEvent(provider: string, type: string, outcome: string, by = 1): void {
  counter('tollgate.webhook.events', 'Webhook events by type and outcome').add(by, {
    provider,
    type,
    outcome,
  })
}

/** How long it took from an event's arrival to the commit of what it asked for, waits included. Aim: under 5 s. */
export function recordProcessing(provider: string, outcome: string, seconds: number): void {
  const description = 'Time from the arrival of an event to the commit of what it asked for'
  meter()
    .createHistogram('tollgate.webhook.processing.duration', { description, unit: 's' })
    .record(seconds, { provider, outcome })
}

/** How long the oldest event that is due has waited, and how many wait. */
export function recordBacklog(ageSeconds: number, size: number): void {
  const description = 'Age of the oldest event that is due'
  meter().createGauge('tollgate.webhook.backlog.age', { description, unit: 's' }).record(ageSeconds)
  meter()
    .createGauge('tollgate.webhook.backlog.size', { description: 'Events that wait' })
    .record(size)
}

/** The share of credit accounts that drifted, by the latest reconciliation. */
export function recordDrift(rate: number): void {
  const description = 'Share of credit accounts whose balance is not the sum of its transactions'
  meter().createGauge('tollgate.credits.drift', { description }).record(rate)
}

/** Payments by outcome and refunds, counted once per fact: their quotients are the rates. */
export function countEffects(effects: readonly { name: string }[]): void {
  for (const { name } of effects) {
    if (name === 'invoice.paid' || name === 'payment.succeeded') countPayment('succeeded')
    else if (name === 'invoice.payment_failed' || name === 'payment.failed') {
      countPayment('failed')
    } else if (name === 'refund.succeeded') {
      counter('tollgate.refunds', 'Refunds that succeeded').add(1)
    } else if (name === 'dispute.created') {
      counter('tollgate.disputes', 'Chargebacks begun').add(1)
    }
  }
}

const countPayment = (outcome: 'succeeded' | 'failed') =>
  counter('tollgate.payments', 'Payments by outcome').add(1, { outcome })

/** Runs `work` in a span. An error is marked by its code alone: messages may name people. */
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

/** One change of an order: `completed`, `cancelled`, or why somebody has to look at it. */
export function countOrder(provider: string, outcome: string): void {
  counter('tollgate.orders', 'Orders by outcome').add(1, { provider, outcome })
}
