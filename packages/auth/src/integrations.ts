/**
 * The credentials of an organization's integrations. They are encrypted in the database, only
 * `getCredentials` decrypts them, and they appear in no list, log or error.
 *
 * @module
 */

import { lazy, readEnv } from '@repo/core'
import { createEncryption, type Encryption } from '@repo/core/encryption'
import { type Database, db, forOrganization } from '@repo/db'
import * as z from 'zod'
import { AuthError } from './errors.ts'

const keyList = z.string().transform((keys) => keys.split(',').map((key) => key.trim()))

/** The environment variables with the encryption keys. */
export const integrationEnv = z.object({
  /** Keys of 64 hex digits, separated by commas. The first key encrypts, all keys decrypt. */
  ENCRYPTION_KEYS: keyList.optional(),
  /** A single key, under the name that other systems use. */
  ENCRYPTION_KEY: keyList.optional(),
})

/**
 * The keys from the environment without duplicates, `ENCRYPTION_KEYS` before `ENCRYPTION_KEY`.
 *
 * @throws `invalid_environment` if neither is set
 */
export function readEncryptionKeys(): string[] {
  const { ENCRYPTION_KEYS: several = [], ENCRYPTION_KEY: one = [] } = readEnv(integrationEnv)
  const seen = new Set(several.map((key) => key.toLowerCase()))
  const keys = [...several, ...one.filter((key) => !seen.has(key.toLowerCase()))]
  // Reading it as a required variable throws the usual error.
  return keys.length > 0 ? keys : readEnv(z.object({ ENCRYPTION_KEYS: keyList })).ENCRYPTION_KEYS
}

/** Any JSON object, 16 KiB at the most. */
export type Credentials = Record<string, unknown>

/** An integration of an organization, without its credentials. */
export interface Integration {
  /** The system that it connects to, in the host's own word, such as `crm`. */
  type: string
  /** When credentials were first saved. */
  createdAt: Date
  /** When credentials were last saved, or encrypted with another key. */
  updatedAt: Date
}

/** The result of `reencryptIntegrations`. */
export interface Reencrypted {
  /** How many rows were encrypted anew. */
  rotated: number
  /** The ids of the rows that no key decrypts. */
  unreadable: string[]
}

/** Stores and reads the credentials of integrations. */
export interface Integrations {
  /**
   * Stores the credentials of a type, and replaces the ones before.
   *
   * @throws `invalid_integration` (400) unless the type is 1 to 64 lower-case letters, digits, dots, dashes
   * or underscores, and the credentials are a JSON object of 16 KiB or less
   */
  saveIntegration(
    organizationId: string,
    type: string,
    credentials: Credentials,
  ): Promise<Integration>
  /** Lists the integrations by type, without credentials. */
  listIntegrations(organizationId: string): Promise<Integration[]>
  /**
   * The credentials of a type; null if the organization has none.
   *
   * @throws `invalid_integration` (400), `unknown_encryption_key`, `decryption_failed` or
   * `malformed_ciphertext` (500)
   */
  getCredentials(organizationId: string, type: string): Promise<Credentials | null>
  /** Deletes the integration, and returns whether there was one. @throws `invalid_integration` (400) */
  deleteIntegration(organizationId: string, type: string): Promise<boolean>
  /**
   * Encrypts the credentials of all organizations with the first key; after that the other keys can be
   * removed. It can be repeated at any time. Credentials that are saved meanwhile stay as saved.
   */
  reencryptIntegrations(): Promise<Reencrypted>
}

/** The options of `createIntegrations`. */
export interface IntegrationsOptions {
  /** Default: the process-wide client of `DATABASE_URL`. */
  db?: Database
  /** The keys, as `createEncryption` takes them. */
  keys: readonly string[]
  /**
   * The format in which credentials are written; see `EncryptionOptions`. Both formats can be read. Default
   * `v1`.
   */
  format?: 'v1' | 'three-parts'
}

/** The most bytes that the credentials of one type may take as JSON. */
const MAX_BYTES = 16_384
/** How many rows are re-encrypted at a time. */
const PAGE = 200

/** The columns of an integration without its credentials. */
const LISTED = { type: true, createdAt: true, updatedAt: true } as const

/** The form of a type. */
const TYPE = /^[a-z0-9._-]{1,64}$/

