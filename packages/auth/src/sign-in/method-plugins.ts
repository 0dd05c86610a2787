/**
 * The plugins for all ways to sign in besides the password, in the order that they need: providers, then the
 * linking of accounts, then passkeys and links, and last the second factor.
 *
 * @module
 */

import type { Logger } from '@repo/core'
import type { Database } from '@repo/db'
import type { OwnFields } from '../account/user-fields.ts'
import type { Recorder } from '../audit/recorder.ts'
import type { Keys } from '../database/keys.ts'
import type { AnyAuthOptions, Pages } from '../options.ts'
import { grantsFollow } from '../programs/oauth-grants.ts' // #oauth-server
import type { oauthServer } from '../programs/oauth-server.ts' // #oauth-server
import { linking } from './linking.ts'
import { type MagicLinkOptions, magicLinks } from './magic-link.ts'
import { oidcProviders } from './oidc.ts'
import { passkeys } from './passkeys.ts'
import { standIns } from './providers.ts'
import { signInMethods } from './sign-in-methods.ts'
import { secondFactor } from './two-factor.ts'

// #region oauth-server
/** Makes the plugins of the OAuth server, whose module is loaded only where the option `oauth` is set. */
export type OAuthServer = typeof oauthServer
// #endregion

/** The dependencies of `methodPlugins`. */
export interface MethodPlugins extends Omit<MagicLinkOptions, 'locales'> {
  options: AnyAuthOptions
  own: OwnFields
  logger: Logger
  // #region oauth-server
  /** Null without the option `oauth`. */
  oauthServer: OAuthServer | null
  // #endregion
  keys: Keys
  origin: string
  db: Database
  pages: Pages
  record: Recorder
}

/** Makes the plugins. */
export function methodPlugins({
  options,
  own,
  logger,
  keys,
  origin,
  db,
  pages,
  mails,
  redeem,
  record,
  ...parts
}: MethodPlugins) {
  const appName = options.appName ?? new URL(origin).hostname
  return [
    oidcProviders(options.oidc ?? {}),
    standIns(options),
    linking({ db, onboarding: pages.onboarding, own, logger }),
    signInMethods(db),
    passkeys({ origin, appName, db }),
    magicLinks({ mails, locales: own.locales, redeem }),
    // #region oauth-server
    ...(options.oauth && parts.oauthServer
      ? parts.oauthServer(options.oauth, { db, keys, origin, signIn: pages.signIn, record })
      : []),
    // #endregion
    ...(options.twoFactor
      ? [secondFactor({ db, appName, backupCodeKey: keys.backupCodes, record })]
      : []),
    ...(options.oauth ? [grantsFollow(db)] : []), // #oauth-server
  ]
}
