/**
 * What an API endpoint is made of, and the cursor lists they share.
 *
 * @see https://docs.stripe.com/api/pagination
 * @module
 */

import { invalid, noSuch } from './errors.ts'
import type { Params } from './forms.ts'
import { newestFirst, type Store, type TableName, type Tables } from './store.ts'

/** One request to an endpoint. */
export interface Call {
  store: Store
  params: Params
  /** The id in the path; empty where the path has none. */
  id: string
  /** The API version of the answer. */
  version: string
}

/** One endpoint. Its `run` does not await, so that a request is one step for every other request. */
export interface Endpoint {
  method: 'GET' | 'POST' | 'DELETE'
  /** Hono's path syntax; the only variable is `:id`. */
  path: string
  /** The parameters it understands, beside `expand`. */
  params?: readonly string[]
  /** Parameters of Stripe's that it takes and that change nothing here. */
  ignored?: readonly string[]
  /** Set where `run` answers JSON as it goes out, and not records to be shown by version. */
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

/** A page of a table, newest first, of the records for which `keep` holds. */
export function listTable<Name extends TableName>(
  call: Call,
  table: Name,
  url: string,
  keep: (record: Tables[Name]) => boolean = () => true,
): List {
  return page(call, newestFirst(call.store, table), url, keep)
}

/** A page of `records`, which are in the order of the list. */
export function page<Item extends { id: string; created?: unknown }>(
  { params }: Call,
  records: readonly Item[],
  url: string,
  keep: (record: Item) => boolean = () => true,
): List {
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
  // The cursor may itself have left the filter since, so it is looked up among all records.
  const isCreated = createdFilter(params)
  const kept = (part: readonly Item[]): Item[] =>
    part.filter((item) => isCreated(item.created) && keep(item))
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

/** `created` as a number or as `gt`, `gte`, `lt`, `lte`, in Unix seconds. */
function createdFilter(params: Params): (created: unknown) => boolean {
  if (!params.has('created')) return () => true
  const range = params.isText('created') ? undefined : params.object('created')
  if (range === undefined) {
    const exact = params.integer('created')
    return (created) => exact === undefined || created === exact
  }
  range.only(['gt', 'gte', 'lt', 'lte'])
  const gt = range.integer('gt') ?? Number.NEGATIVE_INFINITY
  const gte = range.integer('gte') ?? Number.NEGATIVE_INFINITY
  const lt = range.integer('lt') ?? Number.POSITIVE_INFINITY
  const lte = range.integer('lte') ?? Number.POSITIVE_INFINITY
  return (created) =>
    typeof created === 'number' && created > gt && created >= gte && created < lt && created <= lte
}
