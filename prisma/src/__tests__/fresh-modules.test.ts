/** What a test file leaves behind in its process, and that the next file finds none of it. */

import { AsyncLocalStorage } from 'node:async_hooks'
import { expect, inject, test, vi } from 'vitest'
import { createTestDatabase } from '../testing/database.ts'

/** What happens before the next file. */
async function nextFile(): Promise<void> {
  vi.resetModules()
  await import('../testing/fresh-modules.ts')
}

test('a test file finds the environment of the process', async () => {
  const { PATH } = process.env
  process.env.PATH = '/left-behind'
  process.env.LEFT_BEHIND = 'yes'
  await nextFile()
  expect(process.env.PATH).toBe(PATH)
  expect(process.env).not.toHaveProperty('LEFT_BEHIND')
})

test('a test file loads modules of its own, and the default client uses that file’s DATABASE_URL', async () => {
  const databases = [
    await createTestDatabase(inject('postgres')),
    await createTestDatabase(inject('postgres')),
  ]
  const clients: unknown[] = []
  for (const { url } of databases) {
    await nextFile()
    process.env.DATABASE_URL = url
    const { db } = await import('../client.ts')
    const [{ name }] = await db.$queryRaw<[{ name: string }]>`SELECT current_database() AS "name"`
    expect(url.endsWith(`/${name}`)).toBe(true)
    clients.push(db)
  }
  expect(clients[0]).not.toBe(clients[1])
  await nextFile()
  for (const database of databases) await database.drop()
})

test('the async storage of a test file does not reach the next file', async () => {
  const storage = new AsyncLocalStorage<string>()
  await storage.run('kept', async () => {
    expect(storage.getStore()).toBe('kept')
    await nextFile()
    expect(storage.getStore()).toBeUndefined()
  })
  storage.run('kept again', () => expect(storage.getStore()).toBe('kept again'))
})
