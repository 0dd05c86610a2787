/**
 * The report of a drill of webhooks, which is printed as a table or as JSON. With violations it shows what is
 * needed to investigate them.
 *
 * @module
 */

import type { DeliveryKind, DrillStep, Violation } from '../drill/index.ts'
import type { Figures } from './calm.ts'
import type { CustomerSteps } from './provider-process.ts'

/** The result of a drill of webhooks. */
export interface Report extends Figures {
  seed: number
  deliveries: Record<DeliveryKind, number>
  /** Number of requests for the deliveries. */
  tries: number
  happened: { steps: number; events: number }
  /** Number of events that are never delivered. */
  dropped: number
  /** Number of events that a pull stored, before their delivery or without one. */
  pulled: number
  /** Number of events that were answered with 200. */
  answered: number
  visits: number
  mishaps: Record<string, number>
  restarts: number
  handlerDeaths: number
  seconds: { played: number; all: number }
  violations: Violation[]
  concerned: CustomerSteps[]
}

/** Draws the report as a table. */
export function draw(report: Report): string {
  const { deliveries, happened, seconds, violations } = report
  const rows: [string, number, string?][] = [
    ['seed', report.seed],
    ...Object.entries(deliveries).map(([kind, n]): [string, number] => [`deliveries, ${kind}`, n]),
    ['requests for deliveries', report.tries],
    ['events', happened.events, `from ${happened.steps} steps`],
    ['events never delivered', report.dropped],
    ['events stored by a pull', report.pulled],
    ...Object.entries(report.statuses).map(([status, n]): [string, number] => [
      `events ${status}`,
      n,
    ]),
    ['passes over events', report.passes],
    ['syncs', report.syncs, `${report.visits} visits asked for one`],
    ['effects', report.effects],
    ...Object.entries(report.mishaps),
    ['processes ended by a handler', report.handlerDeaths],
    ['processes started again', report.restarts],
    ['seconds under mishaps', Math.round(seconds.played)],
    ['seconds', Math.round(seconds.all)],
    ['violations', violations.length],
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  const lines = rows.map(([name, value, note]) => {
    const number = name === 'seed' ? String(value) : value.toLocaleString('en')
    return `${name.padEnd(width)} ${number.padStart(9)}${note ? `  ${note}` : ''}`
  })
  return `${[...lines, ...explain(report)].join('\n')}\n`
}

/** How much the report shows: violations of a promise, customers, and steps of a customer. */
const SHOWN_VIOLATIONS = 8
const SHOWN_CUSTOMERS = 4
const SHOWN_STEPS = 40

/** Lists each broken promise with some of its violations. */
export function explainViolations(violations: readonly Violation[]): string[] {
  const groups = new Map<string, Violation[]>()
  for (const violation of violations) {
    const { invariant } = violation
    groups.set(invariant, [...(groups.get(invariant) ?? []), violation])
  }
  return [...groups].flatMap(([invariant, group]) => [
    '',
    `${invariant}: ${group.length}`,
    ...group.slice(0, SHOWN_VIOLATIONS).map(({ id, message }) => `  ${id} ${message}`),
    ...(group.length > SHOWN_VIOLATIONS ? ['  …'] : []),
  ])
}

function explain({ seed, violations, concerned }: Report): string[] {
  if (violations.length === 0) return []
  return [
    ...explainViolations(violations),
    ...concerned
      .slice(0, SHOWN_CUSTOMERS)
      .flatMap(({ stripeCustomerId, ids, steps }) => [
        '',
        `${stripeCustomerId} (${ids.join(', ')}), ${steps.length} steps, the last of them:`,
        `  ${steps.slice(-SHOWN_STEPS).map(show).join(' ')}`,
      ]),
    '',
    `--seed ${seed} repeats the history, the deliveries and the order of the mishaps, but not their timing.`,
    'The property test in src/__tests__/drill.test.ts can shrink a failure that repeats.',
  ]
}

const show = ({ does, pick }: DrillStep): string => `${does}(${pick})`
