/**
 * `tollgate recipe <name>`: edits the host's configuration, variables and routes, all or nothing. A second call changes
 * nothing, and `--undo` takes back what the recipe has changed and nobody has edited since.
 *
 * @module
 */

import { posix } from 'node:path'
import type { Checkout } from '../checkout.ts'
import { CreateError } from '../errors.ts'
import { hasWindowsLines, plainLines, textFile, textOf } from '../files.ts'
import { blocksOf, formatOf } from '../formats.ts'
import { type Host, insideOf } from '../host.ts'
import { renamerOf } from '../place.ts'
import { Draft, type Plan } from '../plan.ts'
import { requireReceipt } from '../plan-update.ts'
import type { Receipt } from '../receipt.ts'
import { inApp } from '../wiring.ts'
import { RECIPES, type Recipe } from './recipes.ts'
import { type RecipeEdit, readRecord, writeRecord } from './record.ts'
import {
  addImport,
  callsOf,
  declares,
  modulesOf,
  removeImport,
  removeOption,
  setOption,
} from './tree.ts'

/** The recipe called `name`. @throws `usage` */
export function requireRecipe(name: string | undefined): Recipe {
  const recipe = name !== undefined && Object.hasOwn(RECIPES, name) ? RECIPES[name] : undefined
  if (recipe) return recipe
  const known = Object.keys(RECIPES).join(', ')
  throw new CreateError(
    'usage',
    name === undefined
      ? `Name a recipe: ${known}.`
      : `There is no recipe ${JSON.stringify(name)}. The recipes are ${known}.`,
  )
}

/** Plans to use a recipe in the host. @throws `usage`, `receipt_not_found`, `unrecognizable`, `invalid_host` */
export function planRecipe(checkout: Checkout, host: Host, name: string | undefined): Plan {
  const recipe = requireRecipe(name)
  const receipt = requireReceipt(host)
  requirePart(recipe, receipt)
  const draft = new Draft(host.read)
  const requireInside = insideOf(host.folder)
  const file = configurationOf(host, receipt, recipe)
  const record = readRecord(host.read)
  const edits: RecipeEdit[] = [...(record[name as string] ?? [])]
  const texts = new Texts(host)
  for (const option of recipe.options) {
    const { callee, keys, value, uses, needs } = option
    const text = texts.read(file)
    if (needs !== undefined && !declares(text, needs)) continue
    const edit = setOption(text, callee, keys, value)
    if (edit.state === 'unrecognizable') throw unrecognizable(file, recipe)
    if (edit.state === 'kept') {
      draft.notes.push({
        path: file,
        why: `${callee} has ${keys.join('.')} already, and yours stays.`,
      })
    }
    if (edit.state !== 'set') continue
    texts.write(file, edit.text)
    if (uses !== undefined && !declares(text, uses)) {
      const imported = addImport(edit.text, callee, uses)
      if (imported === null) throw unrecognizable(file, recipe)
      texts.write(file, imported)
      // The last edit is taken back first, and the import is needed as long as the option uses it.
      edits.push({ kind: 'import', file, name: uses })
    }
    const others = [...Object.values(record).flat(), ...edits]
    const made = Math.min(edit.made, madeBefore(others, { file, callee, keys }))
    edits.push({ kind: 'option', file, callee, keys: [...keys], value, made })
  }
  edits.push(...variables(checkout, recipe, texts))
  edits.push(...routes(host, receipt, recipe, file, texts, draft))
  for (const [path, text] of texts.changed()) {
    requireInside(path)
    draft.edit(path, text)
  }
  if (edits.length > 0) writeRecord(draft, { ...record, [name as string]: edits })
  const rename = renamerOf(checkout, receipt.layout)
  const steps = [...(nextApp(receipt) ? [] : mounts(recipe)), ...recipe.steps]
  return planOf(draft, 'recipe', steps.map(rename))
}

/** Plans to take a recipe back. What somebody has edited since stays. @throws `usage`, `receipt_not_found` */
export function planRecipeUndo(host: Host, name: string | undefined): Plan {
  requireRecipe(name)
  requireReceipt(host)
  const { [name as string]: edits, ...others } = readRecord(host.read)
  if (edits === undefined) {
    throw new CreateError(
      'nothing_to_abort',
      `The recipe ${name} has changed nothing here, so there is nothing to take back.`,
    )
  }
  const draft = new Draft(host.read)
  const texts = new Texts(host)
  for (const edit of [...edits].reverse()) {
    const why = takeBack(host, texts, draft, edit)
    if (why !== null) draft.notes.push({ path: edit.file, why })
  }
  for (const [path, text] of texts.changed()) draft.edit(path, text)
  writeRecord(draft, others)
  return planOf(draft, 'recipe --undo', [])
}

