/**
 * The API of tax rates: create, read, update, list.
 *
 * @see https://docs.stripe.com/api/tax_rates
 * @module
 */

import { type Endpoint, LIST_PARAMS, listTable } from '../server/endpoint.ts'
import { invalid, malformed, missing } from '../server/errors.ts'
import type { Params } from '../server/forms.ts'
import { change, find } from '../server/store.ts'
import { makeRate } from './taxes.ts'

/** A percentage with at most four decimals. */
function percentageOf(params: Params): number {
  const text = params.required('percentage')
  const value = Number(text)
  if (!/^\d{1,3}(\.\d{1,4})?$/.test(text)) throw malformed(`Invalid decimal: ${text}`, 'percentage')
  if (value <= 100) return value
  throw invalid('The percentage must be between 0 and 100.', 'percentage')
}

const TEXTS = ['country', 'description', 'jurisdiction', 'state', 'tax_type'] as const

export const taxRateEndpoints: Endpoint[] = [
  {
    method: 'POST',
    path: '/v1/tax_rates',
    params: [...TEXTS, 'active', 'display_name', 'inclusive', 'metadata', 'percentage'],
    run({ store, params }) {
      const inclusive = params.flag('inclusive')
      if (inclusive === undefined) throw missing('inclusive')
      const texts = TEXTS.map((name) => [name, params.text(name) ?? null] as const)
      return makeRate(store, {
        display_name: params.required('display_name'),
        percentage: percentageOf(params),
        inclusive,
        active: params.flag('active') ?? true,
        metadata: params.metadata(),
        ...Object.fromEntries(texts),
      })
    },
  },
  {
    method: 'GET',
    path: '/v1/tax_rates',
    params: [...LIST_PARAMS, 'active', 'inclusive'],
    run(call) {
      const active = call.params.flag('active')
      const inclusive = call.params.flag('inclusive')
      return listTable(
        call,
        'taxRates',
        '/v1/tax_rates',
        (rate) =>
          (active === undefined || rate.active === active) &&
          (inclusive === undefined || rate.inclusive === inclusive),
      )
    },
  },
  { method: 'GET', path: '/v1/tax_rates/:id', run: ({ store, id }) => find(store, 'taxRates', id) },
  {
    method: 'POST',
    path: '/v1/tax_rates/:id',
    params: [...TEXTS, 'active', 'display_name', 'metadata'],
    run({ store, params, id }) {
      const rate = find(store, 'taxRates', id)
      const metadata = params.metadata(rate.metadata)
      return change(store, 'tax_rate.updated', rate, (current) => {
        current.metadata = metadata
        current.active = params.flag('active') ?? current.active
        current.display_name = params.text('display_name') ?? current.display_name
        for (const name of TEXTS) if (params.has(name)) current[name] = params.text(name) ?? null
      })
    },
  },
]
