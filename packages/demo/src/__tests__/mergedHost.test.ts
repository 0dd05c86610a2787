/**
 * An app that has users already, in a Prisma schema of its own, gets auth: its rows stay, both read one `User`, and its
 * schema, its migrations and the database agree.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { migrate } from '@repo/db'
import { createTestDatabase } from '@repo/db/testing'
import { expect, inject, onTestFinished, test } from 'vitest'
import { createMergedHost } from './merged-host.ts'

const GENERATORS = `// The shop's schema.
generator client {
  provider = "prisma-client"
  output   = "../generated"
}

datasource db {
  provider = "postgresql"
}
`

const USER = `
/// Somebody with an account.
model User {
  id        String   @id @default(cuid())
  email     String   @unique @db.VarChar(200) // as they wrote it
  /// What they like best.
  color     String?  @map("colour")
  posts     Post[]
  createdAt DateTime @default(now())

  @@index([createdAt])
}
`

const POST = `
model Post {
  id       Int    @id @default(autoincrement())
  title    String
  authorId String
  author   User   @relation(fields: [authorId], references: [id])
}
`

const MIGRATION = `CREATE TABLE "User" (
    "id" TEXT NOT NULL,
    "email" VARCHAR(200) NOT NULL,
    "colour" TEXT,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "User_pkey" PRIMARY KEY ("id")
);
CREATE TABLE "Post" (
    "id" SERIAL NOT NULL,
    "title" TEXT NOT NULL,
    "authorId" TEXT NOT NULL,
    CONSTRAINT "Post_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "User_email_key" ON "User"("email");
CREATE INDEX "User_createdAt_idx" ON "User"("createdAt");
ALTER TABLE "Post" ADD CONSTRAINT "Post_authorId_fkey" FOREIGN KEY ("authorId") REFERENCES "User"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
CREATE FUNCTION shout(word text) RETURNS text LANGUAGE sql AS 'SELECT upper(word)';
`

const config = (schema: string) => `import { defineConfig } from 'prisma/config'

export default defineConfig({
  schema: '${schema}',
  migrations: { path: 'prisma/migrations' },
  datasource: { url: process.env.DATABASE_URL ?? '' },
})
`

const HOSTS: Record<string, { files: Record<string, string>; user: string }> = {
  'one file': {
    files: {
      'prisma.config.ts': config('prisma/schema.prisma'),
      'prisma/schema.prisma': GENERATORS + USER + POST,
    },
    user: 'prisma/schema.prisma',
  },
  'a folder': {
    files: {
      'prisma.config.ts': config('prisma/schema'),
      'prisma/schema/base.prisma': GENERATORS.replace('../generated', '../../generated'),
      'prisma/schema/user.prisma': USER,
      'prisma/schema/post.prisma': POST,
    },
    user: 'prisma/schema/user.prisma',
  },
}

/** What the schema still lacks in the database. */
const DRIFT = `
import { schemaDiff } from './packages/db/src/schema-engine.ts'

console.log(JSON.stringify(await schemaDiff(process.env.DATABASE_URL, 'packages/db/generated')))
process.exit(0)
`

/** What the app does once it has been migrated. Its own client declares nothing to the database. */
const APP = `
import { PrismaPg } from '@prisma/adapter-pg'
import { createAuth } from './packages/auth/src/index.ts'
import { createDb, forOrganization } from './packages/db/src/index.ts'
import { PrismaClient } from './generated/client.ts'

const url = process.env.DATABASE_URL
const own = new PrismaClient({ adapter: new PrismaPg({ connectionString: url }) })
const db = createDb(url)
const auth = createAuth({ db, baseURL: 'http://localhost:3000', secret: 'x'.repeat(40) })
const before = await own.user.findMany({ include: { posts: true }, orderBy: { email: 'asc' } })
const answer = await auth.handler(new Request('http://localhost:3000/api/auth/sign-up/email', {
  method: 'POST',
  headers: { 'content-type': 'application/json', origin: 'http://localhost:3000' },
  body: JSON.stringify({ name: 'Ada', email: 'ada@example.com', password: 'correct horse battery' }),
}))
const ada = await own.user.findUnique({ where: { email: 'ada@example.com' } })
const seen = await db.user.findUnique({ where: { email: 'old@example.com' } })
await own.user.update({ where: { id: ada.id }, data: { color: 'red', posts: { create: { title: 'Hello' } } } })
const made = await own.user.create({ data: { email: 'new@example.com' } })
await own.user.update({ where: { id: made.id }, data: { email: 'newer@example.com' } })
await own.user.delete({ where: { id: made.id } })
const strangers = await forOrganization(db, 'org_1').user.findMany()
const events = await db.authEvent.findMany({ where: { subjectId: made.id } })
console.log(JSON.stringify({
  before, status: answer.status, ada, seen, strangers, events: events.map(({ name }) => name),
  red: (await db.user.findUnique({ where: { id: ada.id } })).color,
}))
await own.$disconnect()
await db.$disconnect()
process.exit(0)
`

