/**
 * Your own tables in the tests of tenant isolation: rows of two organizations. The tests call `seedHost` for each of
 * the organizations and fail for a table that has no row of both. Upstream never changes this file.
 *
 * ```ts
 * export async function seedHost(db: Database, { organizationId, mark }: SeededOrganization) {
 *   await db.project.create({ data: { id: `project_${mark}`, organizationId, name: mark } })
 * }
 * ```
 */

import type { Database } from '../client.ts'

export interface SeededOrganization {
  organizationId: string
  /** The id of a user who is a member of this organization and of no other. */
  userId: string
  /**
   * `alpha` for one organization and `BETA` for the other. Write it into a text of each row and into each id that you
   * choose, because the tests find a leak by the word BETA.
   */
  mark: string
}

export async function seedHost(_db: Database, _of: SeededOrganization): Promise<void> {}
