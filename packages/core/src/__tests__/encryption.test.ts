/** Secrets open with their key in their own row, and nowhere else. */

import { createCipheriv, createDecipheriv, createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createEncryption } from '../encryption.ts'

const OLD = '0f'.repeat(32)
const NEW = 'a1'.repeat(32)
const ROW = ['Integration', 'org_1', 'crm']
const SECRET = '{"apiKey":"hunter2 – ключ"}'

const idOf = (key: string) => createHash('sha256').update(key, 'hex').digest('hex').slice(0, 8)

/** The older form, as guides write it with node:crypto. */
function threeParts(secret: string, key: string, ivBytes: number): string {
  const iv = Buffer.alloc(ivBytes, 7)
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(key, 'hex'), iv)
  const body = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()])
  return [iv, cipher.getAuthTag(), body].map((part) => part.toString('hex')).join(':')
}

test.each(['', 'a', SECRET, '\ufeffwith a mark', 'x'.repeat(70_000)])(
  'a secret comes back as it was',
  async (secret) => {
    const encryption = createEncryption([NEW])
    const ciphertext = await encryption.encrypt(secret, ROW)
    expect(await encryption.decrypt(ciphertext, ROW)).toBe(secret)
    expect(await encryption.encrypt(secret, ROW)).not.toBe(ciphertext)
  },
)

test('the ciphertext names its key, and is AES-256-GCM to any other library', async () => {
  const ciphertext = await createEncryption([NEW, OLD]).encrypt(SECRET, ROW)
  const [version, id, body = ''] = ciphertext.split('.')
  expect([version, id]).toEqual(['v1', idOf(NEW)])
  const bytes = Buffer.from(body, 'base64url')
  const decipher = createDecipheriv('aes-256-gcm', Buffer.from(NEW, 'hex'), bytes.subarray(0, 12))
  decipher.setAAD(Buffer.from(JSON.stringify(['v1', idOf(NEW), ...ROW])))
  decipher.setAuthTag(bytes.subarray(-16))
  const plain = Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()])
  expect(plain.toString()).toBe(SECRET)
})

test('the first key encrypts, every key decrypts, and rotation leaves nothing encrypted with the old key', async () => {
  const before = createEncryption([OLD])
  const ciphertext = await before.encrypt(SECRET, ROW)
  const during = createEncryption([NEW, OLD])
  expect(await during.decrypt(ciphertext, ROW)).toBe(SECRET)

  const rotated = (await during.reencrypt(ciphertext, ROW)) ?? ''
  expect(await during.reencrypt(rotated, ROW)).toBeNull()
  const after = createEncryption([NEW])
  expect(await after.decrypt(rotated, ROW)).toBe(SECRET)
  await expect(after.decrypt(ciphertext, ROW)).rejects.toMatchObject({
    code: 'unknown_encryption_key',
    message: expect.stringContaining(idOf(OLD)),
  })
})

test.each([12, 16])(
  'the older form with an iv of %i bytes is decrypted with any key and is rotated',
  async (ivBytes) => {
    const encryption = createEncryption([NEW, OLD])
    const older = threeParts(SECRET, OLD, ivBytes)
    expect(await encryption.decrypt(older, ROW)).toBe(SECRET)
    expect(await encryption.decrypt(older.toUpperCase(), ROW)).toBe(SECRET)
    const rotated = (await encryption.reencrypt(older, ROW)) ?? ''
    expect(rotated).toMatch(/^v1\./)
    expect(await createEncryption([NEW]).decrypt(rotated, ROW)).toBe(SECRET)
    await expect(createEncryption([NEW]).decrypt(older, ROW)).rejects.toMatchObject({
      code: 'decryption_failed',
    })
  },
)

test.each([
  ['another organization', ['Integration', 'org_2', 'crm']],
  ['another type', ['Integration', 'org_1', 'calendar']],
  ['a part less', ['Integration', 'org_1']],
  ['the same letters, cut elsewhere', ['Integration', 'org_1c', 'rm']],
  ['nothing', []],
])('a secret cannot be decrypted in %s', async (_, context) => {
  const encryption = createEncryption([NEW])
  const ciphertext = await encryption.encrypt(SECRET, ROW)
  await expect(encryption.decrypt(ciphertext, context)).rejects.toMatchObject({
    code: 'decryption_failed',
    status: 500,
  })
})

