/** Connections that are encrypted: a certificate of the server's own will do, unless the address asks who signed it. */

import { execFileSync } from 'node:child_process'
import { chownSync, copyFileSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { createDb, createInvalidations, pendingMigrations } from '../index.ts'
import { startPostgres } from '../testing/postgres.ts'

let server: Awaited<ReturnType<typeof startPostgres>>
let url: string
beforeAll(async () => {
  server = await startPostgres()
  url = await server.createDatabase('tls')
  const folder = mkdtempSync(join(tmpdir(), 'tls-'))
  const [key, certificate] = [join(folder, 'server.key'), join(folder, 'server.crt')]
  const request = [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=localhost',
  ]
  execFileSync('openssl', [...request, '-keyout', key, '-out', certificate], { stdio: 'ignore' })
  const cluster = join(server.folder, 'cluster')
  const { uid, gid } = statSync(cluster)
  for (const name of ['server.key', 'server.crt']) {
    copyFileSync(join(folder, name), join(cluster, name))
    chownSync(join(cluster, name), uid, gid)
    execFileSync('chmod', ['600', join(cluster, name)])
  }
  rmSync(folder, { recursive: true })
  const admin = new pg.Client({ connectionString: server.adminUrl })
  await admin.connect()
  await admin.query('ALTER SYSTEM SET ssl = on')
  await admin.query('SELECT pg_reload_conf()')
  const isOn = async () => expect((await admin.query('SHOW ssl')).rows).toEqual([{ ssl: 'on' }])
  await vi.waitFor(isOn, { timeout: 60_000 })
  await admin.end()
})
afterAll(() => server.stop())

const isEncrypted = async (address: string) => {
  const db = createDb(address)
  try {
    const rows = await db.$queryRaw<{ ssl: boolean }[]>`
      SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()`
    return rows[0]?.ssl
  } finally {
    await db.$disconnect()
  }
}

test.each(['require', 'prefer', 'no-verify'])('sslmode=%s encrypts', async (mode) => {
  const address = `${url}?sslmode=${mode}`
  expect(await isEncrypted(address)).toBe(true)
  expect(await isEncrypted(`${address}&pgbouncer=true`)).toBe(true)
  expect((await pendingMigrations(address)).length).toBeGreaterThan(10)
  const heard = await new Promise((done) => {
    const heard = createInvalidations({
      url: address,
      channel: 'x',
      changes: () => 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()',
      onChange: done,
    })
    afterAll(() => heard.close())
  })
  expect(heard).toEqual({ ssl: true })
})

test('without sslmode, or with disable, nothing is encrypted', async () => {
  expect(await isEncrypted(url)).toBe(false)
  expect(await isEncrypted(`${url}?sslmode=disable`)).toBe(false)
})

test.each(['sslmode=verify-full', 'sslmode=require&uselibpqcompat=false'])(
  '%s refuses a certificate of an unknown authority',
  async (mode) => {
    await expect(isEncrypted(`${url}?${mode}`)).rejects.toThrow(/self-signed certificate/)
  },
)
