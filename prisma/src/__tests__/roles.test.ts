/** The migration to five roles keeps who could do what, and leaves an owner in each organization. */

import { cp, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, inject, test } from 'vitest'
import { migrate } from '../migrate.ts'
import { createTestDatabase } from '../testing/database.ts'

const MIGRATIONS = fileURLToPath(new URL('../../migrations', import.meta.url))

test('members and invitations from before keep their rights, and a role in small letters gives none', async () => {
  const all = (await readdir(MIGRATIONS)).sort()
  const at = all.findIndex((name) => name.endsWith('_roles_in_organizations'))
  const folder = await mkdtemp(join(tmpdir(), 'migrations-'))
  const fresh = await createTestDatabase({ ...inject('postgres'), template: 'template1' })
  try {
    for (const name of all.slice(0, at)) {
      await cp(join(MIGRATIONS, name), join(folder, name), { recursive: true })
    }
    await migrate(fresh.url, folder)
    const run = (statement: string) => fresh.db.$executeRawUnsafe(statement)
    await run(`INSERT INTO "User" (id, name, email, "updatedAt")
      SELECT n::text, n::text, n::text, now() FROM generate_series(1, 9) AS n`)
    await run(`INSERT INTO "Organization" (id, name, slug)
      VALUES ('kept', '', 'a'), ('lost', '', 'b'), ('plain', '', 'c'), ('empty', '', 'd')`)
    await run(`INSERT INTO "Member" (id, "organizationId", "userId", role, "createdAt") VALUES
      ('owner', 'kept', '1', 'OWNER', now()), ('both', 'kept', '2', 'USER,OWNER', now()),
      ('admin', 'kept', '3', 'ADMIN', now()), ('user', 'kept', '4', 'USER', now()),
      ('small', 'kept', '5', 'owner', now()), ('default', 'kept', '6', 'member', now()),
      ('elder', 'lost', '1', 'USER', '2020-01-01'), ('heir', 'lost', '2', 'ADMIN', '2021-01-01'),
      ('younger', 'lost', '3', 'ADMIN', '2022-01-01'),
      ('first', 'plain', '1', 'USER', '2020-01-01'), ('second', 'plain', '2', 'USER', '2021-01-01')`)
    await run(`INSERT INTO "Invitation"
        (id, "organizationId", email, role, status, "expiresAt", "inviterId") VALUES
      ('none', 'kept', 'a', NULL, 'pending', now(), '1'), ('user', 'kept', 'b', 'USER', 'accepted', now(), '1'),
      ('admin', 'kept', 'c', 'ADMIN', 'canceled', now(), '1')`)

    await migrate(fresh.url)
    const rows = await fresh.db.$queryRaw<{ id: string; role: string }[]>`
      SELECT id, role FROM "Member" UNION ALL SELECT 'invited ' || id, role FROM "Invitation"`
    expect(Object.fromEntries(rows.map(({ id, role }) => [id, role]))).toEqual({
      owner: 'OWNER',
      both: 'OWNER',
      admin: 'ADMIN',
      user: 'VIEWER',
      small: 'VIEWER',
      default: 'VIEWER',
      elder: 'VIEWER',
      heir: 'OWNER',
      younger: 'ADMIN',
      first: 'OWNER',
      second: 'VIEWER',
      'invited none': 'VIEWER',
      'invited user': 'VIEWER',
      'invited admin': 'ADMIN',
    })
    expect(await fresh.db.organization.count()).toBe(4)
  } finally {
    await fresh.drop()
    await rm(folder, { recursive: true })
  }
})
