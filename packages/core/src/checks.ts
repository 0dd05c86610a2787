/**
 * Checks of `tollgate doctor`: what a check is, and how it tells its result. Each package exports the checks of its own
 * domain, and its instances offer them in `checks`. A check measures; it never repeats what the code claims.
 *
 * @module
 */

/** How `tollgate doctor` was called. */
export interface CheckRun {
  /** The dry run before production: what is fine on a developer's machine only is a failure. */
  isLive: boolean
  /**
   * Whether a sign-in and a delivery may be tried on a database on another machine, in a transaction that is rolled
   * back. On a database of production they never are.
   */
  mayRehearse: boolean
}

/** The result of a check. */
export interface CheckResult {
  /** `skipped`: it could not be measured here, or has nothing to measure. */
  state: 'ok' | 'failed' | 'skipped'
  /** What was measured, in one sentence. Never a secret, a token or an e-mail address. */
  says: string
  /** What to do; null where nothing has to be done. */
  advice: string | null
}

/** One check. */
export interface Check {
  /** `<area>.<what>`, such as `auth.cookies`. */
  id: string
  /** Measures. An error counts as a failure, with its message. */
  run(): Promise<CheckResult> | CheckResult
}

/** The checks of an instance. */
export interface InstanceChecks {
  /** What they act on, for people: the database, the account at the provider. */
  actsOn: readonly string[]
  /** The checks, in the order in which they run. */
  checks: readonly Check[]
  /** Closes what the checks have opened. */
  close?(): Promise<void>
}

/** The result of a check that found everything in order. */
export const passed = (says: string): CheckResult => ({ state: 'ok', says, advice: null })

/** The result of a check that found a fault. `advice` says what to do. */
export const failed = (says: string, advice: string): CheckResult => ({
  state: 'failed',
  says,
  advice,
})

/** The result of a check that could not measure. */
export const skipped = (says: string, advice: string | null = null): CheckResult => ({
  state: 'skipped',
  says,
  advice,
})

/** `failed` in the dry run before production, `skipped` elsewhere. */
export const onlyLive = ({ isLive }: CheckRun, says: string, advice: string): CheckResult =>
  isLive ? failed(says, advice) : skipped(says, advice)
