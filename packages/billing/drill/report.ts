/**
 * The outcome: for people as a table, for programs as JSON, and on a failure what is needed to look
 * closer.
 *
 * @module
 */

import type { DeliveryKind, DrillStep, Violation } from '../src/testing.ts'
import type { Figures } from './calm.ts'
import type { CustomerSteps } from './provider-process.ts'

export interface Report extends Figures {
  seed: number
  deliveries: Record<DeliveryKind, number>
  /** Requests that the deliveries took. */
  tries: number
  happened: { steps: number; events: number }
  /** Events that were never delivered, and those that a pull stored, before their delivery or without. */
  dropped: number
  pulled: number
  /** Events that were answered 200. */
  answered: number
  visits: number
  mishaps: Record<string, number>
  restarts: number
  handlerDeaths: number
  seconds: { played: number; all: number }
  violations: Violation[]
  concerned: CustomerSteps[]
}

/** The report as a table. */
export function draw(report: Report): string {
  const { deliveries, happened, seconds, violations } = report
  const rows: [string, number, string?][] = [
    ['seed', report.seed],
    ...Object.entries(deliveries).map(([kind, n]): [string, number] => [`deliveries, ${kind}`, n]),
    ['requests for them', report.tries],
    ['events', happened.events, `from ${happened.steps} steps`],
    ['events never delivered', report.dropped],
    ['events stored by a pull', report.pulled],
    ...Object.entries(report.statuses).map(([status, n]): [string, number] => [
      `events ${status}`,
      n,
    ]),
    ['passes over events', report.passes],
    ['syncs', report.syncs, `${report.visits} asked for by visitors`],
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

const SHOWN_VIOLATIONS = 8
const SHOWN_CUSTOMERS = 4
const SHOWN_STEPS = 40

/** Each broken promise with some of what breaks it. */
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
    `--seed ${seed} repeats the history, the deliveries and the order of the mishaps; not their moments.`,
    'A failure that comes again is made small by the property test in src/__tests__/drill.test.ts.',
  ]
}

const show = ({ does, pick }: DrillStep): string => `${does}(${pick})`
