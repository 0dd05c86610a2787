/**
 * The host's side of the customers' life: their rows, and their visits.
 *
 * @module
 */

import type { DrillOwner } from '../src/testing.ts'
import { type DrillDatabase, patiently } from './database.ts'
import type { Product } from './product.ts'

export function linkCustomers({ db }: DrillDatabase, system: Product) {
  let signUps = 0
  let visits = 0
  return {
    get visits() {
      return visits
    },
    /** Every other customer is linked at once; of the rest we learn by their first event. */
    async signUp({ ownerId, email }: DrillOwner, stripeCustomerId: string): Promise<boolean> {
      signUps += 1
      const isLinked = signUps % 2 === 0
      const user = { id: ownerId, email, name: ownerId, emailVerified: true }
      const linked = isLinked ? { stripeCustomerId } : {}
      await patiently(async () => {
        await db.user.createMany({ data: [user], skipDuplicates: true })
        await db.customer.createMany({
          data: [{ ownerId, ownerType: 'user', ...linked }],
          skipDuplicates: true,
        })
      })
      return isLinked
    },
    /** Nobody waits for the answer, and a visit that fails is one. */
    visit({ ownerId }: DrillOwner): void {
      const hosts = system.urls('host')
      const host = hosts[visits % hosts.length]
      visits += 1
      void fetch(`${host}/visit/${ownerId}`, { signal: AbortSignal.timeout(8_000) }).catch(() => {})
    },
  }
}
