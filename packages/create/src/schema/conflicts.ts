/**
 * What keeps a host's schema and Tollgate's models from being one schema. Nothing is renamed or retyped for a host:
 * each conflict is told, with what to do about it.
 *
 * @module
 */

import type { Datamodel, Field, Model } from './prisma.ts'

/** The model that a host may have, too. */
export const SHARED = 'User'

/** A name that the host and Tollgate both use, or a field that the host has otherwise. As sentences. */
export function conflictsBetween(host: Datamodel, ours: Datamodel): string[] {
  const names = new Map<string, string>([
    ...host.enums.map(({ name }) => [name, 'enum'] as const),
    ...host.types.map(({ name }) => [name, 'type'] as const),
    ...host.models.map(({ name }) => [name, 'model'] as const),
  ])
  const tables = new Map(host.models.map((model) => [tableOf(model), model.name]))
  const own = host.models.find(({ name }) => name === SHARED)
  const conflicts = ours.models.flatMap((model) => {
    if (model.name === SHARED && own) return userConflicts(own, model)
    const kind = names.get(model.name)
    if (kind) {
      return [
        `${kind} ${model.name} has the name of a model of Tollgate. ${HINTS[model.name] ?? `Rename yours and keep its table with @@map("${model.name.toLowerCase()}s").`}`,
      ]
    }
    const taken = tables.get(tableOf(model))
    return taken
      ? [`model ${taken} is mapped to the table "${tableOf(model)}", which Tollgate needs.`]
      : []
  })
  return conflicts
}

const HINTS: Record<string, string> = Object.fromEntries(
  ['Account', 'Session', 'Passkey', 'TwoFactor', 'Organization', 'Member', 'Invitation'].map(
    (name) => [
      name,
      'Tollgate has its own of what Auth.js, Better Auth or your own code keeps there. Move its rows and remove your model, or rename your model.',
    ],
  ),
)

const tableOf = ({ dbName, name }: Model): string => dbName ?? name

function userConflicts(own: Model, wanted: Model): string[] {
  const fields = new Map(own.fields.map((field) => [field.name, field]))
  const known = new Set(wanted.fields.map(({ name }) => name))
  const mapped =
    own.dbName && own.dbName !== SHARED
      ? [
          `model User is mapped to the table "${own.dbName}". Tollgate's SQL needs the table "User".`,
        ]
      : []
  return [
    ...mapped,
    ...wanted.fields.flatMap((want) => {
      const has = fields.get(want.name)
      if (has) return fieldConflicts(has, want)
      return want.name === 'id' || want.name === 'email'
        ? [`User has no field ${want.name}. Tollgate needs ${shown(want)}.`]
        : []
    }),
    ...own.fields.flatMap((field) => {
      const isFilled =
        !field.isRequired || field.hasDefaultValue || field.isUpdatedAt || field.isList
      if (known.has(field.name) || isFilled || field.kind === 'object') return []
      return [
        `User.${field.name} is required and has no default, so no sign-up could make a user. Make it optional, or give it a @default.`,
      ]
    }),
  ]
}

function fieldConflicts(has: Field, want: Field): string[] {
  const at = `User.${want.name}`
  if (has.type !== want.type || has.isList !== want.isList) {
    return [`${at} is ${shown(has)}. Tollgate needs ${shown(want)}.`]
  }
  if (want.kind === 'object') return []
  const conflicts: string[] = []
  if (want.isRequired && !has.isRequired) {
    const fix =
      want.name === 'name'
        ? 'Write name String @default(""), after: UPDATE "User" SET "name" = \'\' WHERE "name" IS NULL.'
        : 'Fill it in each row and make it required.'
    conflicts.push(`${at} is optional, and Tollgate needs a value in each row. ${fix}`)
  }
  if (!want.isRequired && has.isRequired) {
    conflicts.push(
      `${at} is required, and Tollgate leaves it empty for some users. Make it optional.`,
    )
  }
  if (has.dbName && has.dbName !== want.name) {
    conflicts.push(
      `${at} is mapped to the column "${has.dbName}". Tollgate's SQL needs "${want.name}".`,
    )
  }
  if (want.isId && !has.isId) conflicts.push(`${at} is not the @id.`)
  if (want.isUnique && !has.isUnique) conflicts.push(`${at} is not @unique.`)
  const [native] = has.nativeType ?? []
  if (native && !(NATIVE[want.type] ?? []).includes(native)) {
    conflicts.push(`${at} has the type @db.${native}, which cannot hold Tollgate's values.`)
  }
  if (want.name === 'role' && has.default !== want.default) {
    conflicts.push(
      'User.role must have @default("USER"), and its values are USER and ADMIN alone. Give your field another name.',
    )
  }
  return conflicts
}

/** The types of the database that hold the same values. */
const NATIVE: Record<string, string[]> = {
  String: ['Text', 'VarChar', 'Citext'],
  DateTime: ['Timestamp', 'Timestamptz'],
  Boolean: ['Boolean'],
  BigInt: ['BigInt'],
  Int: ['Integer'],
}

const shown = ({ type, isList, isRequired, isId, isUnique }: Field): string =>
  `${type}${isList ? '[]' : isRequired ? '' : '?'}${isId ? ' @id' : isUnique ? ' @unique' : ''}`
