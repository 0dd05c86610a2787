/**
 * The API of charges. Intents make charges; here they are read and annotated.
 *
 * @module
 */

import { type Endpoint, LIST_PARAMS, listTable } from '../server/endpoint.ts'
import { change, find } from '../server/store.ts'

export const chargeEndpoints: Endpoint[] = [
  {
    method: 'GET',
    path: '/v1/charges',
    params: [...LIST_PARAMS, 'customer', 'payment_intent'],
    run(call) {
      const payment_intent = call.params.text('payment_intent')
      const customer = call.params.text('customer')
      return listTable(call, 'charges', '/v1/charges', undefined, { payment_intent, customer })
    },
  },
  { method: 'GET', path: '/v1/charges/:id', run: ({ store, id }) => find(store, 'charges', id) },
  {
    method: 'POST',
    path: '/v1/charges/:id',
    params: ['description', 'metadata'],
    run({ store, params, id }) {
      const charge = find(store, 'charges', id)
      const metadata = params.metadata(charge.metadata)
      const description = params.text('description')
      return change(store, 'charge.updated', charge, (current) => {
        current.metadata = metadata
        if (description !== undefined) current.description = description
      })
    },
  },
]
