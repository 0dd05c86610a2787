/** A host of each provider. */

import type { TestPostgres } from '@repo/db/testing'
import type { BillingOptions } from '../index.ts'
import type { ProviderName } from '../provider-name.ts'
import { creemMarket } from './creem-market.ts' // #creem
import { localMarket, type Market, stripeMarket } from './orders-markets.ts'

/** Opens a market on a database of its own. */
export type OpenMarket = (postgres: TestPostgres, settings?: BillingOptions) => Promise<Market>

/** The market of each provider. */
export const MARKETS: Readonly<Record<ProviderName, OpenMarket>> = {
  stripe: stripeMarket,
  creem: creemMarket, // #creem
  local: localMarket,
}