/** Takes one edit back. Returns why it stays, or null. */
function takeBack(host: Host, texts: Texts, draft: Draft, edit: RecipeEdit): string | null {
  const stays = 'You changed what the recipe wrote, so it stays.'
  if (host.read(edit.file) === null) return null
  if (edit.kind === 'file') {
    if (texts.read(edit.file) !== edit.text) return stays
    draft.put(edit.file, null, 'delete')
    return null
  }
  const text = texts.read(edit.file)
  if (edit.kind === 'env') {
    const at = text.indexOf(edit.text)
    if (at < 0) return stays
    texts.write(edit.file, text.slice(0, at) + text.slice(at + edit.text.length))
    return null
  }
  const without = edit.kind === 'option' ? removeOption(text, edit) : removeImport(text, edit.name)
  if (without === null)
    return edit.kind === 'option' ? stays : `${edit.name} is still used, so its import stays.`
  texts.write(edit.file, without)
  return null
}

/** From which length of the keys on the objects are those of other recipes, which the last of them removes. */
function madeBefore(
  others: readonly RecipeEdit[],
  { file, callee, keys }: { file: string; callee: string; keys: readonly string[] },
): number {
  const lengths = others.flatMap((other) => {
    if (other.kind !== 'option' || other.file !== file || other.callee !== callee) return []
    const isAround = other.keys.slice(0, other.made).every((key, n) => key === keys[n])
    return isAround && other.made < keys.length ? [other.made] : []
  })
  return Math.min(keys.length, ...lengths)
}

function planOf(draft: Draft, command: string, steps: string[]): Plan {
  const changes = [...draft.changes.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
  return {
    command,
    changes,
    notes: draft.notes,
    conflicts: [],
    steps: changes.length > 0 ? steps : [],
  }
}

/** The texts of files while they are edited. Line ends of Windows survive. */
class Texts {
  readonly #host: Host
  readonly #now = new Map<string, string>()

  constructor(host: Host) {
    this.#host = host
  }

  /** The text with line ends of Unix; empty for a file that does not exist. @throws `invalid_host` */
  read(path: string): string {
    const known = this.#now.get(path)
    if (known !== undefined) return known
    const file = this.#host.read(path)
    const text = file ? textOf(file) : ''
    if (text !== null) return plainLines(text)
    throw new CreateError(
      'invalid_host',
      `${path} is not text in UTF-8. Save it as UTF-8 first; nothing was changed.`,
    )
  }

  write(path: string, text: string): void {
    this.#now.set(path, text)
  }

  /** The files that have changed, with their own line ends. */
  changed(): [string, string][] {
    return [...this.#now].map(([path, text]) => {
      const before = this.#host.read(path)
      const isWindows = before !== null && hasWindowsLines(textOf(before) ?? '')
      return [path, isWindows ? text.replaceAll('\n', '\r\n') : text]
    })
  }
}

function requirePart({ part, extra }: Recipe, { parts, layout }: Receipt): void {
  const has = parts.includes(part) || Object.hasOwn(layout.folders, part)
  if (!has) {
    throw new CreateError('usage', `The host has no ${part}. Run tollgate add ${part} first.`)
  }
  if (extra !== undefined && layout.without.includes(extra)) {
    throw new CreateError(
      'usage',
      `The host left ${extra} out. Run tollgate update --with ${extra} first.`,
    )
  }
}

const CONFIGS = ['ts', 'mts', 'js', 'mjs'].map((end) => `tollgate.config.${end}`)

/**
 * The file that makes the instance: the configuration, or a file that it imports.
 *
 * @throws `unrecognizable`
 */
function configurationOf(host: Host, { app, wiring, layout }: Receipt, recipe: Recipe): string {
  const folders = new Set([wiring?.app, app, layout.folders.web, ''].filter((each) => each != null))
  const configs = [...folders]
    .flatMap((folder) => CONFIGS.map((name) => inApp(folder as string, name)))
    .filter((path) => host.read(path) !== null)
  const [config] = configs
  if (config === undefined) {
    throw new CreateError(
      'unrecognizable',
      `The host has no tollgate.config.ts, so the recipe does not know your instances. Write one that exports ` +
        `defineConfig({ auth, billing }), and make the instance there or in a file that it imports:\n\n${linesOf(recipe)}`,
    )
  }
  const seen = new Set<string>()
  const waiting = [...configs]
  for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
    if (seen.has(path)) continue
    seen.add(path)
    const file = host.read(path)
    const text = file ? (textOf(file) ?? '') : ''
    if (callsOf(text, recipe.callee).length > 0) return path
    for (const module of modulesOf(text)) waiting.push(...filesOf(host, path, module))
  }
  throw unrecognizable(config, recipe)
}