/** Makes the functions over `options`. @throws `invalid_encryption_keys` */
export function createIntegrations(options: IntegrationsOptions): Integrations {
  const database = options.db ?? db
  const encryption = createEncryption(
    options.keys,
    options.format ? { format: options.format } : {},
  )

  return {
    async saveIntegration(organizationId, type, credentials) {
      const organization = forOrganization(database, organizationId)
      const secret = encode(type, credentials)
      const ciphertext = await encryption.encrypt(secret, contextOf(organizationId, type))
      return organization.$transaction(async (tx) => {
        // The insert waits for a parallel insert of the same type, and then the row exists and is updated.
        const made = await tx.integration.createMany({
          data: { type, credentials: ciphertext },
          skipDuplicates: true,
        })
        if (made.count === 0) {
          await tx.integration.updateMany({ where: { type }, data: { credentials: ciphertext } })
        }
        return tx.integration.findFirstOrThrow({ where: { type }, select: LISTED })
      })
    },

    async listIntegrations(organizationId) {
      const organization = forOrganization(database, organizationId)
      return organization.integration.findMany({ select: LISTED, orderBy: { type: 'asc' } })
    },

    async getCredentials(organizationId, type) {
      const organization = forOrganization(database, organizationId)
      const found = await organization.integration.findFirst({
        where: { type: requireType(type) },
        select: { credentials: true },
      })
      if (!found) return null
      const secret = await encryption.decrypt(found.credentials, contextOf(organizationId, type))
      return JSON.parse(secret) as Credentials
    },

    async deleteIntegration(organizationId, type) {
      const organization = forOrganization(database, organizationId)
      const { count } = await organization.integration.deleteMany({
        where: { type: requireType(type) },
      })
      return count > 0
    },

    reencryptIntegrations: () => reencrypt(database, encryption),
  }
}

async function reencrypt(database: Database, encryption: Encryption) {
  let rotated = 0
  const unreadable: string[] = []
  for (let after = ''; ; ) {
    const rows = await database.integration.findMany({
      where: { id: { gt: after } },
      orderBy: { id: 'asc' },
      take: PAGE,
    })
    for (const { id, organizationId, type, credentials } of rows) {
      const context = contextOf(organizationId, type)
      try {
        const renewed = await encryption.reencrypt(credentials, context)
        if (renewed === null) continue
        const { count } = await database.integration.updateMany({
          where: { id, credentials },
          data: { credentials: renewed },
        })
        rotated += count
      } catch (error) {
        if (!(error instanceof Error) || error.name !== 'EncryptionError') throw error
        unreadable.push(id)
      }
    }
    const last = rows.at(-1)
    if (!last || rows.length < PAGE) return { rotated, unreadable }
    after = last.id
  }
}

const contextOf = (organizationId: string, type: string) => ['Integration', organizationId, type]

const refuse = (message: string) => new AuthError('invalid_integration', message)

function requireType(type: unknown): string {
  if (typeof type === 'string' && TYPE.test(type)) return type
  throw refuse('The type must be 1 to 64 lower-case letters, digits, ".", "-" or "_".')
}

/** The credentials as JSON. An error says what is wrong and quotes nothing of the credentials. */
function encode(type: string, credentials: Credentials): string {
  requireType(type)
  const plain =
    typeof credentials === 'object' && credentials !== null && !Array.isArray(credentials)
  if (!plain) throw refuse(`The credentials of ${type} must be a JSON object.`)
  let secret: string
  try {
    secret = JSON.stringify(credentials)
  } catch {
    throw refuse(`The credentials of ${type} cannot be written as JSON.`)
  }
  const bytes = new TextEncoder().encode(secret).length
  if (bytes > MAX_BYTES) {
    throw refuse(
      `The credentials of ${type} take ${bytes} bytes; at most ${MAX_BYTES} are allowed.`,
    )
  }
  return secret
}

/** The default instance, from the environment on first use. */
export const integrations: Integrations = lazy(() =>
  createIntegrations({ keys: readEncryptionKeys() }),
)

/**
 * Stores the credentials of a type, with the default instance.
 *
 * @throws `invalid_integration` (400)
 */
export const saveIntegration: Integrations['saveIntegration'] = (...given) =>
  integrations.saveIntegration(...given)

/** Lists an organization's integrations by type, without credentials, with the default instance. */
export const listIntegrations: Integrations['listIntegrations'] = (...given) =>
  integrations.listIntegrations(...given)

/**
 * The credentials of a type, from the default instance; null if the organization has none.
 *
 * @throws `invalid_integration` (400), `unknown_encryption_key`, `decryption_failed` or
 * `malformed_ciphertext` (500)
 */
export const getCredentials: Integrations['getCredentials'] = (...given) =>
  integrations.getCredentials(...given)

/**
 * Deletes an integration, with the default instance, and returns whether there was one.
 *
 * @throws `invalid_integration` (400)
 */
export const deleteIntegration: Integrations['deleteIntegration'] = (...given) =>
  integrations.deleteIntegration(...given)

/** Encrypts the credentials of all organizations with the first key, with the default instance. */
export const reencryptIntegrations: Integrations['reencryptIntegrations'] = () =>
  integrations.reencryptIntegrations()
