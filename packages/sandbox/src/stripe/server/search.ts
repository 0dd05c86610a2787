/**
 * The part of the search language that customers need: `email:"a@b.c" AND metadata["owner"]:"7"`.
 *
 * @see https://docs.stripe.com/search#search-query-language
 * @module
 */

import { invalid } from './errors.ts'
import type { Customer } from './objects.ts'
import { newestFirst, type Store, seconds } from './store.ts'

/**
 * The customers that search finds, the newest first, as they were when its index was last updated.
 *
 * @throws `invalid_request` if the account has no search
 */
export function searchable(store: Store): Customer[] {
  const { search } = store.settings
  if (search === 'unavailable') {
    throw invalid('The search feature is not available for your account.')
  }
  if (search <= 0) return newestFirst(store, 'customers')
  const known = new Map<string, Customer>()
  const until = seconds(store) - search
  for (const { type, created, subject } of store.indexes.events.rows) {
    if (created > until || !/^customer\.(created|updated|deleted)$/.test(type)) continue
    if (type === 'customer.deleted') known.delete(subject.id)
    else known.set(subject.id, subject as Customer)
  }
  return [...known.values()].reverse()
}

type Test = (customer: Customer) => boolean

const CLAUSE =
  /^\s*(-?)(?:(email|name|phone|created)|metadata\[(["'])(.+?)\3\])\s*(:|~|>=|<=|>|<)\s*(?:(["'])((?:\\.|(?!\6).)*)\6|(null|\d+))\s*/

/**
 * Whether a customer matches `query`: clauses joined by AND or by OR, but not both, as on Stripe.
 *
 * @throws `invalid_request` if the query is not in the search language.
 */
export function customerFilter(query: string, matchesCase: boolean): Test {
  const tests: Test[] = []
  const joints = new Set<string>()
  let rest = query
  while (true) {
    const match = CLAUSE.exec(rest)
    if (match === null) throw unreadable()
    tests.push(clause(match, matchesCase))
    rest = rest.slice(match[0].length)
    if (rest === '') break
    const joint = /^(AND|OR)\b/i.exec(rest)
    // Two clauses without an operator between them are joined by AND.
    joints.add(joint?.[1]?.toUpperCase() ?? 'AND')
    rest = rest.slice(joint?.[0].length ?? 0)
  }
  if (joints.size > 1) throw invalid('AND and OR cannot be combined in one query.', 'query')
  if (joints.has('OR')) return (customer) => tests.some((test) => test(customer))
  return (customer) => tests.every((test) => test(customer))
}

function clause(match: RegExpExecArray, matchesCase: boolean): Test {
  const [, minus, field, , key, operator, , quoted, bare] = match
  const wanted = quoted?.replaceAll(/\\(.)/g, '$1') ?? bare ?? ''
  const holds = (customer: Customer): boolean => {
    if (field === 'created') return compare(customer.created, operator ?? ':', Number(wanted))
    const value =
      key === undefined
        ? customer[field as 'email' | 'name' | 'phone']
        : Object.hasOwn(customer.metadata, key)
          ? customer.metadata[key]
          : null
    if (bare === 'null') return value === null || value === undefined
    if (value === null || value === undefined) return false
    // Metadata is compared as it was written, and as a whole.
    if (key !== undefined && matchesCase) return value === wanted
    const [has, asks] = [value.toLowerCase(), wanted.toLowerCase()]
    return operator === '~' ? has.includes(asks) : has === asks
  }
  return minus === '-' ? (customer) => !holds(customer) : holds
}

function compare(value: number, operator: string, wanted: number): boolean {
  if (operator === '>') return value > wanted
  if (operator === '>=') return value >= wanted
  if (operator === '<') return value < wanted
  if (operator === '<=') return value <= wanted
  return value === wanted
}

// The query is not repeated in the error, because it may contain an e-mail address.
const unreadable = (): Error => invalid('The search query is not in the search language.', 'query')
