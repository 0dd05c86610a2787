/**
 * The second factor: codes of an authenticator app, and backup codes. It is asked for after every kind of
 * sign-in, although Better Auth asks only after a password: a session without it can only add it. A code is
 * checked for the user who has to show it, from the waiting sign-in or the present session, whatever other
 * cookies the request has.
 *
 * @module
 */

import type { Database } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import { createAuthEndpoint } from 'better-auth/api'
import { twoFactor } from 'better-auth/plugins/two-factor'
import * as z from 'zod'
import type { Recorder } from '../audit/recorder.ts'
import { showFactor } from './second-factor-checks.ts'
import { backupCodes, LOCK_SECONDS, MAX_TRIES } from './second-factor-codes.ts'
import { secondFactorHooks } from './second-factor-hooks.ts'

/** The dependencies of `secondFactor`. */
export interface SecondFactorOptions {
  db: Database
  /** The product's name in authenticator apps. */
  appName: string
  /** The key of the hashes of backup codes. */
  backupCodeKey: string
  /** Records refused codes. */
  record: Recorder
}

/** Better Auth's plugin for the second factor, with our rules on top. */
export function secondFactor({ db, appName, backupCodeKey, record }: SecondFactorOptions) {
  const codes = backupCodes(backupCodeKey)
  const checks = { db, codes, record }
  const hooks = secondFactorHooks(db)
  const plugin = twoFactor({
    issuer: appName,
    // A user without a password must have signed in recently instead; see `second-factor-hooks.ts`.
    allowPasswordless: true,
    accountLockout: { maxFailedAttempts: MAX_TRIES, durationSeconds: LOCK_SECONDS },
    backupCodeOptions: codes,
  })
  return {
    ...plugin,
    endpoints: {
      ...plugin.endpoints,
      // These replace the plugin's own endpoints, which do not use a code up, and trust the first cookie they
      // see.
      /** Shows the second factor by a code of the authenticator app. Each code works once. */
      verifyTOTP: createAuthEndpoint('/two-factor/verify-totp', VERIFICATION, (ctx) =>
        showFactor(checks, ctx, { kind: 'totp', code: ctx.body.code }),
      ),
      /** Shows the second factor by a backup code. Each code works once. */
      verifyBackupCode: createAuthEndpoint('/two-factor/verify-backup-code', VERIFICATION, (ctx) =>
        showFactor(checks, ctx, { kind: 'backup-code', code: ctx.body.code }),
      ),
    },
    hooks: { ...hooks, after: [...plugin.hooks.after, ...hooks.after] },
  } satisfies BetterAuthPlugin
}

/** The options of the two endpoints that check a code. */
const VERIFICATION = {
  method: 'POST',
  // There are no trusted devices, which would need no code, so the body's other fields are ignored.
  body: z.object({ code: z.string().min(1).max(256) }),
} as const
