/**
 * What each provider is made of.
 *
 * @module
 */

import type { Grants, OAuthClient } from './grants.ts'
import type { IdTokens } from './id-tokens.ts'
import type { OAuthPerson } from './people.ts'

/** The parts of one provider. */
export interface ProviderParts {
  clients: readonly OAuthClient[]
  grants: Grants
  idTokens: IdTokens
  /** The people who have an account, those who were typed in last first. */
  people(): readonly OAuthPerson[]
  /** Keeps an account that was typed in. */
  onPerson(person: OAuthPerson): void
  /** The origin of the stand-ins. */
  origin(): string
}
