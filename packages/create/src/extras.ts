/**
 * Extras: what a host can leave out of the parts, such as one payment provider. An extra is files of its own, and marked
 * lines in files that it shares:
 *
 *     import { createCreemProvider } from './creem/provider.ts' // #creem
 *
 *     // #region creem
 *     …
 *     // #endregion
 *
 * No mark is copied: a host that has the extra gets the lines, and a host without it does not.
 *
 * @module
 */

import type { Checkout, Part } from './checkout.ts'
import { CreateError } from './errors.ts'

/** The names of all extras of the checkout, sorted. */
export const extrasOf = (checkout: Checkout): string[] =>
  [
    ...new Set(
      [...checkout.parts.values()].flatMap(({ manifest }) => Object.keys(manifest.extras)),
    ),
  ].sort()

/**
 * The extras that a host leaves out: those of before, those that `without` names, and not those that `including` names.
 *
 * @throws `usage`: the checkout has no extra of that name.
 */
export function leftOut(
  checkout: Checkout,
  before: readonly string[],
  { without = [], including = [] }: { without?: readonly string[]; including?: readonly string[] },
): string[] {
  const known = extrasOf(checkout)
  for (const name of [...without, ...including]) {
    if (known.includes(name)) continue
    throw new CreateError(
      'usage',
      `There is no extra ${JSON.stringify(name)}. These can be left out: ${known.join(', ')}.`,
    )
  }
  const both = without.find((name) => including.includes(name))
  if (both) throw new CreateError('usage', `Name ${both} in --without or in --with, not in both.`)
  return [...new Set([...before, ...without])].filter((name) => !including.includes(name)).sort()
}

/** The paths of files in the checkout that `part` lacks without these extras: a path or a folder each. */
export const filesLeftOut = ({ manifest, folder }: Part, without: readonly string[]): string[] =>
  without.flatMap((name) => manifest.extras[name]?.files ?? []).map((path) => `${folder}/${path}`)

/** The variables that `part` reads where these extras are left out. */
export function variableNames(
  { manifest }: Pick<Part, 'manifest'>,
  without: readonly string[],
): { required: string[]; optional: string[] } {
  const starts = without.flatMap((name) => manifest.extras[name]?.variables ?? [])
  const stays = (name: string) => !starts.some((start) => name.startsWith(start))
  return { required: manifest.required.filter(stays), optional: manifest.optional.filter(stays) }
}

/** The keys in `package.json` of what only these extras use: packages and exports. */
export const keysLeftOut = (
  parts: readonly Pick<Part, 'manifest'>[],
  without: readonly string[],
): string[][] => [
  ...packagesLeftOut(parts, without).flatMap((name) =>
    ['dependencies', 'devDependencies', 'optionalDependencies'].map((group) => [group, name]),
  ),
  ...parts.flatMap(({ manifest }) =>
    without.flatMap((name) =>
      (manifest.extras[name]?.exports ?? []).map((entry) => ['exports', entry]),
    ),
  ),
]

/** The packages that are dependencies of an extra alone. */
export const packagesLeftOut = (
  parts: readonly Pick<Part, 'manifest'>[],
  without: readonly string[],
): string[] =>
  parts.flatMap(({ manifest }) => without.flatMap((name) => manifest.extras[name]?.packages ?? []))

/** The end of a marked line, and a line that begins or ends a region, in the comments of TypeScript, Markdown and YAML. */
const LINE_MARK = /(?:\/\/|<!--|\/\*) #([a-z-]+)(?: -->| \*\/)?$/
const REGION = /^[ \t]*(?:\/\/|#|<!--|\{?\/\*) #(?:region ([a-z-]+)|(endregion))(?: -->| \*\/\}?)?$/

/**
 * A text of the checkout without the marks, and without the marked lines of the extras that are left out.
 *
 * @throws `invalid_checkout`: a region has no end, or an end has no region.
 */
export function cutExtras(
  text: string,
  known: readonly string[],
  without: readonly string[],
  path: string,
): string {
  if (!known.some((name) => text.includes(`#${name}`) || text.includes(`#region ${name}`)))
    return text
  const kept: string[] = []
  const open: string[] = []
  let isJoint = false
  for (const line of text.split('\n')) {
    const [, region, isEnd] = REGION.exec(line) ?? []
    if (region !== undefined && (known.includes(region) || open.length > 0)) {
      open.push(region)
      isJoint = true
      continue
    }
    if (isEnd && open.length > 0) {
      open.pop()
      isJoint = true
      continue
    }
    const mark = LINE_MARK.exec(line)
    const isMarked = mark !== null && known.includes(mark[1] ?? '')
    if (open.some((name) => without.includes(name))) continue
    if (isMarked && without.includes(mark[1] ?? '')) {
      isJoint = true
      continue
    }
    const next = isMarked ? line.slice(0, mark.index).trimEnd() : line
    // The blank lines before and after what was cut would be two.
    if (isJoint && next.trim() === '' && (kept.at(-1) ?? '').trim() === '') continue
    isJoint = false
    kept.push(next)
  }
  if (open.length > 0)
    throw new CreateError('invalid_checkout', `${path}: the region ${open.at(-1)} has no end.`)
  return kept.join('\n')
}
