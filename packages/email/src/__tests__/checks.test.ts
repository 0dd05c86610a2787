/** `tollgate doctor`'s checks of mail, against a name server on this machine that speaks DNS over UDP. */

import { createSocket } from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import type { AddressInfo } from 'node:net'
import type { CheckResult, CheckRun } from '@repo/core/checks'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { emailChecks } from '../checks.ts'
import { createSender, sendEmail } from '../index.ts'

const RUN: CheckRun = { isLive: false, mayRehearse: false }
const LIVE: CheckRun = { isLive: true, mayRehearse: false }

/** The zone: TXT records by name. */
let zone: Record<string, string[]> = {}
const server = createSocket('udp4')
let resolver: Resolver

beforeAll(async () => {
  server.on('message', (query, from) => server.send(answerTo(query), from.port, from.address))
  await new Promise<void>((done) => server.bind(0, '127.0.0.1', done))
  resolver = resolverAt((server.address() as AddressInfo).port)
})
afterAll(() => void server.close())
afterEach(() => vi.unstubAllEnvs())

function resolverAt(port: number): Resolver {
  const made = new Resolver()
  made.setServers([`127.0.0.1:${port}`])
  return made
}

/** The answer to a query with one question (RFC 1035, 4.1). */
function answerTo(query: Buffer): Buffer {
  const labels: string[] = []
  let at = 12
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += length + 1
  }
  const question = query.subarray(12, at + 5)
  const texts = zone[labels.join('.').toLowerCase()]
  const head = Buffer.from(query.subarray(0, 12))
  head.writeUInt16BE(texts ? 0x8180 : 0x8183, 2)
  head.writeUInt16BE(texts?.length ?? 0, 6)
  head.writeUInt32BE(0, 8)
  const records = (texts ?? []).map((text) => {
    const parts = text.match(/[\s\S]{1,255}/g) ?? ['']
    const data = Buffer.concat(
      parts.map((part) => Buffer.concat([Buffer.from([part.length]), Buffer.from(part)])),
    )
    // A pointer to the question's name, TXT, IN, a lifetime of a minute.
    const record = Buffer.from([0xc0, 0x0c, 0, 16, 0, 1, 0, 0, 0, 60, 0, 0])
    record.writeUInt16BE(data.length, 10)
    return Buffer.concat([record, data])
  })
  return Buffer.concat([head, question, ...records])
}

const GOOD = {
  'send.acme.example': ['v=spf1 include:amazonses.com ~all'],
  'resend._domainkey.acme.example': [`p=${'MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCB'.repeat(12)}`],
  '_dmarc.acme.example': ['v=DMARC1; p=quarantine; rua=mailto:dmarc@acme.example'],
}

async function results(
  run: CheckRun = RUN,
  sender?: object,
  names: Resolver = resolver,
): Promise<Record<string, CheckResult>> {
  const found: Record<string, CheckResult> = {}
  for (const { id, run: measure } of emailChecks(run, sender, { resolver: names }))
    found[id.slice('email.'.length)] = await measure()
  return found
}

/** The default sender, with Resend. */
function useResend(from = 'Acme <hello@acme.example>'): void {
  vi.stubEnv('RESEND_API_KEY', 're_test_key')
  vi.stubEnv('EMAIL_FROM', from)
}

test('all is well with SPF, DKIM and DMARC of the sender', async () => {
  useResend()
  zone = GOOD
  expect(await results(LIVE)).toEqual({
    sender: {
      state: 'ok',
      says: 'Mails go through Resend, from the domain acme.example.',
      advice: null,
    },
    spf: { state: 'ok', says: expect.stringContaining('send.acme.example'), advice: null },
    dkim: { state: 'ok', says: 'resend._domainkey.acme.example has a DKIM key.', advice: null },
    dmarc: { state: 'ok', says: '_dmarc.acme.example has the policy quarantine.', advice: null },
  })
})

