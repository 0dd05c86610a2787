/**
 * The host's part in the customers' lives: their rows and their visits.
 *
 * @module
 */

import type { DrillOwner } from '../drill/index.ts'
import { type DrillDatabase, patiently } from './database.ts'
import type { Product } from './product.ts'

/** Creates the functions that the provider's process calls. */
export function linkCustomers({ db }: DrillDatabase, system: Product) {
  let signUps = 0
  let visits = 0
  return {
    get visits() {
      return visits
    },
    /**
     * Inserts user and customer. Every other customer is linked at once; the others are linked by their first
     * event. Returns whether the customer is linked.
     */
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
    /** Sends a visit to a host without waiting for the answer. A failed visit counts, too. */
    visit({ ownerId }: DrillOwner): void {
      const hosts = system.urls('host')
      const host = hosts[visits % hosts.length]
      visits += 1
      void fetch(`${host}/visit/${ownerId}`, { signal: AbortSignal.timeout(8_000) }).catch(() => {})
    },
  }
}
