/**
 * The definition of an API endpoint, and the cursor lists that endpoints share.
 *
 * @see https://docs.stripe.com/api/pagination
 * @module
 */

import { invalid, noSuch } from './errors.ts'
import type { Params } from './forms.ts'
import { countBefore, type Row, type TableIndex } from './indexes.ts'
import type { Store, TableName, Tables } from './store.ts'

/** One request to an endpoint. */
export interface Call {
  store: Store
  params: Params
  /** The id in the path; empty if the path has none. */
  id: string
  /** The API version of the response. */
  version: string
}

/** An endpoint. Its `run` does not await, so requests never interleave. */
export interface Endpoint {
  method: 'GET' | 'POST' | 'DELETE'
  /** A path in Hono's syntax; the only variable is `:id`. */
  path: string
  /** The supported parameters, beside `expand`. */
  params?: readonly string[]
  /** Stripe's parameters that are accepted and have no effect here. */
  ignored?: readonly string[]
  /** Stripe's parameters that are not supported and refused by name. */
  refused?: readonly string[]
  /** Set if `run` returns the final JSON, and not records to convert for the version. */
  isShown?: true
  run(call: Call): object
}

/** A page of a list. */
export interface List {
  object: 'list'
  data: object[]
  has_more: boolean
  url: string
}

/** The parameters of every list. */
export const LIST_PARAMS = ['limit', 'starting_after', 'ending_before', 'created'] as const

/** References by which a list can be filtered; null and undefined filter nothing. */
export type Narrowed<Name extends TableName> = {
  [Key in keyof Tables[Name] & string]?: string | null | undefined
}

/**
 * A page of a table, the newest first, with the records for which `keep` holds. References in `by` use the
 * table's index if it has one, and nothing is read beyond the page.
 *
 * @throws `resource_missing`, 400, if `by` names an unknown customer
 */
export function listTable<Name extends TableName>(
  call: Call,
  table: Name,
  url: string,
  keep: (record: Tables[Name]) => boolean = () => true,
  by: Narrowed<Name> = {},
): List {
  const index = call.store.indexes[table]
  const named = Object.entries<string | null | undefined>(by).filter(([, value]) => value)
  const customer = named.find(([name]) => name === 'customer')?.[1]
  if (customer && !call.store.tables.customers.has(customer)) {
    throw noSuch('customer', customer, 'customer')
  }
  const [key, value] = named.find(([name]) => index.by.has(name)) ?? []
  const rows = key && value ? (index.by.get(key)?.get(value) ?? []) : index.rows
  const rest = named.filter(([name]) => name !== key) as [keyof Tables[Name], string][]
  const fits = (record: Tables[Name]): boolean =>
    rest.every(([name, wanted]) => record[name] === wanted) && keep(record)
  return tablePage(call, index, rows, url, fits)
}

/** A page of `rows`, which are the oldest first, in list order: the newest first. */
function tablePage<Kept extends Row>(
  { params }: Call,
  index: TableIndex<Kept>,
  rows: readonly Kept[],
  url: string,
  keep: (record: Kept) => boolean,
): List {
  const { limit, after, before } = windowOf(params)
  const range = createdRange(params)
  const orderOf = (id: string, param: string): number => {
    // The cursor's record may no longer match the filter, so it is looked up among all records.
    const order = index.order.get(id)
    if (order === undefined) throw noSuch('object', id, param)
    return order
  }
  const found: Kept[] = []
  const step = before ? 1 : -1
  const from = before
    ? countBefore(index, rows, orderOf(before, 'ending_before') + 1)
    : (after ? countBefore(index, rows, orderOf(after, 'starting_after')) : rows.length) - 1
  for (let at = from; found.length <= limit; at += step) {
    const row = rows[at]
    if (row === undefined) break
    const isBeyond = step < 0 ? row.created < range.from : row.created > range.to
    if (isBeyond && index.isChronological) break
    if (isWithin(range, row.created) && keep(row)) found.push(row)
  }
  const data = found.slice(0, limit)
  return list(before ? data.reverse() : data, found.length > limit, url)
}

function windowOf(params: Params) {
  const limit = params.integer('limit') ?? 10
  if (limit < 1 || limit > 100) {
    throw invalid(
      'This value must be between 1 and 100 (inclusive).',
      'limit',
      'parameter_invalid_integer',
    )
  }
  const after = params.text('starting_after')
  const before = params.text('ending_before')
  if (after && before) {
    throw invalid('You may only specify one of these parameters: ending_before, starting_after.')
  }
  return { limit, after, before }
}

/** A page of `records`, which are in list order. */
export function page<Item extends { id: string; created?: unknown }>(
  { params }: Call,
  records: readonly Item[],
  url: string,
): List {
  const { limit, after, before } = windowOf(params)
  const range = createdRange(params)
  const kept = (part: readonly Item[]): Item[] =>
    part.filter((item) => isWithin(range, item.created))
  if (before) {
    const rest = kept(records.slice(0, cursor(records, before, 'ending_before')))
    return list(rest.slice(-limit), rest.length > limit, url)
  }
  const rest = kept(after ? records.slice(cursor(records, after, 'starting_after') + 1) : records)
  return list(rest.slice(0, limit), rest.length > limit, url)
}

const list = (data: object[], has_more: boolean, url: string): List => ({
  object: 'list',
  data,
  has_more,
  url,
})

function cursor(records: readonly { id: string }[], id: string, param: string): number {
  const index = records.findIndex((record) => record.id === id)
  if (index < 0) throw noSuch('object', id, param)
  return index
}

/** A range of Unix seconds, including both ends. */
interface Range {
  from: number
  to: number
}

/** Whether a record is in the range. A record without a time is only in an open range. */
const isWithin = ({ from, to }: Range, created: unknown): boolean =>
  typeof created === 'number'
    ? created >= from && created <= to
    : from === Number.NEGATIVE_INFINITY && to === Number.POSITIVE_INFINITY

/** Reads `created` as a number or as `gt`, `gte`, `lt`, `lte`, in Unix seconds. */
function createdRange(params: Params): Range {
  const all = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY }
  if (!params.has('created')) return all
  const range = params.isText('created') ? undefined : params.object('created')
  if (range === undefined) {
    const exact = params.integer('created')
    return exact === undefined ? all : { from: exact, to: exact }
  }
  range.only(['gt', 'gte', 'lt', 'lte'])
  const { NEGATIVE_INFINITY: none, POSITIVE_INFINITY: ever } = Number
  return {
    from: Math.max((range.integer('gt') ?? none) + 1, range.integer('gte') ?? none),
    to: Math.min((range.integer('lt') ?? ever) - 1, range.integer('lte') ?? ever),
  }
}
