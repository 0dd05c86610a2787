/** Credentials of an organization: written, listed without, opened, rotated, and bound to their row. */

import { createEncryption } from '@repo/core/encryption'
import { createTestDatabase, type TestDatabase } from '@repo/db/testing'
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest'
import { createIntegrations, forOrganization, type Integrations } from '../index.ts'

const OLD = '0f'.repeat(32)
const NEW = 'a1'.repeat(32)
const SECRET = { apiKey: 'hunter2', port: 993, nested: { on: true, none: null } }

let database: TestDatabase
let integrations: Integrations
const withKeys = (...keys: string[]) => createIntegrations({ db: database.db, keys })

beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
  integrations = withKeys(NEW)
  await database.db.user.create({ data: { id: 'owner', name: 'Ada', email: 'ada@example.com' } })
  for (const id of ['org_a', 'org_b']) {
    const members = { create: [{ id, userId: 'owner', role: 'OWNER' }] }
    await database.db.organization.create({ data: { id, name: id, slug: id, members } })
  }
})
afterAll(() => database.drop())
beforeEach(() => database.db.integration.deleteMany())

const rows = () =>
  database.db.integration.findMany({ orderBy: [{ organizationId: 'asc' }, { type: 'asc' }] })

test('a saved secret can be read back, is listed without its value, and is encrypted in the table', async () => {
  const saved = await integrations.saveIntegration('org_a', 'crm', SECRET)
  expect(saved).toEqual({ type: 'crm', createdAt: expect.any(Date), updatedAt: expect.any(Date) })
  expect(await integrations.getCredentials('org_a', 'crm')).toEqual(SECRET)
  await integrations.saveIntegration('org_a', 'calendar', { token: 't' })
  const listed = await integrations.listIntegrations('org_a')
  expect(listed.map((one) => Object.keys(one).sort().join())).toEqual([
    'createdAt,type,updatedAt',
    'createdAt,type,updatedAt',
  ])
  expect(listed.map(({ type }) => type)).toEqual(['calendar', 'crm'])
  expect(JSON.stringify(await rows())).not.toContain('hunter2')
})

test('saving again replaces the secret, also in many calls at once', async () => {
  const first = await integrations.saveIntegration('org_a', 'crm', { apiKey: 'first' })
  await integrations.saveIntegration('org_a', 'crm', { apiKey: 'second' })
  expect(await integrations.getCredentials('org_a', 'crm')).toEqual({ apiKey: 'second' })
  const many = Array.from({ length: 8 }, (_, n) =>
    integrations.saveIntegration('org_a', 'mail', { apiKey: `${n}` }),
  )
  await Promise.all(many)
  const stored = await rows()
  expect(stored.map(({ type }) => type)).toEqual(['crm', 'mail'])
  expect(stored[0]?.createdAt).toEqual(first.createdAt)
})

test('promise 6: two organizations can save the same type, and each sees only its own', async () => {
  await integrations.saveIntegration('org_a', 'crm', { apiKey: 'of a' })
  await integrations.saveIntegration('org_b', 'crm', { apiKey: 'of b' })
  await integrations.saveIntegration('org_b', 'mail', { apiKey: 'of b' })
  expect(await integrations.getCredentials('org_a', 'crm')).toEqual({ apiKey: 'of a' })
  expect(await integrations.listIntegrations('org_a')).toHaveLength(1)
  expect(await integrations.getCredentials('org_a', 'mail')).toBeNull()
  expect(await integrations.deleteIntegration('org_a', 'mail')).toBe(false)
  expect(await integrations.deleteIntegration('org_a', 'crm')).toBe(true)
  expect(await integrations.deleteIntegration('org_a', 'crm')).toBe(false)
  expect(await integrations.getCredentials('org_b', 'crm')).toEqual({ apiKey: 'of b' })
})

