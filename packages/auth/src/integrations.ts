/**
 * What an organization has connected, with credentials that are encrypted in the database, opened by
 * `getCredentials` alone, and in no list, log or error.
 *
 * @module
 */

import { lazy, readEnv } from '@repo/core'
import { createEncryption, type Encryption } from '@repo/core/encryption'
import { type Database, db, forOrganization } from '@repo/db'
import { z } from 'zod'
import { AuthError } from './errors.ts'

const keyList = z.string().transform((keys) => keys.split(',').map((key) => key.trim()))

export const integrationEnv = z.object({
  /** 64 hex digits each, commas between: the first encrypts, all decrypt. */
  ENCRYPTION_KEYS: keyList.optional(),
  /** One key, under the name that other systems give it. */
  ENCRYPTION_KEY: keyList.optional(),
})

/**
 * The keys of the environment, `ENCRYPTION_KEYS` before `ENCRYPTION_KEY`, each once.
 *
 * @throws `invalid_environment` where neither is set
 */
export function readEncryptionKeys(): string[] {
  const { ENCRYPTION_KEYS: several = [], ENCRYPTION_KEY: one = [] } = readEnv(integrationEnv)
  const seen = new Set(several.map((key) => key.toLowerCase()))
  const keys = [...several, ...one.filter((key) => !seen.has(key.toLowerCase()))]
  // Says what is missing as for every other variable.
  return keys.length > 0 ? keys : readEnv(z.object({ ENCRYPTION_KEYS: keyList })).ENCRYPTION_KEYS
}

/** Any JSON object, 16 KiB at the most. */
export type Credentials = Record<string, unknown>

export interface Integration {
  /** What it connects to, in the host's word: `crm`, … */
  type: string
  createdAt: Date
  updatedAt: Date
}

export interface Integrations {
  /**
   * Stores the credentials of a type, in place of what was there.
   *
   * @throws `invalid_integration` (400) for a type that is not 1 to 64 lower-case letters, digits,
   * dots, dashes or underscores, and for credentials that are no JSON object of 16 KiB or less
   */
  saveIntegration(
    organizationId: string,
    type: string,
    credentials: Credentials,
  ): Promise<Integration>
  /** Without credentials, by type. */
  listIntegrations(organizationId: string): Promise<Integration[]>
  /**
   * The credentials of a type; null when the organization has none.
   *
   * @throws `invalid_integration` (400), `unknown_encryption_key`, `decryption_failed` or `malformed_ciphertext` (500)
   */
  getCredentials(organizationId: string, type: string): Promise<Credentials | null>
  /** Whether there was one. @throws `invalid_integration` (400) */
  deleteIntegration(organizationId: string, type: string): Promise<boolean>
  /**
   * Puts the credentials of all organizations under the first key, after which the other keys can be
   * removed. Can be run again at any time; one that is saved meanwhile stays as saved. `unreadable`
   * are the ids of rows that no key opens.
   */
  reencryptIntegrations(): Promise<{ rotated: number; unreadable: string[] }>
}

export interface IntegrationsOptions {
  /** Default: the process-wide client of `DATABASE_URL`. */
  db?: Database
  /** As `createEncryption` takes them. */
  keys: readonly string[]
  /** How credentials are written; see `EncryptionOptions`. Both forms are read. Default `v1`. */
  format?: 'v1' | 'three-parts'
}

const MAX_BYTES = 16_384
const PAGE = 200
const LISTED = { type: true, createdAt: true, updatedAt: true } as const
const TYPE = /^[a-z0-9._-]{1,64}$/

/** @throws `invalid_encryption_keys` */
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
        // The insert waits for another of the same type, and then there is a row to change.
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
  throw refuse('An integration has a type of 1 to 64 lower-case letters, digits, ".", "-" or "_".')
}

/** The credentials as JSON text. Errors say what is wrong with them and nothing of what is in them. */
function encode(type: string, credentials: Credentials): string {
  requireType(type)
  const plain =
    typeof credentials === 'object' && credentials !== null && !Array.isArray(credentials)
  if (!plain) throw refuse(`The credentials of ${type} are not a JSON object.`)
  let secret: string
  try {
    secret = JSON.stringify(credentials)
  } catch {
    throw refuse(`The credentials of ${type} cannot be written as JSON.`)
  }
  const bytes = new TextEncoder().encode(secret).length
  if (bytes > MAX_BYTES) {
    throw refuse(`The credentials of ${type} take ${bytes} bytes of at most ${MAX_BYTES}.`)
  }
  return secret
}

/** The default instance, from the environment on first use. */
export const integrations: Integrations = lazy(() =>
  createIntegrations({ keys: readEncryptionKeys() }),
)

export const saveIntegration: Integrations['saveIntegration'] = (...given) =>
  integrations.saveIntegration(...given)
export const listIntegrations: Integrations['listIntegrations'] = (...given) =>
  integrations.listIntegrations(...given)
export const getCredentials: Integrations['getCredentials'] = (...given) =>
  integrations.getCredentials(...given)
export const deleteIntegration: Integrations['deleteIntegration'] = (...given) =>
  integrations.deleteIntegration(...given)
export const reencryptIntegrations: Integrations['reencryptIntegrations'] = () =>
  integrations.reencryptIntegrations()
