/**
 * Encrypts stored secrets with AES-256-GCM. The ciphertext names its key by id and is bound by a context to
 * its row. Uses WebCrypto only, so it runs wherever `fetch` does.
 *
 * @see {@link https://csrc.nist.gov/pubs/sp/800/38/d/final | NIST SP 800-38D}
 * @module
 */

import { TollgateError } from './errors.ts'

/** Every code of an {@link EncryptionError}. */
export type EncryptionErrorCode =
  | 'decryption_failed'
  | 'invalid_encryption_keys'
  | 'malformed_ciphertext'
  | 'unknown_encryption_key'

/** An error about keys or ciphertext; its message contains neither. */
export class EncryptionError extends TollgateError<EncryptionErrorCode> {
  override readonly name = 'EncryptionError'

  constructor(code: EncryptionErrorCode, message: string) {
    super(code, 500, message)
  }
}

/**
 * Names the row a secret belongs to, for instance `['Integration', organizationId, type]`. The context is not
 * stored; a ciphertext copied to another row cannot be decrypted there.
 */
export type Context = readonly string[]

/** The options of `createEncryption`. */
export interface EncryptionOptions {
  /**
   * The form in which secrets are written; both forms can be read. `three-parts` is `iv:authTag:ciphertext`
   * in hex, for other systems that read the secrets. That form names no key and is bound to no context, so a
   * secret copied into another row can be decrypted there. Default `v1`.
   */
  format?: 'v1' | 'three-parts'
}

/** Encrypts and decrypts secrets with a list of keys. */
export interface Encryption {
  /**
   * Encrypts with the first key, as `v1.<key id>.<base64url of nonce, ciphertext and tag>` or in the form of
   * `format`.
   */
  encrypt(secret: string, context: Context): Promise<string>
  /**
   * Decrypts a ciphertext of any of the keys. Also reads the older form of three hex parts,
   * `iv:authTag:ciphertext`, which names no key and is bound to no context.
   *
   * @throws `malformed_ciphertext`, `unknown_encryption_key`, or `decryption_failed` if the ciphertext was
   *   changed or belongs to another context
   */
  decrypt(ciphertext: string, context: Context): Promise<string>
  /**
   * Encrypts the secret again, under the first key, for key rotation; null if it already is. @throws as
   * `decrypt`
   */
  reencrypt(ciphertext: string, context: Context): Promise<string | null>
}

interface Key {
  id: string
  key: CryptoKey
}
type CryptoKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>

const NONCE_BYTES = 12
const TAG_BYTES = 16
const CURRENT = /^v1\.([0-9a-f]{8})\.([\w-]+)$/
const THREE_PARTS = /^([0-9a-f]{24}|[0-9a-f]{32}):([0-9a-f]{32}):((?:[0-9a-f]{2})*)$/i

/**
 * Each key is 32 random bytes as 64 hex digits: `openssl rand -hex 32`. The first key encrypts, all keys
 * decrypt. To rotate, put a new key in front, `reencrypt` the stored secrets, and remove the old key. A key's
 * id is the first 8 hex digits of its SHA-256. One key can encrypt 2³² secrets.
 *
 * @throws `invalid_encryption_keys` for an empty list, a malformed key, or a key given twice
 */
export function createEncryption(
  keys: readonly string[],
  { format = 'v1' }: EncryptionOptions = {},
): Encryption {
  check(keys)
  let imported: Promise<Key[]> | undefined
  const ring = () => {
    imported ??= Promise.all(keys.map(importKey))
    return imported
  }

  async function decrypt(ciphertext: string, context: Context): Promise<string> {
    const [, id, body] = CURRENT.exec(ciphertext) ?? []
    if (id === undefined || body === undefined) return decryptThreeParts(ciphertext, await ring())
    const found = (await ring()).find((key) => key.id === id)
    if (!found) {
      throw new EncryptionError(
        'unknown_encryption_key',
        `The secret was encrypted with key ${id}, which is not among the keys given.`,
      )
    }
    const bytes = fromBase64url(body)
    if (bytes.length < NONCE_BYTES + TAG_BYTES) throw malformed()
    const secret = await open(found.key, bytes, bound(id, context))
    if (secret === null) throw failed()
    return secret
  }

  async function encrypt(secret: string, context: Context): Promise<string> {
    const [{ id, key }] = (await ring()) as [Key, ...Key[]]
    const iv = crypto.getRandomValues(new Uint8Array(NONCE_BYTES))
    if (format === 'three-parts') return sealThreeParts(key, iv, secret)
    const sealed = await crypto.subtle.encrypt(
      { name: 'AES-GCM', iv, additionalData: bound(id, context) },
      key,
      new TextEncoder().encode(secret),
    )
    return `v1.${id}.${toBase64url(join(iv, new Uint8Array(sealed)))}`
  }

  /** Whether the ciphertext is in the form of `format` and under the first key. */
  async function isCurrent(ciphertext: string, first: Key): Promise<boolean> {
    if (format === 'v1') return ciphertext.startsWith(`v1.${first.id}.`)
    if (!THREE_PARTS.test(ciphertext)) return false
    return decryptThreeParts(ciphertext, [first]).then(
      () => true,
      () => false,
    )
  }

  return {
    encrypt,
    decrypt,
    async reencrypt(ciphertext, context) {
      const [first] = (await ring()) as [Key, ...Key[]]
      const secret = await decrypt(ciphertext, context)
      return (await isCurrent(ciphertext, first)) ? null : encrypt(secret, context)
    },
  }
}

