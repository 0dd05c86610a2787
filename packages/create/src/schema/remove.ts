/**
 * Takes Tollgate's models out of the host's schema again. Migrations stay, because databases have run them; the next
 * migration of the host drops the tables.
 *
 * @module
 */

import { isSameFile } from '../files.ts'
import type { Host } from '../host.ts'
import type { Draft } from '../plan.ts'
import type { Receipt } from '../receipt.ts'
import { readingBlocks } from './block.ts'
import { SHARED } from './conflicts.ts'
import { filesOf } from './locate.ts'
import { draftUser, isModels, requireValid } from './merge.ts'
import { isMigration } from './migration.ts'
import { modelIn } from './scan.ts'
import { editUser } from './user.ts'

/** Whether a copied file is a part of the host's schema or of its migrations. */
export const isOfSchema = ({ schema }: Pick<Receipt, 'schema'>, path: string): boolean =>
  schema !== null && (isModels(schema, path) || isMigration(schema, path))

/**
 * Takes the models and the fields of `User` out of the schema. Returns the next steps. @throws `invalid_schema` where the
 * host's own models refer to Tollgate's
 */
export function removeSchema(draft: Draft, host: Host, receipt: Receipt): string[] {
  const { schema } = receipt
  if (!schema) return []
  const read = readingBlocks(host.read)
  const models = Object.keys(receipt.files).filter((path) => isModels(schema, path))
  const edited = models.filter((path) => {
    const has = read(path)
    return has && !isSameFile(has, receipt.base.get(path) ?? null)
  })
  if (edited.length > 0) {
    for (const path of edited) {
      draft.notes.push({
        path,
        why: "You changed Tollgate's models, so they and the fields of User stay.",
      })
    }
    return []
  }
  for (const path of models) if (read(path)) draft.put(path, null, 'delete')
  const files = filesOf(host, schema).filter(([path]) => !models.includes(path))
  const [path, text] = files.find(([, each]) => modelIn(each, SHARED)) ?? []
  if (path !== undefined && text !== undefined) {
    const nothing = { fields: {}, tenancy: null }
    draftUser(draft, host, { path, text: editUser(text, nothing, schema.user).text })
  }
  requireValid(draft, host, schema)
  for (const each of Object.keys(receipt.files).filter((file) => isMigration(schema, file))) {
    if (host.read(each)) draft.notes.push({ path: each, why: 'Databases may have run it.' })
  }
  return [
    `npx prisma migrate dev --name remove_tollgate makes a migration that drops Tollgate's tables with their rows. Read it first.`,
  ]
}
