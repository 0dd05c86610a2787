/** A host's Prisma schema with a `User` of its own: what is written into it, and what is refused. */

import { chmodSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { applyPlan } from '../apply.ts'
import { type Checkout, openCheckout } from '../checkout.ts'
import { runCommand } from '../commands.ts'
import { hostChanges } from '../diff.ts'
import { openHost } from '../host.ts'
import { type AddOptions, planAdd } from '../plan-add.ts'
import { planRemove } from '../plan-remove.ts'
import { planUpdate } from '../plan-update.ts'
import { readReceipt } from '../receipt.ts'
import { datamodelOf, formatted } from '../schema/prisma.ts'
import {
  checkoutFiles,
  type Files,
  makeCheckout,
  read,
  readJson,
  temporaryFolder,
  treeOf,
  write,
} from './fixture.ts'
import { aFolder, HOST_SCHEMA, oneFile } from './schema-hosts.ts'

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))
const textOfOurs = (name: string) => read(ROOT, `prisma/schema/${name}.prisma`)

/** A small checkout with the real schema and the real baseline. `changes` are other files of it. */
function makeOurs(changes: Files = {}): Checkout {
  const names = readdirSync(join(ROOT, 'prisma/schema'))
  const folder = makeCheckout({
    'prisma/baseline.sql': read(ROOT, 'prisma/baseline.sql'),
    'prisma/migrations/20261121000000_init/migration.sql': 'SELECT 1;\n',
    ...Object.fromEntries(
      names.map((name) => [`prisma/schema/${name}`, read(ROOT, `prisma/schema/${name}`)]),
    ),
    ...changes,
  })
  return openCheckout(folder)
}

let checkout: Checkout
beforeEach(() => {
  checkout = makeOurs()
})

function hostWith(files: Files): string {
  const folder = temporaryFolder()
  write(folder, files)
  return folder
}

function add(host: string, options: AddOptions = {}) {
  const plan = planAdd(checkout, openHost(host), ['auth'], options)
  applyPlan(host, plan)
  return plan
}

const codeOf = (run: () => unknown): { code: string; message: string } => {
  try {
    run()
  } catch (error) {
    return error as { code: string; message: string }
  }
  throw new Error('nothing was refused')
}

const USER = /\/\/\/ Somebody[\s\S]*?\n\}\n/