function check(keys: readonly string[]): void {
  const refuse = (message: string) => new EncryptionError('invalid_encryption_keys', message)
  if (keys.length === 0) throw refuse('No encryption key is given. Give at least one.')
  keys.forEach((key, index) => {
    if (!/^[0-9a-f]{64}$/i.test(key)) {
      throw refuse(
        `Encryption key ${index + 1} is not 64 hex digits; it has ${key.length} characters.`,
      )
    }
  })
  const distinct = new Set(keys.map((key) => key.toLowerCase()))
  if (distinct.size < keys.length) throw refuse('An encryption key is given twice.')
}

async function importKey(hex: string): Promise<Key> {
  const bytes = fromHex(hex)
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  const id = toHex(digest.subarray(0, 4))
  const key = await crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt', 'decrypt'])
  return { id, key }
}

async function sealThreeParts(
  key: CryptoKey,
  iv: Uint8Array<ArrayBuffer>,
  secret: string,
): Promise<string> {
  const bytes = new TextEncoder().encode(secret)
  const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, bytes))
  const tag = sealed.subarray(-TAG_BYTES)
  return [iv, tag, sealed.subarray(0, -TAG_BYTES)].map(toHex).join(':')
}

/** This form names no key, so each key is tried; the authentication tag shows which one fits. */
async function decryptThreeParts(ciphertext: string, keys: Key[]): Promise<string> {
  const [, iv, tag, body] = THREE_PARTS.exec(ciphertext) ?? []
  if (iv === undefined || tag === undefined || body === undefined) throw malformed()
  const sealed = fromHex(iv + body + tag)
  for (const { key } of keys) {
    const secret = await open(key, sealed, undefined, iv.length / 2)
    if (secret !== null) return secret
  }
  throw failed()
}

/** Returns null if the key, the context or the bytes do not match. */
async function open(
  key: CryptoKey,
  bytes: Uint8Array<ArrayBuffer>,
  additionalData?: Uint8Array<ArrayBuffer>,
  nonceBytes = NONCE_BYTES,
): Promise<string | null> {
  const iv = bytes.subarray(0, nonceBytes)
  try {
    const plain = await crypto.subtle.decrypt(
      { name: 'AES-GCM', iv, ...(additionalData ? { additionalData } : {}) },
      key,
      bytes.subarray(nonceBytes),
    )
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(plain)
  } catch {
    return null
  }
}

/** Version, key id and context as unambiguous JSON, so that none of them can be exchanged for another. */
const bound = (id: string, context: Context) =>
  new TextEncoder().encode(JSON.stringify(['v1', id, ...context]))

const malformed = () =>
  new EncryptionError(
    'malformed_ciphertext',
    'The stored secret is malformed: it is neither v1 nor three hex parts.',
  )
const failed = () =>
  new EncryptionError(
    'decryption_failed',
    'The stored secret cannot be decrypted: it was changed, belongs to another row, or its key is missing.',
  )

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}

function fromHex(hex: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(hex.length / 2)
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(hex.slice(i * 2, i * 2 + 2), 16)
  return bytes
}

const toHex = (bytes: Uint8Array) =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')

const toBase64url = (bytes: Uint8Array) =>
  btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')

function fromBase64url(text: string): Uint8Array<ArrayBuffer> {
  try {
    const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
    return Uint8Array.from(binary, (sign) => sign.charCodeAt(0))
  } catch {
    throw malformed()
  }
}
