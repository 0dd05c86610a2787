/**
 * The plugins for all ways to sign in besides the password, in the order that they need: providers, then the
 * linking of accounts, then passkeys and links, and last the second factor.
 *
 * @module
 */

import type { Database } from '@repo/db'
import type { Recorder } from '../audit/recorder.ts'
import type { Keys } from '../database/keys.ts'
import type { AnyAuthOptions, Pages } from '../options.ts'
import { grantsFollow } from '../programs/oauth-grants.ts'
import type { oauthServer } from '../programs/oauth-server.ts'
import { linking } from './linking.ts'
import { type MagicLinkOptions, magicLinks } from './magic-link.ts'
import { oidcProviders } from './oidc.ts'
import { passkeys } from './passkeys.ts'
import { standIns } from './providers.ts'
import { secondFactor } from './two-factor.ts'
import { ways } from './ways.ts'

/** Makes the plugins of the OAuth server, whose module is loaded only where the option `oauth` is set. */
export type OAuthServer = typeof oauthServer

/** The dependencies of `waysIn`. */
export interface WaysIn extends MagicLinkOptions {
  options: AnyAuthOptions
  /** Null without the option `oauth`. */
  oauthServer: OAuthServer | null
  keys: Keys
  origin: string
  db: Database
  pages: Pages
  record: Recorder
}

/** Makes the plugins. */
export function waysIn({
  options,
  keys,
  origin,
  db,
  pages,
  mails,
  redeem,
  record,
  ...parts
}: WaysIn) {
  const appName = options.appName ?? new URL(origin).hostname
  return [
    oidcProviders(options.oidc ?? {}),
    standIns(options),
    linking({ db, onboarding: pages.onboarding }),
    ways(db),
    passkeys({ origin, appName, db }),
    magicLinks({ mails, redeem }),
    ...(options.oauth && parts.oauthServer
      ? parts.oauthServer(options.oauth, { db, keys, origin, signIn: pages.signIn, record })
      : []),
    ...(options.twoFactor
      ? [secondFactor({ db, appName, backupCodeKey: keys.backupCodes, record })]
      : []),
    ...(options.oauth ? [grantsFollow(db)] : []),
  ]
}