test('credentials copied into another row cannot be decrypted there', async () => {
  await integrations.saveIntegration('org_a', 'crm', SECRET)
  await integrations.saveIntegration('org_b', 'crm', { apiKey: 'of b' })
  await integrations.saveIntegration('org_b', 'mail', { apiKey: 'of b' })
  const [stolen] = await rows()
  await database.db.integration.updateMany({
    where: { organizationId: 'org_b' },
    data: { credentials: stolen?.credentials ?? '' },
  })
  for (const type of ['crm', 'mail']) {
    await expect(integrations.getCredentials('org_b', type)).rejects.toMatchObject({
      code: 'decryption_failed',
    })
  }
})

test('rotation encrypts every row with the first key and names rows that no key decrypts', async () => {
  const before = withKeys(OLD)
  await before.saveIntegration('org_a', 'crm', SECRET)
  await before.saveIntegration('org_b', 'crm', { apiKey: 'of b' })
  const broken = await database.db.integration.create({
    data: { organizationId: 'org_b', type: 'mail', credentials: 'v1.00000000.AAAA' },
  })
  const during = withKeys(NEW, OLD)
  await during.saveIntegration('org_b', 'new', SECRET)
  expect(await during.reencryptIntegrations()).toEqual({ rotated: 2, unreadable: [broken.id] })
  expect(await during.reencryptIntegrations()).toEqual({ rotated: 0, unreadable: [broken.id] })
  expect(await integrations.getCredentials('org_a', 'crm')).toEqual(SECRET)
  expect(await integrations.getCredentials('org_b', 'crm')).toEqual({ apiKey: 'of b' })
  await expect(before.getCredentials('org_a', 'crm')).rejects.toMatchObject({
    code: 'unknown_encryption_key',
  })
})

test('rotation goes through more rows than it reads at once', async () => {
  const encryption = createEncryption([OLD])
  const data = await Promise.all(
    Array.from({ length: 205 }, async (_, n) => ({
      organizationId: 'org_a',
      type: `t${n}`,
      credentials: await encryption.encrypt('{}', ['Integration', 'org_a', `t${n}`]),
    })),
  )
  await database.db.integration.createMany({ data })
  expect(await withKeys(NEW, OLD).reencryptIntegrations()).toEqual({ rotated: 205, unreadable: [] })
})

const loop: Record<string, unknown> = {}
loop.self = loop
test.each([
  ['no type', '', SECRET],
  ['a type with capitals', 'CRM', SECRET],
  ['a type with a space', 'c rm', SECRET],
  ['a long type', 'x'.repeat(65), SECRET],
  ['a type that is no text', 7, SECRET],
  ['no credentials', 'crm', undefined],
  ['null', 'crm', null],
  ['a bare secret', 'crm', 'hunter2'],
  ['a list', 'crm', ['hunter2']],
  ['a cycle', 'crm', loop],
  ['a bigint', 'crm', { hunter2: 1n }],
  ['too much', 'crm', { apiKey: 'hunter2'.repeat(3_000) }],
])('%s is refused, and the error does not repeat it', async (_, type, credentials) => {
  const saving = integrations.saveIntegration('org_a', type as string, credentials as never)
  const error = await saving.catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'invalid_integration', status: 400 })
  expect(String(error)).not.toContain('hunter2')
  expect(await rows()).toEqual([])
})

test.each(['', undefined])('without an organization (%j) the call is refused', async (nobody) => {
  const none = nobody as string
  const refused = { code: 'organization_required', status: 400 }
  await expect(integrations.listIntegrations(none)).rejects.toMatchObject(refused)
  await expect(integrations.getCredentials(none, 'crm')).rejects.toMatchObject(refused)
  await expect(integrations.saveIntegration(none, 'crm', SECRET)).rejects.toMatchObject(refused)
  await expect(integrations.deleteIntegration(none, 'crm')).rejects.toMatchObject(refused)
})

test('deleting an organization deletes its credentials', async () => {
  const members = { create: [{ id: 'org_c', userId: 'owner', role: 'OWNER' }] }
  await database.db.organization.create({ data: { id: 'org_c', name: 'c', slug: 'c', members } })
  await integrations.saveIntegration('org_c', 'crm', SECRET)
  await forOrganization(database.db, 'org_c').organization.delete({ where: { id: 'org_c' } })
  expect(await rows()).toEqual([])
})
