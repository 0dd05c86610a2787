/** The mailbox over an outbox folder. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { start } from './harness.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sandbox-mail-'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

const mail = (id: string, more: object = {}) => ({
  id,
  template: 'WelcomeEmail',
  to: 'Ada@example.com',
  from: 'Tollgate <hello@example.com>',
  subject: `Hello & welcome ${id}`,
  html: '<html><head><style>a{}</style></head><body><a href="http://localhost:3000/v?token=t">go</a><script>1</script></body></html>',
  text: 'Go: <http://localhost:3000/v>',
  headers: { 'x-entity-ref-id': id },
  idempotencyKey: `welcome/${id}`,
  createdAt: '2026-01-01T00:00:00Z',
  ...more,
})

const put = (name: string, value: unknown) =>
  writeFile(join(root, 'outbox', name), typeof value === 'string' ? value : JSON.stringify(value))

async function running() {
  const made = await start({ outboxDir: join(root, 'outbox') })
  const get = async (path: string) => {
    const response = await fetch(new URL(path, made.url))
    return { response, text: await response.text() }
  }
  return { ...made, get }
}

test('mails are listed newest first, and a folder that is not there yet is empty', async () => {
  const { get, sandbox } = await running()
  expect((await get('/mailbox')).text).toContain('No mail yet')
  await mkdir(join(root, 'outbox', 'keys'), { recursive: true })
  await put('m_1.json', mail('m_1'))
  await put('m-2.json', mail('m-2', { createdAt: '2026-01-02T00:00:00Z', to: 'bob@example.com' }))
  await put('m_3.json.tmp', '{"half":')
  await put('m_4.json', '{"half":')
  await put('m_5.json', { id: 'm_5', subject: 'no reader, no date' })
  await put('m.6.json', mail('m.6'))
  const { text } = await get('/mailbox')
  expect(text.indexOf('/mailbox/m-2')).toBeGreaterThan(0)
  expect(text.indexOf('/mailbox/m_1')).toBeGreaterThan(text.indexOf('/mailbox/m-2'))
  expect(text).toContain('Hello &amp; welcome m_1')
  expect((await sandbox.mailbox.messages()).map(({ id }) => id)).toEqual(['m-2', 'm_1'])

  const api = await get('/mailbox/api/messages?to=ada%40EXAMPLE.com')
  expect(JSON.parse(api.text).messages).toMatchObject([
    { id: 'm_1', idempotencyKey: 'welcome/m_1' },
  ])
  expect(api.response.headers.get('access-control-allow-origin')).toBeNull()
})

test('a mail is framed without script, and its links open in the whole window', async () => {
  await mkdir(join(root, 'outbox'))
  await put('m_1.json', mail('m_1'))
  const { get } = await running()
  const { response, text } = await get('/mailbox/m_1')
  expect(text).not.toContain('<script')
  expect(text).toContain('srcdoc="&lt;html&gt;&lt;head&gt;&lt;base target=&quot;_top&quot;&gt;')
  const sandboxed = /<iframe[^>]* sandbox="([^"]*)"/.exec(text)?.[1]
  expect(sandboxed).toBe(
    'allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation',
  )
  expect(response.headers.get('content-security-policy')).toMatch(/^default-src 'none'/)
  expect(response.headers.get('content-security-policy')).not.toContain('script-src')
  const plain = await get('/mailbox/m_1?view=text')
  expect(plain.text).toContain('Go: &lt;http://localhost:3000/v&gt;')
  expect(plain.text).not.toContain('<iframe')
})

test('an id cannot lead out of the folder', async () => {
  await mkdir(join(root, 'outbox'))
  await writeFile(join(root, 'secret.json'), JSON.stringify(mail('secret')))
  const { get } = await running()
  for (const id of ['..%2Fsecret', '%2e%2e%2fsecret', 'm_1', 'a.b']) {
    const { response, text } = await get(`/mailbox/${id}`)
    expect(response.status).toBe(404)
    expect(text).not.toContain('Hello')
  }
})