test.each<[string, Record<string, string[]>, string, string]>([
  ['no record at all', {}, 'spf', 'send.acme.example and acme.example have no SPF record.'],
  [
    'another provider in SPF',
    { 'acme.example': ['v=spf1 include:_spf.google.com -all'] },
    'spf',
    'The SPF record of acme.example does not name the provider.',
  ],
  [
    'two SPF records',
    { 'send.acme.example': ['v=spf1 -all', 'v=spf1 include:amazonses.com -all'] },
    'spf',
    'send.acme.example has 2 SPF records, so receivers ignore them all.',
  ],
  [
    'SPF that lets everybody send',
    { 'send.acme.example': ['v=spf1 include:amazonses.com +all'] },
    'spf',
    'The SPF record of send.acme.example lets everybody send (+all).',
  ],
  ['no key', {}, 'dkim', 'resend._domainkey.acme.example has no DKIM key.'],
  [
    'a withdrawn key',
    { 'resend._domainkey.acme.example': ['v=DKIM1; p='] },
    'dkim',
    'The DKIM key at resend._domainkey.acme.example was withdrawn (p= is empty).',
  ],
  [
    'no DMARC',
    {},
    'dmarc',
    '_dmarc.acme.example has no DMARC record, which Gmail and Yahoo ask of senders.',
  ],
  [
    'DMARC without a policy',
    { '_dmarc.acme.example': ['v=DMARC1; rua=mailto:a@acme.example'] },
    'dmarc',
    'The DMARC record at _dmarc.acme.example has no policy.',
  ],
  [
    'two DMARC records',
    { '_dmarc.acme.example': ['v=DMARC1; p=none', 'v=DMARC1; p=reject'] },
    'dmarc',
    '_dmarc.acme.example has 2 DMARC records, so receivers ignore them all.',
  ],
])('%s is found', async (_, records, id, says) => {
  useResend()
  zone = records
  expect((await results())[id]).toMatchObject({ state: 'failed', says, advice: expect.any(String) })
})

test('a subdomain has the policy of its domain', async () => {
  useResend('hello@mail.acme.example')
  zone = GOOD
  expect((await results()).dmarc).toMatchObject({ state: 'ok' })
})

test('without a name server the records are skipped, and the reason is told', async () => {
  useResend()
  const closed = createSocket('udp4')
  await new Promise<void>((done) => closed.bind(0, '127.0.0.1', done))
  const { port } = closed.address() as AddressInfo
  closed.close()
  const found = await results(LIVE, undefined, resolverAt(port))
  for (const id of ['spf', 'dkim', 'dmarc'])
    expect(found[id]).toMatchObject({
      state: 'skipped',
      says: expect.stringMatching(/^No name server answered for \S+ \(E\w+\)\.$/),
    })
})

test('the outbox is fine on a developer’s machine, and a failure before production', async () => {
  vi.stubEnv('RESEND_API_KEY', '')
  zone = {}
  expect(await results()).toMatchObject({
    sender: {
      state: 'skipped',
      says: 'Mails are written to the outbox, and nobody receives them.',
    },
    spf: { state: 'skipped' },
  })
  expect((await results(LIVE)).sender).toMatchObject({ state: 'failed' })
  vi.stubEnv('NODE_ENV', 'production')
  expect((await results()).sender).toMatchObject({
    state: 'failed',
    says: expect.stringContaining('RESEND_API_KEY is missing'),
  })
})

test('a sender without an address, and one of an address that nobody can answer, are found', async () => {
  useResend('')
  expect((await results()).sender).toMatchObject({
    state: 'failed',
    says: expect.stringContaining('EMAIL_FROM'),
  })
  useResend('Acme <hello@localhost>')
  expect((await results(LIVE)).sender).toMatchObject({ state: 'failed' })
})

test('the host’s own transport is asked for its domain, and its own sender is left alone', async () => {
  zone = { ...GOOD, 'acme.example': ['v=spf1 mx -all'] }
  const transport = { send: async () => ({ id: 'x', provider: 'smtp', deduplicated: null }) }
  const found = await results(RUN, createSender({ transport, from: 'hello@acme.example' }))
  expect(found).toMatchObject({
    sender: { state: 'ok' },
    spf: { state: 'ok' },
    dkim: { state: 'skipped' },
    dmarc: { state: 'ok' },
  })
  const own = await results(RUN, { sendEmail: async () => ({}) })
  for (const result of Object.values(own)) expect(result.state).toBe('skipped')
  useResend()
  expect((await results(RUN, { sendEmail })).sender).toMatchObject({ state: 'ok' })
})
