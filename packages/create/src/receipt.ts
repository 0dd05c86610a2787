/**
 * The receipt in the host: what was copied, from which version, and the text of each file as it was copied. With it an
 * update knows the host's own changes from those of upstream. Commit its folder.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib'
import * as z from 'zod'
import { CreateError } from './errors.ts'
import { type FileState, type ReadFile, textFile, textOf } from './files.ts'

/** The folder of the receipt, at the host's root. */
export const RECEIPT_FOLDER = '.tollgate-receipt'
/** The receipt that people can read. */
export const RECEIPT_FILE = `${RECEIPT_FOLDER}/receipt.json`
/** The texts of the files as they were copied, compressed. */
export const BASE_FILE = `${RECEIPT_FOLDER}/base.br`
const IGNORE_FILE = `${RECEIPT_FOLDER}/.gitignore`

const editSchema = z.strictObject({
  /** The file with the value, such as `package.json`. */
  file: z.string(),
  /** The keys that lead to the value. For a list or a file of lines, the last key is the entry itself. */
  keys: z.array(z.string()),
  /** The value that was written. */
  value: z.string(),
})

/** A value that was written into a file of the host. */
export type Edit = z.output<typeof editSchema>

const receiptSchema = z.strictObject({
  /** The form of this file. */
  form: z.literal(1),
  /** The version that was copied. */
  version: z.string(),
  /** Its commit; null: it was no commit. */
  commit: z.string().nullable(),
  /** The parts that were asked for. The parts that these need came along. */
  parts: z.array(z.string()),
  layout: z.strictObject({
    scope: z.string(),
    folders: z.record(z.string(), z.string()),
    rootFiles: z.record(z.string(), z.string()),
    packageManager: z.enum(['pnpm', 'npm', 'yarn', 'yarn1', 'bun']),
    without: z.array(z.string()).default([]),
  }),
  /** The path in the checkout of each copied file, by its path in the host. */
  files: z.record(z.string(), z.string()),
  /** Whether the host had no `package.json`, so that its root was made with the copy. */
  ownsRoot: z.boolean(),
  /** The package that imports the parts; empty for the root. Null: it is not known. */
  app: z.string().nullable(),
  /** The app that was wired. Null: none was. */
  wiring: z
    .strictObject({
      /** Receipts of before other frameworks were known have none. */
      framework: z.string().default('next'),
      app: z.string(),
      source: z.string(),
      entry: z.string().nullable().default(null),
    })
    .nullable(),
  /** The host's Prisma schema with Tollgate's models. Null: `@repo/db` has a schema of its own. */
  schema: z
    .strictObject({
      path: z.string(),
      isFolder: z.boolean(),
      package: z.string(),
      migrations: z.string(),
      user: z.strictObject({
        fields: z.record(z.string(), z.string()),
        tenancy: z.string().nullable(),
      }),
      included: z.array(z.string()),
    })
    .nullable()
    .default(null),
  /** Values that were written into files of the host. */
  edits: z.array(editSchema),
  /** Files whose merge waits for a person, by the path of the host's file. */
  unresolved: z.array(z.string()),
  /** The migrations of versions that have run. */
  migrations: z.array(z.string()),
  /** The SHA-256 of the texts in `base.br`, because a merge of branches may take each file from another side. */
  baseDigest: z.string().optional(),
})

/** What was copied into the host. */
export interface Receipt extends Omit<z.output<typeof receiptSchema>, 'baseDigest'> {
  /** Each copied file as it was copied, by its path in the host. */
  base: Map<string, FileState>
}

const baseSchema = z.record(
  z.string(),
  z.union([
    z.string(),
    z.strictObject({ base64: z.string() }),
    z.strictObject({ run: z.string() }),
  ]),
)

/** Reads the receipt of the host. Null: it has none. @throws `invalid_receipt` */
export function readReceipt(read: ReadFile): Receipt | null {
  const file = read(RECEIPT_FILE)
  if (!file) return null
  const base = read(BASE_FILE)
  if (!base) throw invalid(`${BASE_FILE} is missing`)
  const { receipt, json, texts } = parsed()
  if (receipt.baseDigest !== undefined && receipt.baseDigest !== digestOf(json)) {
    throw invalid(
      `${RECEIPT_FILE} and ${BASE_FILE} are of different copies, as after a merge of two branches`,
    )
  }
  const { baseDigest: _, ...rest } = receipt
  const entries = Object.entries(texts).map(([path, text]) => [path, stateOf(text)] as const)
  return { ...rest, base: new Map(entries) }

  function parsed() {
    try {
      const receipt = receiptSchema.parse(JSON.parse(textOf(file as FileState) ?? ''))
      const json = brotliDecompressSync((base as FileState).bytes).toString('utf8')
      return { receipt, json, texts: baseSchema.parse(JSON.parse(json)) }
    } catch (cause) {
      throw invalid(`${RECEIPT_FILE} or ${BASE_FILE} cannot be read`, cause)
    }
  }
}

const digestOf = (json: string): string => createHash('sha256').update(json).digest('hex')

/** The files of a receipt. */
export function receiptFiles({ base, ...receipt }: Receipt): Map<string, FileState> {
  const texts = [...base]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, file]) => [path, storedOf(file)])
  const json = JSON.stringify(Object.fromEntries(texts))
  const bytes = brotliCompressSync(json, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } })
  const sorted = Object.entries(receipt.files).sort(([a], [b]) => (a < b ? -1 : 1))
  const written = { ...receipt, files: Object.fromEntries(sorted), baseDigest: digestOf(json) }
  const text = `${JSON.stringify(written, null, 2)}\n`
  return new Map([
    [RECEIPT_FILE, textFile(text)],
    [BASE_FILE, { bytes, isExecutable: false }],
    // What a command needs to take its changes back is of this machine.
    [IGNORE_FILE, textFile('/pending/\n/last/\n/staging-*/\n')],
  ])
}

function storedOf(file: FileState): z.output<typeof baseSchema>[string] {
  const text = textOf(file)
  if (text === null) return { base64: file.bytes.toString('base64') }
  return file.isExecutable ? { run: text } : text
}

function stateOf(stored: z.output<typeof baseSchema>[string]): FileState {
  if (typeof stored === 'string') return textFile(stored)
  if ('base64' in stored)
    return { bytes: Buffer.from(stored.base64, 'base64'), isExecutable: false }
  return { ...textFile(stored.run), isExecutable: true }
}

const invalid = (what: string, cause?: unknown): CreateError =>
  new CreateError(
    'invalid_receipt',
    `${what}. Restore the whole folder ${RECEIPT_FOLDER} from one commit; nothing was changed.`,
    { cause },
  )
