/**
 * Reads and checks password hashes that another system made with scrypt or argon2. Such a hash is verified until
 * its owner signs in; it is then replaced by one of ours. Promise: a hash whose check would take more memory or time
 * than the bounds below is never computed, whoever wrote the hash.
 *
 * Three forms are known: argon2 and scrypt in the PHC string format, and `salt:key` in hex, as Better Auth and Lucia
 * write scrypt.
 *
 * @see https://github.com/P-H-C/phc-string-format/blob/master/phc-sf-spec.md
 * @module
 */

import { createHash, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'
import { join } from 'node:path'

/** A hash with its parameters. Memory is in KiB. */
export type ImportedHash = Scrypt | Argon2

interface Hash {
  salt: Buffer
  key: Buffer
}

interface Scrypt extends Hash {
  kind: 'scrypt'
  /** The cost, a power of two. */
  cost: number
  blockSize: number
  parallelism: number
}

interface Argon2 extends Hash {
  kind: 'argon2'
  variant: 'argon2d' | 'argon2i' | 'argon2id'
  memory: number
  passes: number
  parallelism: number
}

/**
 * The most memory that one check may take, in KiB: 128 MiB and a rest for scrypt's own buffers. Two checks run at a
 * time.
 */
const MOST_MEMORY = 130 * 1024

/**
 * The most work of one check, as the memory that it fills in KiB. scrypt is slower than argon2 for the same memory.
 * A check of this much takes about as long as bcrypt with 12 rounds, to which every check is filled up.
 */
const MOST_WORK = { scrypt: 64 * 1024, argon2: 256 * 1024 } as const

/** The bounds of a hash that came into the database unchecked. bcrypt with 15 rounds takes eight times as long as 12. */
const MOST_STORED = 8

const PHC_SCRYPT =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,5}),p=(\d{1,5})\$([A-Za-z0-9+/]{1,128})\$([A-Za-z0-9+/]{22,128})$/
const PHC_ARGON2 =
  /^\$(argon2id|argon2i|argon2d)\$v=19\$m=(\d{1,9}),t=(\d{1,9}),p=(\d{1,5})\$([A-Za-z0-9+/]{11,128})\$([A-Za-z0-9+/]{22,128})$/
/** scrypt with N=16384, r=16, p=1 and a key of 64 bytes. The salt is used as the text that it is. */
const HEX_SCRYPT = /^(?:s2:)?([A-Za-z0-9]{8,64}):([0-9a-fA-F]{128})$/

/** The parts of a hash of scrypt or argon2; null for any other text. The parameters are not checked. */
export function readImported(hash: string): ImportedHash | null {
  const hex = HEX_SCRYPT.exec(hash)
  if (hex) {
    const [, salt = '', key = ''] = hex
    const parts = { salt: Buffer.from(salt), key: Buffer.from(key, 'hex') }
    return { kind: 'scrypt', cost: 16_384, blockSize: 16, parallelism: 1, ...parts }
  }
  const scrypted = PHC_SCRYPT.exec(hash)
  if (scrypted) {
    const [, log, blockSize, parallelism, salt = '', key = ''] = scrypted
    const cost = 2 ** Number(log)
    const numbers = { cost, blockSize: Number(blockSize), parallelism: Number(parallelism) }
    return { kind: 'scrypt', ...numbers, ...bytesOf(salt, key) }
  }
  const argon = PHC_ARGON2.exec(hash)
  if (!argon) return null
  const [, variant, memory, passes, parallelism, salt = '', key = ''] = argon
  return {
    kind: 'argon2',
    variant: variant as Argon2['variant'],
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
    ...bytesOf(salt, key),
  }
}

const bytesOf = (salt: string, key: string): Hash => ({
  salt: Buffer.from(salt, 'base64'),
  key: Buffer.from(key, 'base64'),
})

/** Memory and work of a check, in KiB. */
function costOf(hash: ImportedHash): { memory: number; work: number } {
  if (hash.kind === 'argon2') return { memory: hash.memory, work: hash.memory * hash.passes }
  const { cost, blockSize, parallelism } = hash
  // Each of the parallel parts is computed in turn, in memory of its own.
  const each = (128 * blockSize * cost) / 1024
  return { memory: each + (128 * blockSize * parallelism) / 1024, work: each * parallelism }
}

/** Whether the parameters are values that the algorithm allows. */
function isValid(hash: ImportedHash): boolean {
  if (hash.parallelism < 1 || hash.parallelism > 64) return false
  if (hash.kind === 'argon2') return hash.passes >= 1 && hash.memory >= 8 * hash.parallelism
  // RFC 7914 bounds the cost by the size of a block.
  return hash.blockSize >= 1 && hash.cost >= 2 && Math.log2(hash.cost) < 16 * hash.blockSize
}