test("the host's User gets the fields that it lacks, after its own, and all of its lines stay", () => {
  const host = hostWith(oneFile())
  const plan = add(host)
  const schema = read(host, 'prisma/schema.prisma')
  const [before = ''] = USER.exec(HOST_SCHEMA) ?? []
  const [after = ''] = USER.exec(schema) ?? []
  const plain = (text: string) => text.split('\n').map((line) => line.trim().replace(/\s+/g, ' '))
  expect(plain(after)).toEqual(expect.arrayContaining(plain(before)))
  expect(after).toContain('/// @tenancy owner members invitations\nmodel User {')
  expect(plain(after)).toContain('emailVerified Boolean @default(false)')
  expect(plain(after)).toContain('sessions Session[]')
  expect(plain(after).filter((line) => line.startsWith('email '))).toHaveLength(1)
  // The rest of the file stays byte for byte.
  expect(schema.replace(USER, '')).toMatch(/^\/\/ The shop's schema/)
  expect(schema.startsWith(HOST_SCHEMA.slice(0, HOST_SCHEMA.indexOf('/// Somebody')))).toBe(true)
  expect(schema).toContain(HOST_SCHEMA.slice(HOST_SCHEMA.indexOf('model Post')))
  expect(schema.match(/^model User \{/gm)).toHaveLength(1)
  expect(formatted(schema)).toBe(schema)
  const { models } = datamodelOf([['schema.prisma', schema]])
  expect(models.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['Post', 'Session', 'CreditAccount', 'Subscription']),
  )
  expect(readJson(host, 'packages/db/package.json').tollgate).toEqual({
    schema: '../../prisma/schema.prisma',
    migrations: '../../prisma/migrations',
  })
  // The host's schema and history are the only ones.
  const paths = Object.keys(treeOf(host))
  expect(paths.filter((path) => /^packages\/db\/migrations|db\/schema\/auth/.test(path))).toEqual(
    [],
  )
  expect(readJson(host, 'package.json').scripts ?? {}).not.toHaveProperty(['db:diff'])
  expect(plan.steps.join('\n')).toContain(
    'npx prisma migrate dev, after you have read prisma/migrations/20270101120001_tollgate/migration.sql',
  )
  expect(plan.notes).toEqual([])
})

test('the migration changes the table User of the host and creates all others', () => {
  const host = hostWith(oneFile())
  add(host)
  const sql = read(host, 'prisma/migrations/20270101120001_tollgate/migration.sql')
  expect(sql).not.toContain('CREATE TABLE "User"')
  expect(sql).toContain('ADD COLUMN "emailVerified" BOOLEAN NOT NULL DEFAULT false')
  expect(sql).not.toContain('ADD COLUMN "name"')
  expect(sql).toContain('CREATE TABLE "Session"')
})

test('a schema in a folder gets files of its own beside those of the host', () => {
  const host = hostWith(aFolder())
  add(host)
  expect(read(host, 'apps/web/db/schema/blog/post.prisma')).toBe(
    aFolder()['apps/web/db/schema/blog/post.prisma'],
  )
  expect(read(host, 'apps/web/db/schema/base.prisma')).toMatch(/^ {2}sessions +Session\[\]$/m)
  expect(read(host, 'apps/web/db/schema/tollgate/auth.prisma')).not.toContain('model User {')
  expect(read(host, 'apps/web/db/schema/tollgate/credits.prisma')).toBe(textOfOurs('credits'))
  const created = 'apps/web/db/migrations/20270101120001_tollgate/migration.sql'
  expect(Object.keys(treeOf(host))).toContain(created)
  expect(readJson(host, 'prisma/package.json').tollgate.schema).toBe('../apps/web/db/schema')
})

test.each([
  ['one file', oneFile],
  ['a folder', aFolder],
])(
  'a second add and an update change nothing, and remove gives the schema of %s back',
  (_, files) => {
    const host = hostWith(files())
    add(host)
    const after = treeOf(host)
    expect(planAdd(checkout, openHost(host), ['auth']).changes).toEqual([])
    expect(planUpdate(checkout, openHost(host)).changes).toEqual([])
    const receipt = readReceipt(openHost(host).read)
    expect(receipt && hostChanges(openHost(host), receipt)).toEqual([])
    expect(treeOf(host)).toEqual(after)
    const plan = planRemove(checkout, openHost(host), [])
    applyPlan(host, plan)
    for (const [path, text] of Object.entries(files())) {
      if (path.endsWith('.prisma')) expect(read(host, path)).toBe(text)
    }
    // Databases may have run the migration.
    expect(plan.notes).toEqual([
      { path: expect.stringContaining('_tollgate'), why: expect.any(String) },
    ])
    expect(plan.steps.join('\n')).toContain('prisma migrate dev --name remove_tollgate')
  },
)

test('line ends of Windows and a byte order mark stay', () => {
  const host = hostWith(oneFile(`\uFEFF${HOST_SCHEMA.replaceAll('\n', '\r\n')}`))
  add(host)
  const schema = read(host, 'prisma/schema.prisma')
  expect(schema).toMatch(/^\uFEFF\/\/ The shop's schema/)
  expect(schema).not.toMatch(/[^\r]\n/)
  expect(planAdd(checkout, openHost(host), ['auth']).changes).toEqual([])
  applyPlan(host, planRemove(checkout, openHost(host), []))
  expect(read(host, 'prisma/schema.prisma')).toBe(`\uFEFF${HOST_SCHEMA.replaceAll('\n', '\r\n')}`)
})

test("the host's edits stay: an update leaves them, and remove takes out only what was inserted", () => {
  const host = hostWith(oneFile())
  add(host)
  const edited = read(host, 'prisma/schema.prisma')
    .replace(/^ {2}image .*\n/m, '  image String? // from the CDN\n')
    .replace('model Post {', '// A new one.\nmodel Post {\n  pinned Boolean @default(false)')
  write(host, { 'prisma/schema.prisma': edited })
  expect(planUpdate(checkout, openHost(host)).changes).toEqual([])
  applyPlan(host, planRemove(checkout, openHost(host), []))
  const schema = read(host, 'prisma/schema.prisma')
  expect(schema).toMatch(/image +String\? +\/\/ from the CDN/)
  expect(schema).toContain('// A new one.\nmodel Post {\n  pinned Boolean')
  expect(schema).not.toContain('Session')
})

test.each([
  ['a comment of several lines that holds fields of ours', '/**\n   * role String\n   */'],
  ['a comment of several lines behind a field', 'nick String? /* role String\n  locale String */'],
  ['a comment of one line at the end', '// the last words of User'],
  ['a string with braces and a comment in it', 'nick String @default("} /* model User {")'],
])(
  "the host's User with %s gets every field, and is as before once they are removed",
  (_, lines) => {
    const before = formatted(
      HOST_SCHEMA.replace('\n\n  @@index([createdAt])', () => `\n  ${lines}`),
    )
    expect(before).not.toBe(HOST_SCHEMA)
    const host = hostWith(oneFile(before))
    add(host)
    const { models } = datamodelOf([['schema.prisma', read(host, 'prisma/schema.prisma')]])
    const names = models.find(({ name }) => name === 'User')?.fields.map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(['role', 'locale', 'emailVerified', 'sessions']))
    applyPlan(host, planRemove(checkout, openHost(host), []))
    expect(read(host, 'prisma/schema.prisma')).toBe(before)
  },
)

test("models of the host that refer to Tollgate's keep them from being removed", () => {
  const host = hostWith(aFolder())
  add(host)
  const organizations = 'apps/web/db/schema/tollgate/auth.prisma'
  const shops =
    'model Shop {\n  id String @id\n  organization Organization @relation(fields: [id], references: [id])\n}\n'
  write(host, {
    'apps/web/db/schema/shop.prisma': shops,
    [organizations]: read(host, organizations).replace(
      'model Organization {',
      'model Organization {\n  shop Shop?',
    ),
  })
  const before = treeOf(host)
  const plan = planRemove(checkout, openHost(host), [])
  expect(plan.notes.map(({ path }) => path)).toContain(organizations)
  write(host, {
    'apps/web/db/schema/shop.prisma': shops,
    [organizations]: read(host, organizations).replace('\n  shop Shop?', ''),
  })
  expect(codeOf(() => planRemove(checkout, openHost(host), []))).toMatchObject({
    code: 'invalid_schema',
  })
  write(host, {
    [organizations]: read(host, organizations).replace(
      'model Organization {',
      'model Organization {\n  shop Shop?',
    ),
  })
  expect(treeOf(host)).toEqual(before)
})

/** A later version: `User` has one field more and one less, there is a new model, and a migration. */
function nextVersion(): Checkout {
  const auth = textOfOurs('auth')
    .replace(/^ {2}image .*$/m, '  motto String?\n  badges Badge[]')
    .replace('/// @tenancy organization id', '/// The organization.\n/// @tenancy organization id')
  return makeOurs({
    'package.json': checkoutFiles()['package.json']?.replace('0.1.0', '0.2.0') ?? '',
    'prisma/schema/auth.prisma': `${auth}
/// @tenancy owner userId
model Badge {
  id     String @id
  userId String
  user   User   @relation(fields: [userId], references: [id], onDelete: Cascade)
}
`,
    'prisma/baseline.sql': 'SELECT 2;\n',
    'prisma/migrations/20261201000000_badges/migration.sql':
      'ALTER TABLE "User" ADD COLUMN "motto" TEXT, DROP COLUMN "image";\n',
  })
}

test.each([
  ['one file', oneFile, 'prisma/schema.prisma', 'prisma/schema.prisma', 'prisma/migrations'],
  [
    'a folder',
    aFolder,
    'apps/web/db/schema/base.prisma',
    'apps/web/db/schema/tollgate/auth.prisma',
    'apps/web/db/migrations',
  ],
])(
  'an update brings new fields, models and migrations into %s, beside edits',
  (_, files, user, models, migrations) => {
    const host = hostWith(files())
    add(host)
    const first = `${migrations}/20270101120001_tollgate/migration.sql`
    const baseline = read(host, first)
    const own = `${migrations}/20270301000000_own/migration.sql`
    write(host, { [own]: 'SELECT 3;\n' })
    write(host, {
      [models]: read(host, models).replace('model Jwks {', 'model Jwks {\n  note String? // ours'),
    })
    write(host, {
      [user]: read(host, user).replace('@db.VarChar(200) //', '@db.VarChar(250) //'),
    })
    const plan = planUpdate(nextVersion(), openHost(host))
    expect(plan.conflicts).toEqual([])
    applyPlan(host, plan)
    expect(read(host, user)).toMatch(/^ {2}motto +String\?$/m)
    expect(read(host, user)).toMatch(/^ {2}badges +Badge\[\]$/m)
    expect(read(host, user)).not.toMatch(/^ {2}image /m)
    expect(read(host, user)).toContain('@db.VarChar(250) // as they wrote it')
    expect(read(host, models)).toContain('note String? // ours')
    expect(read(host, models)).toContain('model Badge {')
    // What a database has run stays, and what is new comes after the host's own.
    expect(read(host, first)).toBe(baseline)
    expect(read(host, `${migrations}/20270301000001_badges/migration.sql`)).toContain('"motto"')
    expect(plan.steps.join('\n')).toContain('20270301000001_badges')
    expect(planUpdate(nextVersion(), openHost(host)).changes).toEqual([])
  },
)

test('an edit of the same lines of a model waits beside the schema, which stays as it is', () => {
  const host = hostWith(oneFile())
  add(host)
  const schema = read(host, 'prisma/schema.prisma').replace(
    '/// @tenancy organization id',
    '/// Our firms.\n/// @tenancy organization id',
  )
  write(host, { 'prisma/schema.prisma': schema })
  const plan = planUpdate(nextVersion(), openHost(host))
  applyPlan(host, plan)
  expect(plan.conflicts).toEqual(['prisma/schema.prisma#tollgate'])
  expect(read(host, 'prisma/schema.prisma#tollgate.tollgate-new')).toContain(
    '/// The organization.',
  )
  expect(read(host, 'prisma/schema.prisma')).toContain('/// Our firms.\n/// @tenancy')
})

test('the command shows the change of the schema, and tells a conflict as JSON', async () => {
  const host = hostWith(oneFile())
  const before = treeOf(host)
  const log = vi.spyOn(console, 'log').mockImplementation(() => {})
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  onTestFinished(() => void vi.restoreAllMocks())
  const at = ['--into', host, '--from', checkout.folder, '--json']
  const printed = () => JSON.parse(String(log.mock.lastCall?.[0]))
  expect(await runCommand(['add', 'auth', '--dry-run', ...at])).toBe(0)
  expect(printed().changes).toEqual(
    expect.arrayContaining([
      { path: 'prisma/schema.prisma', change: 'edit' },
      { path: 'prisma/migrations/20270101120001_tollgate/migration.sql', change: 'create' },
    ]),
  )
  expect(treeOf(host)).toEqual(before)
  expect(await runCommand(['add', 'auth', '--schema', '', ...at])).toBe(1)
  expect(printed().error.code).toBe('usage')
  expect(await runCommand(['add', 'auth', '--schema', 'prisma/schema.prisma', ...at])).toBe(0)
  // The choice is made once.
  expect(await runCommand(['add', 'email', '--schema', 'own', ...at])).toBe(1)
  expect(printed().error.message).toContain('those of prisma/schema.prisma')
  const other = hostWith(oneFile(HOST_SCHEMA.replace('@@index', '@@map("users")\n  @@index')))
  expect(await runCommand(['add', 'auth', ...at, '--into', other])).toBe(1)
  expect(printed().error).toMatchObject({
    code: 'schema_conflict',
    message: expect.stringContaining('"users"'),
  })
  expect(stderr).toHaveBeenCalled()
})

describe('conflicts are told together, and nothing changes', () => {
  const changed = (...changes: [from: string | RegExp, to: string][]) =>
    changes.reduce((text, [from, to]) => text.replace(from, to), HOST_SCHEMA)
  test.each<[string, string, RegExp[]]>([
    [
      'an id that is a number',
      changed(
        [/id {8}String .*/, 'id Int @id @default(autoincrement())'],
        [/authorId String/, 'authorId Int'],
      ),
      [/User\.id is Int @id/],
    ],
    [
      'an id that is a UUID',
      changed(
        [/id {8}String .*/, 'id String @id @db.Uuid'],
        [/authorId String/, 'authorId String @db.Uuid'],
      ),
      [/User\.id has the type @db\.Uuid/],
    ],
    [
      'an address that may be missing',
      changed([/email {5}String .*/, 'email String? @unique']),
      [/User\.email is optional/],
    ],
    [
      'an address that is not unique',
      changed([/@unique @db\.VarChar\(200\)/, '']),
      [/User\.email is not @unique/],
    ],
    [
      'a name that may be missing',
      changed([/name {6}String .*/, 'name String?']),
      [/User\.name is optional.*@default\(""\)/],
    ],
    [
      'a date that tells of a confirmed address',
      changed([/posts /, 'emailVerified DateTime?\n  posts ']),
      [/User\.emailVerified is DateTime\?/],
    ],
    [
      'roles of the host',
      changed([/posts /, 'role Color @default(RED)\n  posts ']),
      [/User\.role is Color/],
    ],
    [
      'roles with other values',
      changed([/posts /, 'role String @default("user")\n  posts ']),
      [/User\.role must have @default\("USER"\)/],
    ],
    [
      'a field that a sign-up cannot fill',
      changed([/posts /, 'company String\n  posts ']),
      [/User\.company is required and has no default/],
    ],
    [
      'a table of another name',
      changed([/@@index/, '@@map("users")\n  @@index']),
      [/mapped to the table "users"/],
    ],
    [
      'a model of the same name, and one of the same table',
      `${HOST_SCHEMA}model Session {\n  id Int @id\n}\nmodel Firm {\n  id Int @id\n  @@map("Organization")\n}\nenum Account {\n  A\n}\n`,
      [
        /model Session has the name/,
        /model Firm is mapped to the table "Organization"/,
        /enum Account has the name/,
      ],
    ],
    [
      'no foreign keys',
      changed([/provider = "postgresql"/, 'provider = "postgresql"\n  relationMode = "prisma"']),
      [/relationMode/],
    ],
  ])('%s', (_, schema, messages) => {
    const host = hostWith(oneFile(schema))
    const before = treeOf(host)
    const { code, message } = codeOf(() => add(host))
    expect(code).toBe('schema_conflict')
    for (const each of messages) expect(message).toMatch(each)
    expect(message).toContain('--schema own')
    expect(treeOf(host)).toEqual(before)
    add(host, { schema: 'own' })
    expect(read(host, 'prisma/schema.prisma')).toBe(schema)
  })

  test('a User that no migration creates', () => {
    const { 'prisma/schema.prisma': schema = '', 'package.json': manifest = '' } = oneFile()
    const host = hostWith({ 'prisma/schema.prisma': schema, 'package.json': manifest })
    expect(codeOf(() => add(host)).message).toContain('prisma migrate dev --name init')
  })
})

test('a schema that Prisma cannot read is refused with the line, and nothing changes', () => {
  const schema = HOST_SCHEMA.replace('posts     Post[]', 'posts     Pots[]')
  const line = schema.slice(0, schema.indexOf('Pots')).split('\n').length
  const host = hostWith(oneFile(schema))
  const before = treeOf(host)
  const { code, message } = codeOf(() => add(host))
  expect(code).toBe('invalid_schema')
  expect(message).toContain(`prisma/schema.prisma:${line}\n`)
  expect(treeOf(host)).toEqual(before)
})

test.skipIf(process.getuid?.() === 0 && process.platform === 'win32')(
  'a schema that is read-only is refused, and nothing changes',
  () => {
    const host = hostWith(oneFile())
    chmodSync(join(host, 'prisma/schema.prisma'), 0o444)
    const before = treeOf(host)
    expect(codeOf(() => add(host)).code).toBe('write_failed')
    expect(treeOf(host)).toEqual(before)
  },
)

test('a schema without a User, and without migrations, gets all models and tables', () => {
  const schema = 'datasource db {\n  provider = "postgresql"\n}\n\nmodel Thing {\n  id Int @id\n}\n'
  const host = hostWith({ 'package.json': '{ "name": "shop" }\n', 'prisma/schema.prisma': schema })
  add(host)
  expect(read(host, 'prisma/schema.prisma').startsWith(schema)).toBe(true)
  expect(read(host, 'prisma/schema.prisma')).toContain('\nmodel User {')
  const [migration = ''] = Object.keys(treeOf(host)).filter((path) =>
    /prisma\/migrations\/.*sql/.test(path),
  )
  expect(read(host, migration)).toContain('CREATE TABLE "User"')
  applyPlan(host, planRemove(checkout, openHost(host), []))
  expect(read(host, 'prisma/schema.prisma')).toBe(schema)
})

test('a schema of another database is left alone, and several are asked about', () => {
  const sqlite = oneFile(
    HOST_SCHEMA.replace('postgresql', 'sqlite').replace('@db.VarChar(200)', ''),
  )
  const plan = planAdd(checkout, openHost(hostWith(sqlite)), ['auth'])
  expect(plan.notes).toContainEqual({
    path: 'Prisma',
    why: expect.stringContaining('is for sqlite'),
  })
  expect(
    codeOf(() => planAdd(checkout, openHost(hostWith(sqlite)), ['auth'], { schema: 'merge' })).code,
  ).toBe('usage')
  const two = { ...aFolder(), 'prisma/schema.prisma': HOST_SCHEMA }
  const { message } = codeOf(() => planAdd(checkout, openHost(hostWith(two)), ['auth']))
  expect(message).toContain('prisma/schema.prisma, apps/web/db/schema')
  const host = hostWith(two)
  add(host, { schema: './apps/web/db/schema/' })
  expect(read(host, 'prisma/schema.prisma')).toBe(HOST_SCHEMA)
  expect(codeOf(() => add(hostWith(two), { schema: '../elsewhere.prisma' })).code).toBe('usage')
})
