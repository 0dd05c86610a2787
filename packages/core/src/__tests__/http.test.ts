/** Bodies are read up to a limit and said to be broken where they are; secrets are compared whole. */

import { expect, test } from 'vitest'
import { isSameSecret, readText } from '../http.ts'

class Refused extends Error {}

const failed = (failure: string, cause?: unknown) => new Refused(failure, { cause })
const read = (req: Request, keepsMark = false) => readText(req, { limit: 8, failed, keepsMark })
const post = (
  body: string | Uint8Array | ReadableStream | null,
  headers: Record<string, string> = {},
) =>
  new Request('http://localhost/', { method: 'POST', body, headers, duplex: 'half' } as RequestInit)

/** A body in pieces, without a length. `breaks` ends it with an error. */
const pieces = (texts: string[], breaks = false) => {
  let pulled = 0
  const stream = new ReadableStream({
    pull(controller) {
      const text = texts[pulled]
      pulled += 1
      if (text !== undefined) controller.enqueue(new TextEncoder().encode(text))
      else if (breaks) controller.error(new Error('reset'))
      else controller.close()
    },
  })
  return { stream, pulled: () => pulled }
}

test('a body up to the limit is read, also in pieces and without a body', async () => {
  expect(await read(post('12345678'))).toBe('12345678')
  expect(await read(post(pieces(['123', '45', '678']).stream))).toBe('12345678')
  expect(await read(post('äöü'))).toBe('äöü')
  expect(await read(post(null))).toBe('')
  expect(await read(new Request('http://localhost/'))).toBe('')
})

test('a byte order mark is kept if the bytes are signed', async () => {
  expect(await read(post('\uFEFFab'))).toBe('ab')
  expect(await read(post('\uFEFFab'), true)).toBe('\uFEFFab')
})

test('a body over the limit is refused, by its length or once it is reached', async () => {
  await expect(read(post('123456789'))).rejects.toThrow(new Refused('too_large'))
  await expect(read(post('1', { 'content-length': '9' }))).rejects.toThrow(new Refused('too_large'))
  const endless = pieces(Array.from({ length: 1_000 }, () => '123'))
  await expect(read(post(endless.stream))).rejects.toThrow(new Refused('too_large'))
  expect(endless.pulled()).toBeLessThan(10)
})

test('a body that was read, breaks off or is not UTF-8 is refused', async () => {
  const before = post('123')
  await before.text()
  await expect(read(before)).rejects.toThrow(new Refused('already_read'))
  await expect(read(post(pieces(['123'], true).stream))).rejects.toThrow(new Refused('broken_off'))
  await expect(read(post(new Uint8Array([0xff, 0x41])))).rejects.toThrow(new Refused('not_utf8'))
})

test('only equal secrets compare as equal', () => {
  expect(isSameSecret('secret', 'secret')).toBe(true)
  for (const other of ['', 'secre', 'secret ', 'secreT', 'sécret', 'a much longer secret']) {
    expect(isSameSecret(other, 'secret'), other).toBe(false)
  }
})
