/**
 * Finds the host that a command works for: the folder with `tollgate.config.ts`, its environment files and
 * its instances. The search starts in the working directory and goes upwards. The commands run under tsx,
 * which reads the TypeScript of the file.
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

/** The host that a command works for. */
export interface Host {
  /** The folder of the configuration file, or the working directory if the host has no such file. */
  folder: string
  /** The path of the configuration file, relative to the working directory. Null if the host has none. */
  file: string | null
  /** Null if the host has no configuration file. */
  config: TollgateConfig | null
}

/** The nearest configuration file, in `folder` or in a folder above it; null if there is none. */
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
 * @throws `config_not_found` if the file at `path` does not exist; `invalid_config` if the file cannot be
 *   loaded or exports no configuration
 */
export async function openHost({
  path,
  cwd = process.cwd(),
}: {
  /** Path of the configuration file, relative to the working directory. Default: the nearest one. */
  path?: string
  /** The working directory. Default: the process's. */
  cwd?: string
} = {}): Promise<Host> {
  const named = path === undefined ? findConfig(cwd) : resolve(cwd, path)
  if (named === null) {
    readEnvFiles(cwd)
    return { folder: cwd, file: null, config: null }
  }
  const file = relative(cwd, named)
  if (!existsSync(named)) {
    throw new TollgateError(
      'config_not_found',
      400,
      `The configuration file ${file} does not exist.`,
    )
  }
  const folder = dirname(named)
  readEnvFiles(folder)
  return { folder, file, config: await loadConfig(named, file) }
}

/**
 * Loads the configuration from the file at `path`. Error messages call the file `name`.
 *
 * @throws `invalid_config`
 */
export async function loadConfig(path: string, name = path): Promise<TollgateConfig> {
  const loaded = await load(path, name)
  // In a CommonJS package the exports of the file are the default export of the module.
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

/** Whether the configuration has the part. A configuration given as a function is called here. */
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

/**
 * The whole message of a Tollgate error; of any other error the first two lines, which say what failed and
 * where.
 */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  if (isTollgateError(error)) return message
  const lines = message.split('\n').filter((line) => line.trim() !== '')
  return maskText(lines.slice(0, 2).join(' '))
}

const invalid = (name: string, what: string): TollgateError =>
  new TollgateError('invalid_config', 500, `${name} ${what}${/[.:\n]$/.test(what) ? '' : '.'}`)
