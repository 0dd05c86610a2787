/**
 * What a person has to do by hand when a host comes to a new version, beyond the files and the database. Each runs once.
 *
 * @module
 */

import type { Receipt } from './receipt.ts'

/** The steps that belong to a version. */
export interface VersionMigration {
  /** The version, and a name: `0.2.0 rename guards`. */
  name: string
  version: string
  /** What a person does, as sentences. */
  steps: string[]
}

/** All of them, the oldest first. */
export const MIGRATIONS: readonly VersionMigration[] = []

/** Those between the host's version and `version` that have not run. */
export const migrationsBetween = (
  { version: from, migrations }: Pick<Receipt, 'version' | 'migrations'>,
  version: string,
  all: readonly VersionMigration[] = MIGRATIONS,
): VersionMigration[] =>
  all.filter(
    (each) =>
      !migrations.includes(each.name) &&
      compareVersions(each.version, from) > 0 &&
      compareVersions(each.version, version) <= 0,
  )

/** Less than 0, 0 or more than 0, as version `a` is older than, the same as or newer than `b`. */
export function compareVersions(a: string, b: string): number {
  const [one, other] = [a, b].map((version) => version.split(/[.-]/).map(Number))
  for (let at = 0; at < 3; at += 1) {
    const difference = (one?.[at] ?? 0) - (other?.[at] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
