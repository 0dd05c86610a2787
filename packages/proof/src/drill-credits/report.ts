/**
 * The report of a drill of credits, which is printed as a table or as JSON.
 *
 * @module
 */

import type { Violation } from '../drill/index.ts'
import { explainViolations } from '../drill-webhooks/report.ts'
import type { Checked } from './checks.ts'

/** The result of a drill of credits. */
export interface Report extends Omit<Checked, 'violations'> {
  seed: number
  calls: number
  /** Number of tries that ended in an error and were repeated. */
  retries: number
  mishaps: Record<string, number>
  /** Number of processes that replaced another. */
  restarts: number
  seconds: { called: number; all: number }
  /** Calls a second. */
  perSecond: number
  violations: Violation[]
}

/** Draws the report as a table. */
export function draw(report: Report): string {
  const { answers, seconds, violations } = report
  const counted = (counts: Record<string, number>, what: string): [string, number][] =>
    Object.entries(counts)
      .sort(([, a], [, b]) => b - a)
      .map(([name, count]) => [`${name}, ${what}`, count])
  const rows: [string, number][] = [
    ['seed', report.seed],
    ['calls', report.calls],
    ...counted(answers.carriedOut, 'carried out'),
    ...counted(answers.refused, 'refused'),
    ['tries that failed', report.retries],
    ['accounts', report.accounts],
    ['transactions', report.transactions],
    ...Object.entries(report.mishaps),
    ['processes started again', report.restarts],
    ['calls a second', Math.round(report.perSecond)],
    ['seconds of calls', Math.round(seconds.called)],
    ['seconds', Math.round(seconds.all)],
    ['violations', violations.length],
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  const lines = rows.map(([name, value]) => {
    const number = name === 'seed' ? String(value) : value.toLocaleString('en')
    return `${name.padEnd(width)} ${number.padStart(9)}`
  })
  const repeat =
    violations.length > 0
      ? ['', `--seed ${report.seed} repeats the calls, but not their timing.`]
      : []
  return `${[...lines, ...explainViolations(violations), ...repeat].join('\n')}\n`
}