test('no character of a ciphertext can be changed', async () => {
  const encryption = createEncryption([NEW])
  const ciphertext = await encryption.encrypt('short', ROW)
  for (let i = 0; i < ciphertext.length; i++) {
    // The last sign of base64url may hold bits that stand for nothing; its neighbour does not.
    if (i === ciphertext.length - 1 && ciphertext.length % 4 !== 0) continue
    const other = ciphertext[i] === 'b' ? 'c' : 'b'
    const changed = ciphertext.slice(0, i) + other + ciphertext.slice(i + 1)
    await expect(encryption.decrypt(changed, ROW), `sign ${i}`).rejects.toMatchObject({
      name: 'EncryptionError',
    })
  }
})

const iv = '00'.repeat(12)
const tag = '00'.repeat(16)
const id = idOf(NEW)
test.each([
  ['nothing', '', 'malformed_ciphertext'],
  ['plain text', 'hunter2', 'malformed_ciphertext'],
  ['another version', `v2.${id}.AAAA`, 'malformed_ciphertext'],
  ['no body', `v1.${id}.`, 'malformed_ciphertext'],
  ['a body shorter than nonce and tag', `v1.${id}.${'A'.repeat(36)}`, 'malformed_ciphertext'],
  ['a body that is no base64', `v1.${id}.A`, 'malformed_ciphertext'],
  ['zeros', `v1.${id}.${'A'.repeat(40)}`, 'decryption_failed'],
  ['an unknown key', `v1.00000000.${'A'.repeat(40)}`, 'unknown_encryption_key'],
  ['a line break behind it', `v1.${id}.${'A'.repeat(40)}\n`, 'malformed_ciphertext'],
  ['two hex parts', `${iv}:${tag}`, 'malformed_ciphertext'],
  ['four hex parts', `${iv}:${tag}:00:00`, 'malformed_ciphertext'],
  ['a short tag', `${iv}:${tag.slice(2)}:00`, 'malformed_ciphertext'],
  ['half a byte', `${iv}:${tag}:0`, 'malformed_ciphertext'],
  ['no hex', `${iv}:${tag}:zz`, 'malformed_ciphertext'],
  ['hex zeros', `${iv}:${tag}:00`, 'decryption_failed'],
])('%s is refused without being repeated', async (_, ciphertext, code) => {
  const error = await createEncryption([NEW])
    .decrypt(ciphertext, ROW)
    .catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ name: 'EncryptionError', code })
  if (ciphertext) expect(String(error)).not.toContain(ciphertext)
})

test.each([
  ['no key', []],
  ['an empty key', ['']],
  ['a short key', ['ab'.repeat(31)]],
  ['a key that is no hex', ['xy'.repeat(32)]],
  ['a password', ['correct horse battery staple']],
  ['a bad second key', [NEW, 'hunter2']],
  ['one key twice', [NEW, NEW.toUpperCase()]],
])('%s is refused at once, and not shown', (_, keys) => {
  const create = () => createEncryption(keys)
  expect(create).toThrow(expect.objectContaining({ code: 'invalid_encryption_keys' }))
  for (const key of keys.filter(Boolean)) expect(create).not.toThrow(key)
})

describe('the three hex parts of other systems', () => {
  const keys = ['a'.repeat(64), 'b'.repeat(64)]
  const parts = createEncryption(keys, { format: 'three-parts' })

  test('are written by option, and anybody with the key can decrypt them', async () => {
    const ciphertext = await parts.encrypt('secret ä', ['Integration', 'org'])
    const [iv = '', tag = '', body = ''] = ciphertext.split(':')
    expect([iv.length, tag.length]).toEqual([24, 32])
    const decipher = createDecipheriv(
      'aes-256-gcm',
      Buffer.from('a'.repeat(64), 'hex'),
      Buffer.from(iv, 'hex'),
    )
    decipher.setAuthTag(Buffer.from(tag, 'hex'))
    const plain = Buffer.concat([decipher.update(Buffer.from(body, 'hex')), decipher.final()])
    expect(plain.toString()).toBe('secret ä')
    expect(await createEncryption(keys).decrypt(ciphertext, [])).toBe('secret ä')
  })

  test('can be read beside our own form, and are rotated into the form that is written', async () => {
    const ours = await createEncryption(keys).encrypt('secret', ['a'])
    expect(await parts.decrypt(ours, ['a'])).toBe('secret')
    const rotated = await parts.reencrypt(ours, ['a'])
    expect(rotated).toMatch(/^[0-9a-f]{24}:[0-9a-f]{32}:[0-9a-f]*$/)
    expect(await parts.reencrypt(rotated as string, ['a'])).toBeNull()
    const next = createEncryption(['c'.repeat(64), ...keys], { format: 'three-parts' })
    const again = await next.reencrypt(rotated as string, ['a'])
    expect(await next.reencrypt(again as string, ['a'])).toBeNull()
    expect(await createEncryption(['c'.repeat(64)]).decrypt(again as string, [])).toBe('secret')
  })
})