/** The files that a relative import may mean. */
function filesOf(host: Host, from: string, module: string): string[] {
  if (!module.startsWith('.')) return []
  const at = posix.join(posix.dirname(from), module)
  const ends = ['', '.ts', '.mts', '.tsx', '.js', '.mjs', '/index.ts', '/index.js']
  return ends.map((end) => `${at}${end}`).filter((path) => host.read(path) !== null)
}

/** The lines with which a person does by hand what the recipe would do. */
function linesOf({ callee, options, part }: Recipe): string {
  const name = part === 'auth' ? 'auth' : 'billing'
  const lines = options.map(({ keys, value }) => {
    const inner = keys.reduceRight(
      (text, key, n) => (n === keys.length - 1 ? `${key}: ${text}` : `${key}: { ${text} }`),
      value,
    )
    return `  ${inner.replaceAll('\n', '\n  ')},`
  })
  return `export const ${name} = ${callee}({\n${lines.join('\n')}${lines.length > 0 ? '\n' : ''}})`
}

const unrecognizable = (file: string, recipe: Recipe): CreateError =>
  new CreateError(
    'unrecognizable',
    `${file} has no one call of ${recipe.callee} whose options are written out, so nothing was changed. ` +
      `Add these lines by hand:\n\n${linesOf(recipe)}`,
  )

/** Writes the lines of variables that `.env.example` lacks, with what `add` would write. */
function variables(checkout: Checkout, recipe: Recipe, texts: Texts): RecipeEdit[] {
  const path = '.env.example'
  const source = checkout.read(path)
  const format = formatOf(path)
  return blocksOf((source && textOf(source)) ?? '').flatMap(({ names, text }): RecipeEdit[] => {
    const [first] = names
    if (first === undefined || !names.some((name) => recipe.variables.includes(name))) return []
    const has = texts.read(path)
    const known = new Set(blocksOf(has).flatMap((block) => block.names))
    const missing = names.filter((name) => !known.has(name))
    if (missing.length === 0) return []
    const next = format.set(has, [first], text)
    texts.write(path, next)
    // New lines go to the end of the file.
    return [{ kind: 'env', file: path, text: next.slice(has.length) }]
  })
}

/** The Next.js app of the host, into which routes are written; null without one. */
function nextApp({
  wiring,
  layout,
}: Pick<Receipt, 'wiring' | 'layout'>): { app: string; source: string } | null {
  if (wiring?.framework === 'next') return wiring
  return layout.folders.web === undefined ? null : { app: layout.folders.web, source: 'src/' }
}

/** What a host without Next.js mounts by itself. */
const mounts = ({ files }: Recipe): string[] =>
  files.map(({ path, text }) => {
    const url = path.replace(/^app/, '').replace(/\/route\.ts$/, '')
    return `Answer ${url} in your app as this does:\n\n${text}`
  })

/** Adds the routes of a Next.js app. A route that the app has stays. */
function routes(
  host: Host,
  { wiring, layout }: Receipt,
  recipe: Recipe,
  configuration: string,
  texts: Texts,
  draft: Draft,
): RecipeEdit[] {
  const app = nextApp({ wiring, layout })
  if (app === null) return []
  return recipe.files.flatMap(({ path, text: written }): RecipeEdit[] => {
    const file = inApp(app.app, `${app.source}${path}`)
    const isUsual = configuration === inApp(app.app, `${app.source}lib/tollgate.ts`)
    const to = posix.relative(posix.dirname(file), configuration).replace(/\.[mc]?[jt]sx?$/, '')
    // The instances of a host that has them elsewhere are imported from there.
    const text = isUsual ? written : written.replace("'@/lib/tollgate'", `'${to}'`)
    const has = host.read(file)
    if (has === null) {
      texts.write(file, text)
      return [{ kind: 'file', file, text }]
    }
    if (!has.bytes.equals(textFile(text).bytes))
      draft.notes.push({ path: file, why: 'Your app has this file, and yours stays.' })
    return []
  })
}