/**
 * Whether a check stays within the bounds, for hosts whose own hashes take `rounds` rounds of bcrypt. Each round more
 * allows twice the work, because a check must not take longer than one of our own hashes. Otherwise an answer's time
 * would tell that the address has an account.
 */
export function isAffordable(hash: ImportedHash, rounds: number): boolean {
  return fits(hash, 2 ** Math.max(0, rounds - 12))
}

function fits(hash: ImportedHash, share: number): boolean {
  const { memory, work } = costOf(hash)
  return isValid(hash) && memory <= MOST_MEMORY && work <= MOST_WORK[hash.kind] * share
}

/** Whether the password fits. False for a hash beyond all bounds, and for argon2 where nothing computes it. */
export async function fitsImported(hash: ImportedHash, password: string): Promise<boolean> {
  if (!fits(hash, MOST_STORED)) return false
  const found =
    hash.kind === 'scrypt' ? await byScrypt(hash, password) : await byArgon2(hash, password)
  // Keys of unequal length are compared, too.
  return found !== null && timingSafeEqual(digest(found), digest(hash.key))
}

const digest = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest()

function byScrypt(hash: Scrypt, password: string): Promise<Buffer> {
  const { salt, key, cost, blockSize, parallelism } = hash
  const options: ScryptOptions = { cost, blockSize, parallelization: parallelism, maxmem: 2 ** 28 }
  return new Promise((done, fail) =>
    scrypt(password, salt, key.length, options, (error, found) =>
      error ? fail(error) : done(found),
    ),
  )
}

/** `argon2` of Node 24.7 and later. The types of Node 20 do not know it. */
type NodeArgon2 = (
  variant: Argon2['variant'],
  parameters: {
    message: string
    nonce: Buffer
    parallelism: number
    tagLength: number
    memory: number
    passes: number
  },
  done: (error: Error | null, found: Buffer) => void,
) => void

/** The part of `@node-rs/argon2` that is used here. */
interface NativeArgon2 {
  hashRaw(
    password: string,
    options: {
      algorithm: number
      version: number
      memoryCost: number
      timeCost: number
      parallelism: number
      outputLen: number
      salt: Buffer
    },
  ): Promise<Buffer>
}

/** The numbers of the variants in `@node-rs/argon2`. */
const VARIANTS = { argon2d: 0, argon2i: 1, argon2id: 2 } as const

const NO_ARGON2 =
  'Passwords with an argon2 hash do not fit, because nothing here computes argon2. Run Node 24.7 or later, or ' +
  'install @node-rs/argon2.'

async function byArgon2(hash: Argon2, password: string): Promise<Buffer | null> {
  const { variant, memory, passes, parallelism, salt, key } = hash
  const ofNode = nodeArgon2()
  if (ofNode !== null) {
    const parameters = {
      message: password,
      nonce: salt,
      parallelism,
      tagLength: key.length,
      memory,
      passes,
    }
    return new Promise((done, fail) =>
      ofNode(variant, parameters, (error, found) => (error ? fail(error) : done(found))),
    )
  }
  const native = nativeArgon2()
  if (native === null) {
    process.emitWarning(NO_ARGON2, '@repo/auth')
    return null
  }
  const options = { memoryCost: memory, timeCost: passes, parallelism, outputLen: key.length, salt }
  // Version 1 is the algorithm's version 0x13, which the hash names `v=19`.
  return native.hashRaw(password, { algorithm: VARIANTS[variant], version: 1, ...options })
}

function nodeArgon2(): NodeArgon2 | null {
  const { argon2 } = process.getBuiltinModule('node:crypto') as unknown as { argon2?: NodeArgon2 }
  return argon2 ?? null
}

/** The loaded package, so that it is looked for only until it is found. */
let loaded: NativeArgon2 | undefined

/** Loads the optional package, which a bundler must not look for; from this package, or else from the host's. */
function nativeArgon2(): NativeArgon2 | null {
  if (loaded) return loaded
  const { createRequire } = process.getBuiltinModule('node:module')
  for (const from of [import.meta.url, join(process.cwd(), 'package.json')]) {
    try {
      loaded = createRequire(from)('@node-rs/argon2') as NativeArgon2
      return loaded
    } catch {
      // The next place may have it.
    }
  }
  return null
}

/** Whether this process can check argon2. */
export const hasArgon2 = (): boolean => nodeArgon2() !== null || nativeArgon2() !== null
