/**
 * The record of the recipes that a host has used, with which each can be taken back. It lies beside the receipt.
 *
 * @module
 */

import * as z from 'zod'
import { CreateError } from '../errors.ts'
import { type ReadFile, textFile, textOf } from '../files.ts'
import type { Draft } from '../plan.ts'
import { RECEIPT_FOLDER } from '../receipt.ts'

/** The path of the record. */
export const RECORD_FILE = `${RECEIPT_FOLDER}/recipes.json`

const editSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('option'),
    file: z.string(),
    callee: z.string(),
    keys: z.array(z.string()),
    value: z.string(),
    /** How many of the keys lead to an object that was there before any recipe. */
    made: z.int(),
  }),
  z.strictObject({ kind: z.literal('import'), file: z.string(), name: z.string() }),
  z.strictObject({ kind: z.literal('env'), file: z.string(), text: z.string() }),
  z.strictObject({ kind: z.literal('file'), file: z.string(), text: z.string() }),
])

/** A change that a recipe has made. */
export type RecipeEdit = z.output<typeof editSchema>

const recordSchema = z.strictObject({
  /** The form of this file. */
  form: z.literal(1),
  /** The edits of each recipe, in the order in which they were made. */
  recipes: z.record(z.string(), z.array(editSchema)),
})

/** The edits of each recipe. @throws `invalid_receipt` */
export function readRecord(read: ReadFile): Record<string, RecipeEdit[]> {
  const file = read(RECORD_FILE)
  if (!file) return {}
  try {
    return recordSchema.parse(JSON.parse(textOf(file) ?? '')).recipes
  } catch (cause) {
    throw new CreateError(
      'invalid_receipt',
      `${RECORD_FILE} cannot be read. Restore it from git; nothing was changed.`,
      { cause },
    )
  }
}

/** Writes the record into a plan; a record of no recipe is no file. */
export function writeRecord(draft: Draft, recipes: Record<string, RecipeEdit[]>): void {
  const isEmpty = Object.keys(recipes).length === 0
  const text = `${JSON.stringify({ form: 1, recipes }, null, 2)}\n`
  draft.put(RECORD_FILE, isEmpty ? null : textFile(text), 'receipt')
}
