/** Promise 7: whatever a logger is given, no secret and no address comes out. */

import { expect, test } from 'vitest'
import { createLogger, maskText, TollgateError } from '../index.ts'
import { createTestLogger } from '../testing.ts'

test.each([
  ['sk_live_51Habcdefghijkl', 'sk_live_…ijkl'],
  ['rk_test_abcdefghijkl', 'rk_test_…ijkl'],
  ['whsec_abcdefghijkl', 'whsec_…ijkl'],
  ['re_abcdefgh_ijkl', 're_…ijkl'],
  ['cal_live_abcdefghijkl', 'cal_live_…ijkl'],
])('the prefix and the last four characters of the key %s stay', (key, masked) => {
  expect(maskText(`with ${key}.`)).toBe(`with ${masked}.`)
})

test.each([
  ['sent to ada@example.com today', 'sent to [email] today'],
  ['?email=ada%40example.com&x=1', '?email=[email]&x=1'],
  ['<a.b+c@mail.example.co.uk>', '<[email]>'],
  ['Bearer abc.def-123456', 'Bearer [token]'],
  ['eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln', '[token]'],
  ['postgresql://app:hunter2@db.example:5432/app', 'postgresql://app:***@db.example:5432/app'],
  ['/reset-password?token=abc123&a=b', '/reset-password?token=***&a=b'],
])('%s becomes %s', (text, masked) => {
  expect(maskText(text)).toBe(masked)
})

test('ids, amounts and transitions stay readable', () => {
  const text = 'sub_1Pabc cus_9 evt_1 paid 2900 usd: active → past_due, reset_password ok'
  expect(maskText(text)).toBe(text)
})

test('fields are masked by name, errors by content, at any depth', () => {
  const sink = createTestLogger()
  const cause = new TollgateError('no', 400, 'for ada@example.com')
  createLogger(sink).error(
    {
      userId: 'u1',
      amount: 2900,
      clientSecret: 'pi_1_secret_2',
      headers: { Authorization: 'Basic abc', 'x-request-id': 'r1' },
      list: [{ password: 'hunter2', to: 'ada@example.com' }],
      error: new Error('sk_test_abcdefghijkl failed', { cause }),
      big: 10n,
      none: null,
    },
    'mail to ada@example.com failed',
  )
  const [entry] = sink.entries
  expect(entry?.message).toBe('mail to [email] failed')
  expect(entry?.fields).toMatchObject({
    userId: 'u1',
    amount: 2900,
    clientSecret: '***',
    headers: { Authorization: '***', 'x-request-id': 'r1' },
    list: [{ password: '***', to: '[email]' }],
    error: { message: 'sk_test_…ijkl failed', cause: { code: 'no', message: 'for [email]' } },
    big: '10',
    none: null,
  })
  expect(sink.text).not.toMatch(/hunter2|@example|abcdefgh/)
})

test('a cycle does not hang the logger', () => {
  const loop: Record<string, unknown> = {}
  loop.self = loop
  const sink = createTestLogger()
  createLogger(sink).info({ loop })
  expect(sink.entries).toHaveLength(1)
})
