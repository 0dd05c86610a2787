/**
 * Adds entries to the audit log, each with the network and the browser that it came from.
 *
 * @module
 */

import type { Logger } from '@repo/core'
import type { AddressOf } from '@repo/core/rate-limit'
import type { Database } from '@repo/db'
import { type AuditEntry, audit } from './audit.ts'

/** Adds an entry together with its network and browser. An error is logged and not thrown. */
export type Recorder = (entry: AuditEntry, source: Request | Headers | undefined) => Promise<void>

/** The dependencies of `createRecorder`. */
export interface RecorderOptions {
  db: Database
  addressOf: AddressOf
  logger: Logger
  /** Called for each entry after it is written, with its address and browser. */
  onEntry(entry: AuditEntry): void
}

/** Makes the recorder. */
export function createRecorder({ db, addressOf, logger, onEntry }: RecorderOptions): Recorder {
  return async (entry, source) => {
    try {
      const headers = source instanceof Headers ? source : source?.headers
      const from = source && {
        ip: addressOf(source),
        userAgent: headers?.get('user-agent') ?? null,
      }
      await audit(db, { ...entry, ...from })
      onEntry({ ...entry, ...from })
    } catch (error) {
      // The action has happened, so a missing entry must not fail the request.
      logger.error({ action: entry.action, error }, 'an entry could not be added to the audit log')
    }
  }
}
