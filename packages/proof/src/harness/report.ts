/**
 * A report of measured figures and their targets: a table for people, JSON for programs.
 *
 * @module
 */

/** One measured figure. */
export interface Row {
  name: string
  value: number
  unit: string
}

/** One target and whether its figure met it. */
export interface Target {
  name: string
  /** The target as text, such as `>= 150/s`. */
  target: string
  value: number
  met: boolean
}

export interface Report {
  rows: Row[]
  targets: Target[]
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const upper = sorted[Math.floor(middle)] ?? Number.NaN
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? upper) + upper) / 2 : upper
}

/** A figure of the report, rounded to three digits. */
export const row = (name: string, value: number, unit: string): Row => ({
  name,
  value: rounded(value),
  unit,
})

/** A target that is met by `least` and more. */
export const atLeast = (name: string, least: number, value: number, unit = ''): Target => ({
  name,
  target: `>= ${least}${unit}`,
  value: rounded(value),
  met: value >= least,
})

/** A target that is met below `limit`. */
export const below = (name: string, limit: number, value: number, unit = ''): Target => ({
  name,
  target: `< ${limit}${unit}`,
  value: rounded(value),
  met: value < limit,
})

/** A target that is met by `limit` and less. */
export const atMost = (name: string, limit: number, value: number, unit = ''): Target => ({
  name,
  target: `<= ${limit}${unit}`,
  value: rounded(value),
  met: value <= limit,
})

/** Rounds to three digits: a run on a shared machine is no more precise. */
const rounded = (value: number): number => Number(value.toPrecision(3))

/** The report as a table. */
export function draw({ rows, targets }: Report): string {
  const width = Math.max(...[...rows, ...targets].map(({ name }) => name.length))
  const lines = rows.map(({ name, value, unit }) => `${line(name, value, width)} ${unit}`)
  const aims = targets.map(
    ({ name, target, value, met }) =>
      `${line(name, value, width)}  ${target.padEnd(10)} ${met ? 'met' : 'not met'}`,
  )
  return `${[...lines, '', ...aims].join('\n')}\n`
}

const line = (name: string, value: number, width: number): string =>
  `${name.padEnd(width)} ${value.toLocaleString('en').padStart(10)}`
