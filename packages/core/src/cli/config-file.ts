/**
 * The host that a command works for: the folder with `tollgate.config.ts`, its environment files and its
 * instances. The file is looked for from the working directory upwards. Its TypeScript is read by tsx, which
 * the commands are started with.
 *
 * @module
 */

import { existsSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { TollgateConfig } from '../config.ts'
import { isTollgateError, TollgateError } from '../errors.ts'
import { maskText } from '../mask.ts'
import { readEnvFiles } from './env-files.ts'

const NAMES = ['ts', 'mts', 'js', 'mjs'].map((ending) => `tollgate.config.${ending}`)

/** Where a command runs, and for which host. */
export interface Host {
  /** The folder of the configuration; without one the working directory. */
  folder: string
  /** The configuration's path as a person reads it. Null: the host has none. */
  file: string | null
  /** Null: the host has no configuration. */
  config: TollgateConfig | null
}

/** The nearest `tollgate.config.ts` of `folder` and the folders above it; null where none has one. */
export function findConfig(folder: string): string | null {
  for (const name of NAMES) {
    const path = join(folder, name)
    if (existsSync(path)) return path
  }
  const above = dirname(folder)
  return above === folder ? null : findConfig(above)
}

/**
 * Finds the host of the working directory, reads its environment files and then its configuration.
 *
 * @throws `config_not_found` where `path` names no file; `invalid_config` where the file cannot be loaded or
 * has no such export
 */
export async function openHost({
  path,
  cwd = process.cwd(),
}: {
  /** The configuration; relative to the working directory. Default: the nearest one. */
  path?: string
  cwd?: string
} = {}): Promise<Host> {
  const named = path === undefined ? findConfig(cwd) : resolve(cwd, path)
  if (named === null) {
    readEnvFiles(cwd)
    return { folder: cwd, file: null, config: null }
  }
  const file = relative(cwd, named)
  if (!existsSync(named)) {
    throw new TollgateError('config_not_found', 400, `There is no configuration ${file}.`)
  }
  const folder = dirname(named)
  readEnvFiles(folder)
  return { folder, file, config: await loadConfig(named, file) }
}

/**
 * The configuration in the file at `path`, which messages call `name`.
 *
 * @throws `invalid_config`
 */
export async function loadConfig(path: string, name = path): Promise<TollgateConfig> {
  const loaded = await load(path, name)
  // Where the host's package is no ES module, its exports are the default of the module.
  const inner = isObject(loaded.default) && 'default' in loaded.default ? loaded.default : loaded
  const config = 'default' in inner ? inner.default : inner
  if (isObject(config) && (readPart(config, 'auth', name) || readPart(config, 'billing', name))) {
    return config as TollgateConfig
  }
  throw invalid(name, 'exports no instance: write export default defineConfig({ auth, billing })')
}

async function load(path: string, name: string): Promise<Record<string, unknown>> {
  try {
    return (await import(pathToFileURL(path).href)) as Record<string, unknown>
  } catch (error) {
    throw invalid(name, `cannot be loaded: ${reasonOf(error)}`)
  }
}

/** Whether the configuration has the part. A configuration that is a function is called here. */
function readPart(config: Record<string, unknown>, part: string, name: string): boolean {
  let value: unknown
  try {
    value = config[part]
  } catch (error) {
    throw invalid(name, `cannot be used: ${reasonOf(error)}`)
  }
  if (value === undefined) return false
  if (isObject(value)) return true
  throw invalid(name, `exports ${part}, which is not an instance`)
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

/** An error of ours says all of it; of another the first two lines say what and where. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  if (isTollgateError(error)) return message
  const lines = message.split('\n').filter((line) => line.trim() !== '')
  return maskText(lines.slice(0, 2).join(' '))
}

const invalid = (name: string, what: string): TollgateError =>
  new TollgateError('invalid_config', 500, `${name} ${what}${/[.:\n]$/.test(what) ? '' : '.'}`)
