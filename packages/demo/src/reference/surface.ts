/**
 * The packages as hosts see them: every export of every entry, and the members of the types that these exports take
 * and return, each with the documentation that an editor shows. The TypeScript compiler answers; nothing is parsed
 * here.
 *
 * @module
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  API,
  type Checker,
  type Symbol as Named,
  SignatureKind,
  SymbolFlags,
  type Type,
} from 'typescript/unstable/sync'

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))
const FOLDERS = [
  'prisma',
  ...['core', 'jobs', 'email', 'auth', 'billing', 'sandbox'].map((name) => `packages/${name}`),
]

/** A symbol's declaration, which the compiler resolves to a node. */
type Declaration = Named['declarations'][number]

/** An entry of a package: `@repo/auth/edge`. */
export interface Entry {
  name: string
  /** The path of its source. */
  file: string
}

/** An export, or a member of something that hosts hold. */
export interface Seen {
  /** The entry through which it was found first. */
  entry: string
  /** From the export on: `createBilling().getSubscription`. */
  path: string
  /** Its source, from the repository's root, with the line. */
  place: string
  /** The last part of the path. */
  name: string
  isOptional: boolean
  isExport: boolean
  /** Whether a host needs more than the name and the type; see `isPlain`. */
  needsDocumentation: boolean
  /** The documentation without its tags; empty if there is none. */
  text: string
  tags: readonly { name: string; text?: string | undefined }[]
  /** The type as an editor shows it; empty for an export that is a type itself. */
  type: string
  /** The members of an exported type, inherited ones included. */
  members: readonly Seen[]
}

type Place = Pick<Seen, 'entry' | 'path'>
type Noted = Place & Pick<Seen, 'isExport' | 'needsDocumentation'>

/** Every entry that a package's `exports` name. */
export function readEntries(): Entry[] {
  return FOLDERS.flatMap((folder) => {
    const { name, exports } = JSON.parse(
      readFileSync(join(ROOT, folder, 'package.json'), 'utf8'),
    ) as { name: string; exports: Record<string, { source?: string; types?: string }> }
    return Object.entries(exports)
      .filter(([path]) => path !== './package.json')
      .map(([path, { source, types }]) => ({
        name: path.replace('.', name),
        file: join(ROOT, folder, source ?? types ?? ''),
      }))
  })
}

/** Asks the compiler for everything that hosts see. Takes some seconds. */
export function readSurface(entries: readonly Entry[] = readEntries()): Seen[] {
  const folder = join(ROOT, 'packages/demo/node_modules/.reference')
  mkdirSync(folder, { recursive: true })
  const config = join(folder, 'tsconfig.json')
  const files = entries.map(({ file }) => file)
  const base = join(ROOT, 'tsconfig.base.json')
  writeFileSync(config, JSON.stringify({ extends: base, files }))
  const api = new API({ cwd: ROOT })
  try {
    const [project] = api.updateSnapshot({ openProjects: [config] }).getProjects()
    if (!project) throw new Error('The compiler opened no project.')
    const walk = createWalk(project.checker)
    for (const { name, file } of entries) {
      const source = project.program.getSourceFile(file)
      const module = source && project.checker.getSymbolAtLocation(source)
      if (!module) throw new Error(`${file} is not a module. Correct the exports of its package.`)
      for (const each of project.checker.getExportsOfModule(module)) walk.noteExport(name, each)
    }
    walk.visitTypes()
    return [...walk.seen.values()]
  } finally {
    api.close()
  }
}

/**
 * Whether we wrote this declaration. The objects of a provider do not count, because the provider documents their
 * fields. Prisma's generated client does not count either: its documentation comes from the schema.
 */
const isOurs = ({ path }: Declaration): boolean => {
  const own = relative(ROOT.toLowerCase(), path.toLowerCase())
  if (!/^(prisma|packages\/\w+)\/(src\/|next-config)/.test(own)) return false
  return !/node_modules|\/generated\/|sandbox\/src\/\w+\/objects/.test(own)
}

/** Libraries whose generic types have their type arguments visited. Other libraries document their own types. */
const FOLLOWED = /\/lib\.[\w.]+\.d\.ts$|\/zod\//

/** The compiler's flag for types of any length. */
const WHOLE = 1
/** The most characters of a type. A longer one is shown with dots, as in an editor. */
const LONGEST = 1_000

