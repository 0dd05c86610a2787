/**
 * Pages of a list. Promise: the pages of a list have each of its rows once, also where several rows have the same
 * time, and a page costs the same however far down the list it is.
 *
 * @module
 */

import { ArgumentError } from '@repo/core'

/** Which page of a list is returned. */
export interface PageOptions {
  /** The most rows to return, from 1 to 10,000. Default 100. */
  limit?: number
  /** The id of the last row of the previous page. Default: the first page. */
  after?: string
}

/** The rows of a page where the caller names no limit. */
export const PAGE = 100

/** The columns by which a list is sorted. The first is never null, and the last is unique. */
export type Sorting<Row> = readonly (readonly [keyof Row & string, 'asc' | 'desc'])[]

/** The row with which the previous page ended. Null: there is no previous page. `what` names a row of the list. */
export async function endOf<Row>(
  after: string | undefined,
  what: string,
  find: (id: string) => Promise<Row | null>,
): Promise<Row | null> {
  if (after === undefined) return null
  const row = await find(after)
  if (row) return row
  throw new ArgumentError(
    `after is not the id of ${what}. Give the id of the last row of the previous page.`,
  )
}

/** The filter and the sorting of Prisma for the rows that follow `last`. */
export function following<Row extends object>(
  sorting: Sorting<Row>,
  last: Row | null,
): { where: object; orderBy: object[] } {
  const orderBy = sorting.map(([column, direction]) => ({ [column]: direction }))
  const [first] = sorting
  if (!last || !first) return { where: {}, orderBy }
  const [column, direction] = first
  const OR = sorting.map((_, at) =>
    Object.assign(
      {},
      ...sorting.slice(0, at + 1).map(([name, way], index) => ({
        [name]: index === at ? beyond(last[name], way) : last[name],
      })),
    ),
  )
  // An index is read from this bound on. PostgreSQL cannot take a bound from OR.
  const bound = { [column]: { [direction === 'asc' ? 'gte' : 'lte']: last[column] } }
  return { where: { AND: [bound, { OR }] }, orderBy }
}

/** PostgreSQL sorts null as the largest value. */
function beyond(value: unknown, direction: 'asc' | 'desc'): object {
  if (value === null) return direction === 'asc' ? { in: [] } : { not: null }
  return { [direction === 'asc' ? 'gt' : 'lt']: value }
}