test.each(Object.entries(HOSTS))(
  'an app with its schema in %s keeps its users and signs new ones up',
  async (_, { files, user }) => {
    const { db, url, drop } = await createTestDatabase(inject('postgres'))
    onTestFinished(drop)
    const app = {
      'package.json': '{ "name": "shop", "type": "module" }\n',
      'prisma/migrations/20260101000000_init/migration.sql': MIGRATION,
      ...files,
    }
    const host = await createMergedHost(app, async (folder) => {
      await db.$executeRawUnsafe('DROP SCHEMA public CASCADE')
      await db.$executeRawUnsafe('CREATE SCHEMA public')
      // The database of a test has had Tollgate's migrations, which close later functions.
      await db.$executeRawUnsafe('ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON ROUTINES TO PUBLIC')
      await migrate(url, join(folder, 'prisma/migrations'))
      await db.$executeRaw`INSERT INTO "User" ("id", "email", "colour") VALUES ('u1', 'Old@example.com', 'blue')`
      await db.$executeRaw`INSERT INTO "Post" ("title", "authorId") VALUES ('First', 'u1')`
    })
    onTestFinished(() => host.remove())
    expect(host.plan.notes).toEqual([])
    expect(await readFile(join(host.folder, user), 'utf8')).toContain('// as they wrote it\n')
    // The host's Prisma reads the schema, and so does that of the packages.
    await host.prisma('.', 'validate')
    await host.prisma('.', 'generate')
    await host.prisma('packages/db', 'generate')

    // Sign-in would not find an address in upper case. The migration says so, and changes nothing.
    const migrations = join(host.folder, 'prisma/migrations')
    await expect(migrate(url, migrations)).rejects.toThrow(/upper-case letters/)
    const columns = await db.$queryRaw`
      SELECT count(*)::int FROM information_schema.columns WHERE table_schema = 'public' AND table_name = 'User'`
    expect(columns).toEqual([{ count: 4 }])
    await db.$executeRaw`UPDATE "User" SET "email" = lower("email")`
    // As the next steps say.
    expect(host.plan.steps.join('\n')).toContain('pnpm db:migrate')
    await host.run('packages/db/src/cli.ts', ['migrate'], { DATABASE_URL: url })
    expect(await migrate(url, migrations)).toEqual([])

    await host.write({ 'app.mts': APP, 'drift.mts': DRIFT })
    // `prisma migrate dev` would find nothing to change.
    expect(JSON.parse(await host.run('drift.mts', [], { DATABASE_URL: url }))).toBe(null)
    const printed = await host.run('app.mts', [], { DATABASE_URL: url })
    const found = JSON.parse(printed.split('\n').find((line) => line.startsWith('{')) ?? '')
    expect(found.before).toMatchObject([
      {
        id: 'u1',
        email: 'old@example.com',
        color: 'blue',
        name: '',
        emailVerified: false,
        posts: [{ title: 'First' }],
      },
    ])
    expect(found.status).toBe(200)
    expect(found.ada).toMatchObject({
      name: 'Ada',
      email: 'ada@example.com',
      role: 'USER',
      color: null,
    })
    expect(found.seen).toMatchObject({ id: 'u1', color: 'blue' })
    expect(found.red).toBe('red')
    expect(found.events).toEqual(['userDeleted'])
    // The wall between tenants holds for the host's table, too.
    expect(found.strangers).toEqual([])
    // The host's function is as it was: everybody may call it, and its path is its own.
    const functions = await db.$queryRaw`
      SELECT proacl::text, proconfig::text FROM pg_proc WHERE proname = 'shout'`
    expect(functions).toEqual([{ proacl: null, proconfig: null }])
  },
)
