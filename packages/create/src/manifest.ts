/**
 * `tollgate.json`, the manifest of a package: what else a host needs for it. The packages that a package needs are not
 * in it, because its `package.json` names them.
 *
 * @module
 */

import * as z from 'zod'
import { CreateError } from './errors.ts'
import { type ReadFile, textOf } from './files.ts'

const manifestSchema = z.strictObject({
  /** The name in commands, such as `auth`. */
  part: z.string().regex(/^[a-z]+$/),
  /** Whether a person asks for the part. The others come along with a part that needs them. */
  isChosen: z.boolean().default(false),
  /** Variables without which the part does not run in production, by name. */
  required: z.array(z.string()).default([]),
  /** Other variables that the part reads. */
  optional: z.array(z.string()).default([]),
  /** Scripts of the host's root `package.json`. */
  scripts: z.record(z.string(), z.string()).default({}),
  /** Packages that the scripts and the tests use, from the root's `devDependencies`. */
  devDependencies: z.array(z.string()).default([]),
  /** Files of the root that the part needs. */
  rootFiles: z.array(z.string()).default([]),
  /** Paths of the part that stay behind. */
  leavesBehind: z.array(z.string()).default([]),
  /** What a host can leave out of the part, by the extra's name. */
  extras: z
    .record(
      z.string().regex(/^[a-z-]+$/),
      z.strictObject({
        /** Files and folders of the extra alone, by their paths in the part. */
        files: z.array(z.string()).default([]),
        /** Beginnings of the names of the extra's variables. */
        variables: z.array(z.string()).default([]),
        /** Packages of the part's `package.json` that the extra alone uses. */
        packages: z.array(z.string()).default([]),
        /** Members of `exports` in the part's `package.json`. */
        exports: z.array(z.string()).default([]),
      }),
    )
    .default({}),
  /** What an app that exists gets from this part, which is an app itself. */
  wiring: z
    .strictObject({
      /** Files for apps of every framework, by their paths in the part. Those that the app has stay as they are. */
      shared: z.array(z.string()),
      /** Files for apps of the same framework. */
      files: z.array(z.string()),
      /** Names of scripts of the part's `package.json`. */
      scripts: z.array(z.string()),
      /** Names of `devDependencies` of the part's `package.json`. */
      devDependencies: z.array(z.string()),
    })
    .optional(),
  /** What a person does after the copy, as commands or sentences. */
  steps: z.array(z.string()).default([]),
})

/** The manifest of a package. */
export type Manifest = z.output<typeof manifestSchema>

/** The file's name, in each package's folder. */
export const MANIFEST = 'tollgate.json'

/** Reads the manifest in `folder` of a checkout. Null: the folder has none. @throws `invalid_checkout` */
export function readManifest(read: ReadFile, folder: string): Manifest | null {
  const path = `${folder}/${MANIFEST}`
  const file = read(path)
  if (!file) return null
  let json: unknown
  try {
    json = JSON.parse(textOf(file) ?? '')
  } catch (cause) {
    throw new CreateError('invalid_checkout', `${path} is not JSON.`, { cause })
  }
  const { data, error } = manifestSchema.safeParse(json)
  if (data) return data
  throw new CreateError('invalid_checkout', `${path}: ${z.prettifyError(error)}`)
}
