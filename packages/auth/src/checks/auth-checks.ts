/**
 * The checks of auth for `tollgate doctor`: secrets, password hashes, cookies, rotation, tokens and the state of OAuth.
 * They measure a real sign-in at the real handler, in a transaction that is rolled back. On a database of production they
 * write nothing: PostgreSQL refuses every write, and what needs one is skipped.
 *
 * @module
 */

import type { Logger } from '@repo/core'
import { type Check, type CheckRun, type InstanceChecks, skipped } from '@repo/core/checks'
import {
  type Database,
  databaseTargetOf,
  databaseUrlOf,
  openRehearsal,
  type Rehearsal,
  rehearsalRefusal,
} from '@repo/db'
import { databaseChecks } from '@repo/db/checks'
import { emailChecks } from '@repo/email/checks'
import { queueChecks } from '@repo/jobs/checks'
import type { AnyAuthOptions } from '../options.ts'
import type { Checked } from './checked.ts'
import { deploymentChecks } from './deployment.ts'
import { stateChecks } from './oauth-state.ts'
import { hashCheck, secretCheck } from './secrets.ts'
import { type SignInSubject, signInChecks } from './sign-in.ts'
import { startStandIn } from './stand-in.ts'

/** The checks of an instance, with those of its database, its queue and its mails. */
export async function authChecks(run: CheckRun, checked: Checked): Promise<InstanceChecks> {
  const { options, db } = checked
  const url = databaseUrlOf(db)
  const refusal = await rehearsalRefusal(db, url, run).catch(
    () => 'the database cannot be asked, see database.role',
  )
  const opened: { close(): Promise<unknown> }[] = []
  const open = <T extends { close(): Promise<unknown> }>(made: T): T => {
    opened.push(made)
    return made
  }
  const rehearse = (isReadOnly: boolean): Rehearsal =>
    open(openRehearsal(url ?? '', { isReadOnly }))
  const subject = async (): Promise<SignInSubject> => {
    const { db } = rehearse(false)
    return { ...checked, db, auth: open(checked.again(withoutEffects(db))) }
  }
  const needsWrite = (check: Check): Check =>
    refusal === null
      ? check
      : {
          id: check.id,
          run: () =>
            skipped(
              `A sign-in was not tried, because ${refusal}.`,
              'Run the check on a database of development, with the same configuration.',
            ),
        }
  const state = async () => {
    const standIn = open(await startStandIn())
    const { db } = rehearse(refusal !== null)
    const auth = open(
      checked.again({
        ...withoutEffects(db),
        ...standIn.replace(options),
        // A stand-in serves an app of this machine only, and the state is checked alike everywhere.
        baseURL: STAND_IN_APP,
      }),
    )
    return { auth, standIn, baseURL: STAND_IN_APP, isReadOnly: refusal !== null }
  }
  const address = url === null ? null : databaseTargetOf(url)
  const where = address ? `database ${address.host}/${address.name}` : 'a database of the host'
  return {
    actsOn: [
      refusal === null ? `${where}, in a transaction that is rolled back` : `${where}, read only`,
    ],
    checks: [
      secretCheck(run, checked),
      hashCheck(checked),
      ...signInChecks(subject).map(needsWrite),
      ...stateChecks(options, url === null ? null : state),
      ...deploymentChecks(run, checked),
      ...databaseChecks(db),
      ...queueChecks(db),
      ...emailChecks(run, options.sender),
    ],
    async close() {
      // The last opened is closed first: an instance before its database.
      for (const each of opened.reverse()) await each.close().catch(() => {})
    },
  }
}

/** Options with which an instance keeps everything in `db`: it sends no mail, calls no handler and uses no Redis. */
const withoutEffects = (db: Database): Partial<AnyAuthOptions> =>
  ({
    db,
    events: {},
    logger: SILENT,
    rateLimit: false,
    redisUrl: undefined,
    listenUrl: undefined,
    breachedPasswords: false,
    sender: { sendEmail: async () => ({ id: 'none', provider: 'none', deduplicated: null }) },
  }) as unknown as Partial<AnyAuthOptions>

/** The address of the instance that signs in at a stand-in. */
const STAND_IN_APP = 'http://localhost:3000'

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} }
