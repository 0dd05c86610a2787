/** The file outbox: whole files, one per key, a log line without secrets. */

import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTestLogger } from '@repo/core/testing'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createSender, outboxTransport, sendEmail } from '../index.ts'

let folder: string
beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'outbox-')), 'mails')
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(join(folder, '..'), { recursive: true })
})

const props = { name: 'Ada', verifyUrl: 'https://acme.example/verify?token=very-secret' }

test('without a key and outside production a mail becomes a file that only its owner can read', async () => {
  vi.stubEnv('RESEND_API_KEY', '')
  vi.stubEnv('EMAIL_OUTBOX_DIR', folder)
  const { id, provider } = await createSender({ logger: createTestLogger() }).sendEmail(
    'WelcomeEmail',
    'ada@example.com',
    props,
  )
  expect(provider).toBe('outbox')
  expect(await readdir(folder)).toEqual([`${id}.json`])
  const file = join(folder, `${id}.json`)
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect((await stat(folder)).mode & 0o777).toBe(0o700)
  expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({
    id,
    template: 'WelcomeEmail',
    to: 'ada@example.com',
    subject: 'Please confirm your address',
    html: expect.stringContaining(props.verifyUrl),
    text: expect.stringContaining(props.verifyUrl),
    createdAt: expect.stringMatching(/^\d{4}-/),
  })
})

test('promise 7: the log has one line, with the address of the mail’s page and nothing secret', async () => {
  const logger = createTestLogger()
  const transport = outboxTransport({ folder, mailboxUrl: 'http://127.0.0.1:4242/mailbox', logger })
  const { id } = await createSender({ transport }).sendEmail(
    'WelcomeEmail',
    'ada@example.com',
    props,
  )
  expect(logger.entries).toHaveLength(1)
  expect(logger.text).toContain(`http://127.0.0.1:4242/mailbox/${id}`)
  expect(logger.text).not.toContain('very-secret')
  expect(logger.text).not.toContain('ada@')
})

test('twenty senders with one key leave one mail', async () => {
  const { sendEmail } = createSender({
    transport: outboxTransport({ folder, logger: createTestLogger() }),
  })
  const results = await Promise.all(
    Array.from({ length: 20 }, () =>
      sendEmail('WelcomeEmail', 'ada@example.com', props, { idempotencyKey: 'welcome/1' }),
    ),
  )
  expect(results.filter(({ deduplicated }) => !deduplicated)).toHaveLength(1)
  expect(new Set(results.map(({ id }) => id)).size).toBe(1)
  expect(await readdir(folder)).toHaveLength(1)
})

test('one key for two different mails is a conflict, and the first mail stays', async () => {
  const { sendEmail } = createSender({
    transport: outboxTransport({ folder, logger: createTestLogger() }),
  })
  await sendEmail('WelcomeEmail', 'ada@example.com', props, { idempotencyKey: '../../etc/x' })
  const other = sendEmail('WelcomeEmail', 'bob@example.com', props, {
    idempotencyKey: '../../etc/x',
  })
  await expect(other).rejects.toMatchObject({ code: 'idempotency_conflict' })
  const files = await readdir(folder)
  expect(files).toHaveLength(1)
  expect(files[0]).toMatch(/^[a-f0-9]{32}\.json$/)
})

test('importing every entry with an empty environment reads nothing and works', async () => {
  const before = process.env
  const reads: string[] = []
  process.env = new Proxy({} as NodeJS.ProcessEnv, {
    get(target, key) {
      if (typeof key === 'string' && /RESEND|EMAIL/.test(key)) reads.push(key)
      return Reflect.get(target, key)
    },
  })
  vi.resetModules()
  try {
    for (const entry of ['../index.ts', '../templates/index.ts', '../testing.ts']) {
      expect(Object.keys(await import(entry)).length).toBeGreaterThan(0)
    }
  } finally {
    process.env = before
  }
  expect(reads).toEqual([])
  expect(sendEmail).toBeTypeOf('function')
})