function createWalk(checker: Checker) {
  /** Keyed by declaration, because a member of a generic type is a different symbol for each type argument. */
  const seen = new Map<string, Seen>()
  const visited = new Set<string>()

  const placeOf = (declaration: Declaration): string => {
    const node = declaration.resolve()
    const text = node?.getSourceFile().text.slice(0, node.getStart()) ?? ''
    return `${relative(ROOT, declaration.path)}:${text.split('\n').length}`
  }

  const note = (
    { entry, path, isExport, needsDocumentation }: Noted,
    symbol: Named,
  ): Seen | undefined => {
    const declaration = symbol.declarations.find(isOurs)
    if (!declaration) return undefined
    const key = `${declaration.path}#${declaration.index}`
    const known = seen.get(key)
    if (known) {
      known.needsDocumentation ||= needsDocumentation
      return known
    }
    const type = checker.getTypeOfSymbol(symbol)
    const tags = checker.getJsDocTagsOfSymbol(symbol)
    const isType = isExport && !(symbol.flags & SymbolFlags.Value)
    // The compiler gives the file's comment to its first statement if that statement has no comment.
    const isOfFile = tags.some(({ name }) => name === 'module')
    const made: Seen = {
      entry,
      path,
      name: symbol.name,
      isOptional: Boolean(symbol.flags & SymbolFlags.Optional),
      isExport,
      needsDocumentation,
      place: placeOf(declaration),
      text: isOfFile ? '' : checker.getDocumentationCommentOfSymbol(symbol).trim(),
      tags: isOfFile ? [] : tags,
      type: isType || !type ? '' : shown(type),
      members: [],
    }
    seen.set(key, made)
    return made
  }

  const exports: { at: Place; symbol: Named; noted: Seen }[] = []

  const shown = (type: Type): string => {
    const whole = checker.typeToString(type, undefined, WHOLE)
    return whole.length > LONGEST ? checker.typeToString(type) : whole
  }

  function noteExport(entry: string, exported: Named): void {
    const symbol =
      exported.flags & SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported
    const at = { entry, path: exported.name }
    const noted = note({ ...at, isExport: true, needsDocumentation: true }, symbol)
    if (noted) exports.push({ at, symbol, noted })
  }

  /** Call this after all exports are noted, so that exports and members of exported types keep their own names. */
  function visitTypes(): void {
    for (const { at, symbol, noted } of exports) {
      if (!(symbol.flags & SymbolFlags.Type)) continue
      const members = noteMembers(checker.getDeclaredTypeOfSymbol(symbol), at)
      noted.members = [...new Set(members.flatMap(({ noted: member }) => member ?? []))]
    }
    for (const { at, symbol } of exports) {
      if (symbol.flags & SymbolFlags.Type) {
        visitType(checker.getDeclaredTypeOfSymbol(symbol), at, false)
      }
      if (symbol.flags & SymbolFlags.Value) visitType(checker.getTypeOfSymbol(symbol), at, false)
    }
  }

  /** Visits the members of a type and of the types within it. `isGiven`: the host passes a value of the type. */
  function visitType(type: Type | undefined, at: Place, isGiven: boolean): void {
    const key = `${type?.id} ${isGiven}`
    if (!type || visited.has(key)) return
    visited.add(key)
    const within = (other: Type | undefined, step = '', given = isGiven) =>
      visitType(other, { ...at, path: `${at.path}${step}` }, given)
    if (type.isUnionType() || type.isIntersectionType()) {
      for (const part of type.getTypes()) within(part)
    }
    if (type.isTypeReference() && isFollowed(type)) {
      for (const argument of checker.getTypeArguments(type)) within(argument)
    }
    if (!type.isObjectType() && !type.isIntersectionType()) return
    for (const kind of [SignatureKind.Call, SignatureKind.Construct]) {
      for (const signature of checker.getSignaturesOfType(type, kind)) {
        if (signature.declaration && !isOurs(signature.declaration)) continue
        for (const parameter of signature.getParameters()) {
          within(checker.getTypeOfSymbol(parameter), `(${parameter.name})`, true)
        }
        within(checker.getReturnTypeOfSignature(signature), '()', false)
      }
    }
    for (const { valueType } of checker.getIndexInfosOfType(type)) within(valueType, '[]')
    visitMembers(type, at, isGiven)
  }

  function visitMembers(type: Type, at: Place, isGiven: boolean): void {
    for (const { inner, own } of noteMembers(type, at, isGiven)) visitType(own, inner, isGiven)
  }

  /** Notes the members of a type, and returns them with their types. */
  function noteMembers(type: Type, at: Place, isGiven = false) {
    const parts = type.isUnionType() ? type.getTypes() : [type]
    return parts.flatMap((part) => {
      const members = checker
        .getPropertiesOfType(part)
        .filter(isMember)
        .map((member) => ({
          member,
          own: checker.getTypeOfSymbol(member),
          inner: { entry: at.entry, path: `${at.path}.${member.name}` },
        }))
      const isInstance = members.some(({ own }) => own && isFunction(own))
      return members.map(({ member, own, inner }) => {
        const needsDocumentation =
          own === undefined ||
          (!isLiteral(own) &&
            (isGiven || isInstance || !isPlain(member, checker.typeToString(own))))
        return {
          own,
          inner,
          noted: note({ ...inner, isExport: false, needsDocumentation }, member),
        }
      })
    })
  }

  const isMember = (member: Named) =>
    member.name !== 'prototype' &&
    member.declarations.some(isOurs) &&
    !/^(private|#)/.test(member.declarations[0]?.resolve()?.getText() ?? '')

  const isFunction = (type: Type) =>
    checker.getSignaturesOfType(type, SignatureKind.Call).length > 0 ||
    (type.isUnionType() && type.getTypes().some(isFunction))

  /** A type that explains itself: the tag of a union, the name of an error, a member that must be absent. */
  const isLiteral = (type: Type) =>
    type.isLiteralType() || checker.typeToString(type) === 'undefined'

  const isFollowed = (type: Type): boolean => {
    const declarations = type.getSymbol()?.declarations ?? []
    return declarations.length === 0 || declarations.some(({ path }) => FOLLOWED.test(path))
  }
  return { seen, noteExport, visitTypes }
}

/**
 * Whether a value that a host receives needs no documentation beside its name and type: it is always there, never
 * null, and has no unit. Values that a host passes and functions that it calls always need documentation.
 */
const isPlain = (member: Named, type: string): boolean =>
  !(member.flags & SymbolFlags.Optional) && !/\b(null|undefined|number|bigint|Date)\b/.test(type)
