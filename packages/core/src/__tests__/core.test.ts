/** lazy, readEnv, errors. */

import { expect, test } from 'vitest'
import { z } from 'zod'
import { isTollgateError, lazy, readEnv, TollgateError, toResponse } from '../index.ts'

test('a lazy value is made on first use, once, and behaves like the real one', () => {
  let made = 0
  class Client {
    #secret = 42
    answer() {
      return this.#secret
    }
  }
  const client = lazy(() => {
    made += 1
    return new Client()
  })
  expect(made).toBe(0)
  expect(client.answer()).toBe(42)
  expect(client.answer()).toBe(42)
  expect(client).toBeInstanceOf(Client)
  expect('answer' in client).toBe(true)
  expect(made).toBe(1)
})

test('a lazy value whose creation failed is created again at the next use', () => {
  let ready = false
  const client = lazy(() => {
    if (!ready) throw new Error('not yet')
    return { ok: true }
  })
  expect(() => client.ok).toThrow('not yet')
  ready = true
  expect(client.ok).toBe(true)
})

const schema = z.object({ A: z.string(), B: z.coerce.number(), C: z.url().optional() })

test('promise 8: one error lists every variable that is missing or malformed, and no value', () => {
  const read = () => readEnv(schema, { A: '', B: 'hunter2', C: 'not-a-url' })
  expect(read).toThrow(/ {2}A is missing\n {2}B: .*\n {2}C: /)
  expect(read).toThrow(expect.objectContaining({ code: 'invalid_environment', status: 500 }))
  expect(read).not.toThrow(/hunter2|not-a-url/)
})

test('an empty variable counts as missing', () => {
  expect(readEnv(schema, { A: 'a', B: '1', C: '' })).toEqual({ A: 'a', B: 1 })
})

test('an error of ours becomes problem+json with its code, status and headers', async () => {
  const error = new TollgateError('too_fast', 429, 'Slow down.', {
    headers: { 'retry-after': '3' },
  })
  const response = toResponse(error)
  expect(response.status).toBe(429)
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  expect(response.headers.get('retry-after')).toBe('3')
  expect(await response.json()).toEqual({
    type: 'about:blank',
    title: 'Too Many Requests',
    status: 429,
    code: 'too_fast',
    detail: 'Slow down.',
  })
})

test('an error’s own title replaces the status text', async () => {
  const error = new TollgateError('not_yet', 400, 'Do that first.', { title: 'Not set up' })
  expect(await toResponse(error).json()).toMatchObject({ title: 'Not set up', code: 'not_yet' })
})

test('promise 7: any other error is a bare 500 without details', async () => {
  const response = toResponse(new Error('password=hunter2'))
  expect(response.status).toBe(500)
  expect(await response.text()).not.toContain('hunter2')
  for (const thrown of ['text', null, undefined, { code: 'x', status: 200 }]) {
    expect(toResponse(thrown).status).toBe(500)
  }
})

test('an error of a second copy of the package is recognised', () => {
  const copy = Object.assign(new Error('no'), {
    name: 'AuthError',
    code: 'x',
    status: 401,
    headers: {},
  })
  expect(isTollgateError(copy)).toBe(true)
  expect(isTollgateError(copy, 'x')).toBe(true)
  expect(isTollgateError(copy, 'y')).toBe(false)
  expect(isTollgateError(Object.assign(new Error('no'), { code: 'ENOENT' }))).toBe(false)
})
